"""The engine process: the one place that orders reading, applying and appending.

A turn of the loop: tend the leases; take over what a lease gives; wait for commands, a deadline or a beat; let every
experience make at most one step; commit all steps in one round trip; see to the snapshot that is being made or due;
replay a slice of what is being restored. The next question to the store is out before the steps are made, so the
store works while we do.

What can go wrong, and what is done:

- The store is away: the commit is tried again for ``COMMIT_MS_MAX``. After that nobody knows whether the entries came
  through: the states ahead of their logs are thrown away and rebuilt; the others take over anew, behind their own end.
- An append is refused: somebody else writes, or a failover lost commands. The state is thrown away; where somebody
  else writes, the shard is left to them for a while.
- A step is more than a second late with a deadline pending: people lost some of their time, so it takes over anew,
  which makes good for the gap.
- A batch does not decode or raises: the state is rebuilt and goes on with care (``engine.poison``).
- A log cannot be followed, or a deadline raises: that experience is ``stopped``, not served by this process any more;
  the others go on. It is tried again after a restart. Both are ``degraded`` in the metrics, and an error in the log.

SIGTERM ends it in order: what is under way is committed, the leases are released, another engine goes on at once.
"""

import random
import secrets
import signal
import time

import structlog
from redis.exceptions import RedisError

from engine.duties import Duties
from engine.io.append import Append, Appender, Outcome
from engine.io.clock import NS_PER_MS, Reading, Sighting, read_clocks
from engine.io.lease import Change, LeaseDesk
from engine.io.streams import Found, StreamReader, connect, read_experiences
from engine.metrics import Metrics
from engine.poison import PoisonError
from engine.restoration import Restoration
from engine.settings import EngineSettings
from engine.snapshots import Snapshots
from engine.standby import Standby
from engine.takeover import LogError, behind_log, writer_changed
from engine.writer import STEP_ENTRIES_MAX, Writer
from protocol.streams import SHARDS

BLOCK_MS = 100
COMMIT_MS_MAX = 1_000
BACKOFF_MS_MIN = 50
BACKOFF_MS_MAX = 1_000
RESTORE_SLICE_MS = 50
LOOKS_PER_BEAT = 4
TAKE_OVER_TRIES = 3

assert BLOCK_MS < COMMIT_MS_MAX and BACKOFF_MS_MIN < BACKOFF_MS_MAX

log = structlog.get_logger()


class Runner:
    """One engine: the experiences that it writes, restores, or watches others write."""

    def __init__(self, settings: EngineSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._stopping = False
        self._client = connect(settings.redis_url)
        self._appender = Appender(self._client)
        owner = f"engine-{settings.number}-{secrets.token_hex(8)}"
        self._leases = LeaseDesk(self._client, owner, settings.lease_ms, settings.beat_ms)
        self._standby = Standby()
        self._duties = Duties(metrics)
        self._snapshots = Snapshots(self._client, settings, metrics)
        self._wakes: dict[str, str] = {}
        self._look_ms = 0

    def stop(self) -> None:
        """End the loop after this turn. May be called from a signal handler or another thread."""
        self._stopping = True

    def run(self) -> None:
        """Serve until ``stop``. Losing the store is survived; what is raised is an error of this program."""
        pause_ms = BACKOFF_MS_MIN
        while not self._stopping:
            try:
                with StreamReader(self._client) as reader:
                    self._look_around()
                    pause_ms = BACKOFF_MS_MIN
                    while not self._stopping:
                        self._turn(reader)
            except RedisError as error:
                self._store_away(error, pause_ms)
                pause_ms = min(BACKOFF_MS_MAX, 2 * pause_ms)
        self._end()

    # The store comes and goes

    def _look_around(self) -> None:
        """Learn which experiences there are."""
        experiences, self._wakes = read_experiences(self._client, range(SHARDS))
        self._duties.know(experiences)
        self._leases.add(self._duties.shards.values())
        self._look_ms = 0

    def _store_away(self, error: RedisError, pause_ms: int) -> None:
        log.warning("store away", error=type(error).__name__, reason=str(error), pause_ms=pause_ms)
        self._metrics.store_losses.inc()
        self._duties.store_away()
        self._standby.forget_places()
        time.sleep(pause_ms / 1000)

    def _end(self) -> None:
        self._snapshots.end()
        try:
            self._leases.release()
        except RedisError as error:
            log.warning("leases not released", error=type(error).__name__, reason=str(error))
        self._client.close()
        for writer in self._duties.writers.values():
            log.info("written", experience=writer.id, entry=writer.end.entry_id, digest=writer.digest())

    # One turn

    def _turn(self, reader: StreamReader) -> None:
        reading = read_clocks()
        if _steady_ms(reading) >= self._look_ms:
            self._tend_leases(_steady_ms(reading))
        for experience in self._duties.to_take_over(self._leases.holds):
            self._take_over(experience)
        self._ask(reader)
        found = reader.wait(self._patience_ms(read_clocks()))
        self._receive(reader.asked, found)
        if found and self._look_ms:  # else there may be more to ask for after the next look at the leases
            self._ask(reader)
        self._step_all()
        self._snapshots.tend(self._duties.writers, _steady_ms(read_clocks()), may_begin=not self._duties.restoring)
        self._restore_some()

    def _ask(self, reader: StreamReader) -> None:
        """Ask for more, unless somebody has enough: a question without their commands would make them wait for it. What
        is being restored will soon be asked for too, so then no question may stay outstanding."""
        if not any(writer.full for writer in self._duties.writers.values()):
            commands = {writer.commands_key: writer.received_id for writer in self._duties.writers.values()}
            after = {**self._wakes, **commands, **self._standby.after}
            reader.ask(after, STEP_ENTRIES_MAX, None if self._duties.restoring else BLOCK_MS)

    def _tend_leases(self, now_ms: int) -> None:
        self._look_ms = now_ms + self._settings.beat_ms // LOOKS_PER_BEAT
        for shard, change in self._leases.tend(now_ms).items():
            log.info("lease", shard=shard, change=change.value)
            if change is Change.LOST:
                self._duties.leave(shard)
        self._standby.watch(self._client, self._duties.to_watch(self._leases.holds))
        self._duties.count()

    def _patience_ms(self, reading: Reading) -> int:
        """How long to wait for commands: until a beat or a deadline is due."""
        if self._duties.restoring:
            return 0
        patience_ms = self._look_ms - _steady_ms(reading)
        for writer in self._duties.writers.values():
            due_ms = writer.due_ms()
            if writer.interrupted:
                return 0
            if due_ms is not None:
                patience_ms = min(patience_ms, due_ms - writer.clock.read(reading))
        return max(0, patience_ms)

    def _receive(self, asked: dict[str, str], found: Found) -> None:
        reading = read_clocks()
        for writer in self._duties.writers.values():
            entries = found.get(writer.commands_key)
            if entries and asked[writer.commands_key] == writer.received_id:
                writer.receive(entries)
        for key, after in self._standby.after.items():
            if key in found and asked.get(key) == after:
                self._standby.receive(key, found[key], reading)
        if any(key in found for key in self._wakes):
            self._look_around()

    # Steps and their commit

    def _step_all(self) -> None:
        reading = read_clocks()
        appends = []
        for writer in list(self._duties.writers.values()):
            if writer.id not in self._duties.writers:  # its shard was left a moment ago
                continue
            now_ms = writer.clock.read(reading)
            due_ms = writer.due_ms()
            if writer.interrupted or writer.stalled(now_ms):
                self._take_over_anew(writer, now_ms)
            elif due_ms is not None and due_ms <= now_ms:
                appends += self._step(writer, now_ms)
        if appends:
            self._commit_steps(appends, reading)

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

    def _commit_steps(self, appends: list[Append], started: Reading) -> None:
        outcomes = self._commit(appends, started)
        now = read_clocks()
        self._metrics.commit_seconds.observe((now.steady_ns - started.steady_ns) / 1e9)
        for append, outcome in zip(appends, outcomes, strict=True):
            writer = self._duties.writers.get(append.experience)
            if writer is None:  # its shard was left meanwhile
                continue
            if outcome.committed:
                writer.committed()
                self._metrics.entries.inc()
                self._standby.note(writer.id, Sighting(append.end.entry_id, append.end.now_ms, started.steady_ns))
            else:
                self._refused(writer, outcome)

    def _commit(self, appends: list[Append], started: Reading) -> list[Outcome]:
        """Try for ``COMMIT_MS_MAX``; an entry that is in already is answered so. Raises RedisError."""
        while True:
            try:
                return self._appender.commit(appends)
            except RedisError:
                tried_ms = (read_clocks().steady_ns - started.steady_ns) // NS_PER_MS
                if tried_ms + BACKOFF_MS_MIN > COMMIT_MS_MAX:
                    raise
                time.sleep(BACKOFF_MS_MIN / 1000)

    def _refused(self, writer: Writer, outcome: Outcome) -> None:
        self._metrics.refused_appends.labels(outcome.value).inc()
        self._duties.drop(writer, outcome.value)
        if outcome is not Outcome.COMMANDS_LOST:
            self._stand_back(self._duties.shards[writer.id])

    # Taking over

    def _take_over(self, experience: str) -> None:
        """Become the writer, behind whatever the log ends with now; then it is restored."""
        shard = self._duties.shards[experience]
        for _ in range(TAKE_OVER_TRIES):
            if not self._leases.holds(shard):  # it was left a moment ago
                return
            try:
                taking = behind_log(self._client, experience, self._standby)
            except LogError:
                self._duties.stop(experience)
                return
            if taking.doubtful:
                self._metrics.clocks_doubtful.inc()
                log.error("clocks differ", experience=experience, taken_ms=taking.append.end.now_ms)
            outcome = self._commit([taking.append], taking.reading)[0]
            if outcome.committed:
                restoration = Restoration(self._client, experience, taking.append.end.entry_id)
                self._duties.restoring[experience] = (restoration, taking.clock, taking.append)
                self._took_over(taking.append)
                return
            self._metrics.refused_appends.labels(outcome.value).inc()
            log.warning("take-over refused", experience=experience, why=outcome.value)
        self._stand_back(shard)

    def _take_over_anew(self, writer: Writer, now_ms: int) -> None:
        """Take over behind our own last entry: the script proves that nobody else wrote, so the state holds."""
        append = writer_changed(self._client, writer.id, writer.end, now_ms)
        outcome = self._commit([append], read_clocks())[0]
        if outcome.committed:
            writer.changed(append)
            self._took_over(append)
        else:
            self._refused(writer, outcome)

    def _took_over(self, append: Append) -> None:
        self._metrics.take_overs.inc()
        self._metrics.epoch.set(append.end.epoch)
        log.info("took over", experience=append.experience, entry=append.end.entry_id, after=append.previous.entry_id)

    def _restore_some(self) -> None:
        """One slice of one restoration."""
        for experience, (restoration, _, _) in self._duties.restoring.items():
            try:
                restoration.advance(RESTORE_SLICE_MS)
            except LogError:
                self._duties.stop(experience)
                return
            if restoration.done:
                self._duties.restored(experience)
            return

    def _stand_back(self, shard: int) -> None:
        """Somebody else writes: leave the shard to them for one to two leases, so that two never chase each other."""
        pause_ms = int(self._settings.lease_ms * random.uniform(1, 2))
        self._leases.stand_back(shard, _steady_ms(read_clocks()) + pause_ms)
        self._duties.leave(shard)


def _steady_ms(reading: Reading) -> int:
    return reading.steady_ns // NS_PER_MS


def main(settings: EngineSettings) -> None:
    """Run one engine until SIGTERM or SIGINT."""
    metrics = Metrics()
    if settings.metrics_port is not None:
        metrics.serve(settings.metrics_host, settings.metrics_port)
    runner = Runner(settings, metrics)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    log.info("engine", settings=repr(settings))
    runner.run()
    log.info("engine ended")
