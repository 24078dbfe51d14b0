"""The engine process: the one place that orders reading, applying and appending.

A turn of the loop: tend the leases; take over what a lease gives; wait for commands, a deadline or a beat; let every
experience make at most one step; commit all steps in one round trip; see to the snapshot that is being made or due;
replay a slice of what is being restored, and one of what others write (``engine.shadows``). The next question to the
store is out before the steps are made, so the store works while we do; but behind an entry that holds commands of many
gateways the next ones gather first.

What can go wrong, and what is done:

- The store is away: the commit is tried again for ``COMMIT_MS_MAX``. After that nobody knows whether the entries came
  through: the states ahead of their logs are thrown away and rebuilt; the others take over anew, behind their own end.
- A step is more than a second late with a deadline pending: people lost some of their time, so it takes over anew,
  which makes good for the gap.
- A batch does not decode or raises: the state is rebuilt and goes on with care (``engine.poison``).
- A log cannot be followed, or a deadline raises: that experience is ``stopped``, not served by this process any more;
  the others go on. It is tried again after a restart. Both are ``degraded`` in the metrics, and an error in the log.
- An append is refused, or a take-over is: see ``engine.succession``.

SIGTERM ends it in order: what is under way is committed, the leases are released, another engine goes on at once.

Whatever it asks of the world goes through ``engine.io.outside``, so that the simulator can drive this very loop and
kill, stop or mislead it at every ``await``.
"""

import gc
import signal
from collections.abc import Mapping
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from engine.commit import COMMIT_MS_MAX, commit
from engine.duties import Duties
from engine.io import store
from engine.io.append import Append, Outcome
from engine.io.clock import NS_PER_MS, Reading, Sighting
from engine.io.lease import Change, LeaseDesk
from engine.io.outside import Outside, Reader
from engine.io.streams import Found
from engine.making import Child
from engine.metrics import Metrics
from engine.poison import PoisonError
from engine.settings import EngineSettings
from engine.shadows import Shadows
from engine.snapshots import Snapshots
from engine.standby import Standby
from engine.succession import Succession
from engine.writer import STEP_ENTRIES_MAX, Writer

BLOCK_MS = 100
BACKOFF_MS_MIN = 50
BACKOFF_MS_MAX = 1_000
LOOKS_PER_BEAT = 4
GATHER_SENDERS_MIN = 4
GATHER_MS_MAX = 50
OWNER_BYTES = 8

assert BLOCK_MS < COMMIT_MS_MAX and BACKOFF_MS_MIN < BACKOFF_MS_MAX

log = structlog.get_logger()


class SnapshotMaker(Protocol):
    """Whoever makes the snapshots; see ``engine.snapshots.Snapshots``. It forks, so it is no part of ``Outside``."""

    def tend(self, writers: Mapping[str, Writer], now_ms: int, *, may_begin: bool) -> None:
        """See to the one that is being made, or begin one that is due. Raises RedisError."""

    def end(self) -> None:
        """The engine ends."""


class Runner:
    """One engine: the experiences that it writes, restores, or watches others write."""

    def __init__(self, settings: EngineSettings, metrics: Metrics, outside: Outside, snapshots: SnapshotMaker) -> None:
        self._settings = settings
        self._metrics = metrics
        self._outside = outside
        self._stopping = False
        owner = f"engine-{settings.number}-{outside.random_bytes(OWNER_BYTES).hex()}"
        self._leases = LeaseDesk(outside, owner, settings.lease_ms, settings.beat_ms)
        self._standby = Standby()
        self._shadows = Shadows(outside, warm=settings.standby == "warm")
        self._waits = settings.wait_replicas > 0
        self._duties = Duties(metrics, waits=self._waits)
        self._succession = Succession(
            settings, metrics, outside, self._duties, self._leases, self._standby, self._shadows
        )
        self._snapshots = snapshots
        self._wakes: dict[str, str] = {}
        self._look_ms = 0

    def stop(self) -> None:
        """End the loop after this turn. May be called from a signal handler or another thread."""
        self._stopping = True

    async def run(self) -> None:
        """Serve until ``stop``. Losing the store is survived; what is raised is an error of this program."""
        pause_ms = BACKOFF_MS_MIN
        while not self._stopping:
            try:
                with self._outside.reader() as reader:
                    await self._look_around()
                    pause_ms = BACKOFF_MS_MIN
                    while not self._stopping:
                        await self._turn(reader)
            except RedisError as error:
                await self._store_away(error, pause_ms)
                pause_ms = min(BACKOFF_MS_MAX, 2 * pause_ms)
        await self._end()

    # The store comes and goes

    async def _look_around(self) -> None:
        """Learn which experiences there are."""
        experiences, self._wakes = await self._outside.experiences()
        self._duties.know(experiences)
        self._leases.add(self._duties.shards.values())
        self._look_ms = 0

    async def _store_away(self, error: RedisError, pause_ms: int) -> None:
        log.warning("store away", error=type(error).__name__, reason=str(error), pause_ms=pause_ms)
        self._metrics.store_losses.inc()
        self._duties.store_away()
        self._standby.forget_places()
        self._shadows.stir_all()
        await self._outside.pause(pause_ms)

    async def _end(self) -> None:
        self._snapshots.end()
        try:
            await self._leases.release()
        except RedisError as error:
            log.warning("leases not released", error=type(error).__name__, reason=str(error))
        self._outside.close()
        for writer in self._duties.writers.values():
            log.info("written", experience=writer.id, entry=writer.end.entry_id, digest=writer.digest())

    # One turn

    async def _turn(self, reader: Reader) -> None:
        reading = self._outside.clocks()
        if _steady_ms(reading) >= self._look_ms:
            await self._tend_leases(_steady_ms(reading))
        for experience in self._duties.to_take_over(self._leases.holds):
            await self._succession.take_over(experience)
        self._ask(reader)
        found = await reader.wait(self._patience_ms(self._outside.clocks()))
        await self._receive(reader.asked, found)
        gather_ms = self._gather_ms() if found else 0
        if found and self._look_ms and not gather_ms:  # else there will be more to ask for, in streams or of them
            self._ask(reader)
        await self._step_all()
        now_ms = _steady_ms(self._outside.clocks())
        may_begin = not self._duties.restoring and not self._shadows.beginning
        self._snapshots.tend(self._duties.writers, now_ms, may_begin=may_begin)
        await self._succession.restore_some()
        self._shadows.advance(_steady_ms(self._outside.clocks()))
        if gather_ms:
            await self._outside.pause(min(gather_ms, self._patience_ms(self._outside.clocks())))

    def _gather_ms(self) -> int:
        """How long the next commands gather after an entry. Each gateway reads every entry, so the more of them send
        commands, the fewer entries there are to be; a lone command waits for nobody, and a deadline never."""
        senders = max((len(writer.state.senders) for writer in self._duties.writers.values()), default=0)
        return min(max(0, senders - GATHER_SENDERS_MIN), GATHER_MS_MAX)

    def _ask(self, reader: Reader) -> None:
        """Ask for more, unless somebody has enough: a question without their commands would make them wait for it. What
        is being restored will soon be asked for too, so then no question may stay outstanding."""
        if not any(writer.full for writer in self._duties.writers.values()):
            commands = {writer.commands_key: writer.received_id for writer in self._duties.writers.values()}
            after = {**self._wakes, **commands, **self._standby.after}
            reader.ask(after, STEP_ENTRIES_MAX, None if self._duties.restoring else BLOCK_MS)

    async def _tend_leases(self, now_ms: int) -> None:
        self._look_ms = now_ms + self._settings.beat_ms // LOOKS_PER_BEAT
        for shard, change in (await self._leases.tend(now_ms)).items():
            log.info("lease", shard=shard, change=change.value)
            if change is Change.LOST:
                self._duties.leave(shard)
        watched = self._duties.to_watch(self._leases.holds)
        await self._standby.watch(self._outside, watched)
        self._shadows.keep([*watched, *self._duties.to_take_over(self._leases.holds)], now_ms)
        self._duties.count(self._shadows.ready)

    def _patience_ms(self, reading: Reading) -> int:
        """How long to wait for commands: until a beat or a deadline is due."""
        if self._duties.restoring:
            return 0
        due = (self._look_ms, self._shadows.due_ms)
        patience_ms = min(one for one in due if one is not None) - _steady_ms(reading)
        for writer in self._duties.writers.values():
            due_ms = writer.due_ms()
            if writer.interrupted:
                return 0
            if due_ms is not None:
                patience_ms = min(patience_ms, due_ms - writer.clock.read(reading))
        return max(0, patience_ms)

    async def _receive(self, asked: dict[str, str], found: Found) -> None:
        reading = self._outside.clocks()
        for writer in self._duties.writers.values():
            entries = found.get(writer.commands_key)
            if entries and asked[writer.commands_key] == writer.received_id:
                writer.receive(entries)
        for key, after in self._standby.after.items():
            if key in found and asked.get(key) == after:
                self._shadows.stir(self._standby.receive(key, found[key], reading))
        if any(key in found for key in self._wakes):
            await self._look_around()

    # Steps and their commit

    async def _step_all(self) -> None:
        reading = self._outside.clocks()
        appends = []
        for writer in list(self._duties.writers.values()):
            if writer.id not in self._duties.writers:  # its shard was left a moment ago
                continue
            now_ms = writer.clock.read(reading)
            due_ms = writer.due_ms()
            if writer.interrupted or writer.stalled(now_ms):
                await self._succession.take_over_anew(writer, now_ms)
            elif due_ms is not None and due_ms <= now_ms:
                appends += self._step(writer, now_ms)
        if appends:
            await self._commit_steps(appends, reading)

    def _step(self, writer: Writer, now_ms: int) -> list[Append]:
        late_ms, before = writer.late_ms(now_ms), writer.commands
        try:
            append = writer.step(now_ms)
        except PoisonError as error:
            self._duties.poisoned(writer, error)
            return []
        if late_ms:
            self._metrics.late_seconds.observe(late_ms / 1000)
        self._metrics.commands.inc(writer.commands - before)
        return [append]

    async def _commit_steps(self, appends: list[Append], started: Reading) -> None:
        outcomes = await commit(self._outside, appends, started)
        now = self._outside.clocks()
        self._metrics.commit_seconds.observe((now.steady_ns - started.steady_ns) / 1e9)
        for append, outcome in zip(appends, outcomes, strict=True):
            writer = self._duties.writers.get(append.experience)
            if writer is None:  # its shard was left meanwhile
                continue
            if outcome.committed:
                writer.committed(outcome)
                self._metrics.entries.inc()
                self._metrics.events.update(map(type, writer.events))
                self._metrics.unconfirmed.inc(self._waits and outcome is not Outcome.CONFIRMED)
                self._standby.note(writer.id, Sighting(append.end.chain, started.steady_ns))
            else:
                await self._succession.refused(writer, outcome)


def _steady_ms(reading: Reading) -> int:
    return reading.steady_ns // NS_PER_MS


def main(settings: EngineSettings) -> None:
    """Run one engine until SIGTERM or SIGINT."""
    metrics = Metrics()
    if settings.metrics_port is not None:
        metrics.serve(settings.metrics_host, settings.metrics_port)
    outside = store.Store(settings.redis_url, wait_replicas=settings.wait_replicas)
    runner = Runner(settings, metrics, outside, Snapshots(outside.client_of, settings, metrics, Child))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    log.info("engine", settings=repr(settings))
    # What is here by now stays: a search of it all for garbage would hold up a batch by 60 ms.
    gc.freeze()
    store.run(runner.run())
    log.info("engine ended")
