"""How this engine comes to write an experience, and how it gets out of another's way.

A take-over is appended behind whatever the log ends with now; then the state is rebuilt, a slice a turn of the loop.
What can go wrong, and what is done:

- An append is refused: somebody else writes, or a failover lost commands or entries. The state is thrown away; where
  somebody else writes, the shard is left to them for a while.
- What was followed, or was found to begin with before the take-over, does not fit the log: it is restored from a
  snapshot on.
- A log cannot be followed: that experience is ``stopped``, unless somebody else writes it by now.

Hands over to: ``engine.takeover`` (what is appended), ``engine.shadows`` and ``engine.restoration`` (the state);
``engine.duties`` is told what came of it.
"""

import structlog

from engine.commit import commit
from engine.duties import Duties
from engine.io.append import Append, Outcome
from engine.io.clock import NS_PER_MS
from engine.io.lease import LeaseDesk
from engine.io.outside import Outside
from engine.metrics import Metrics
from engine.restoration import Restoration
from engine.settings import EngineSettings
from engine.shadows import Shadows
from engine.standby import Standby
from engine.takeover import LogError, behind_log, ends_with, writer_changed
from engine.writer import Writer
from protocol.streams import parse_entry_id

RESTORE_SLICE_MS = 50
TAKE_OVER_TRIES = 3

log = structlog.get_logger()


class Succession:
    """Of one engine: it acts on ``duties`` and gives up ``leases``. All of it may raise RedisError."""

    def __init__(
        self,
        settings: EngineSettings,
        metrics: Metrics,
        outside: Outside,
        duties: Duties,
        leases: LeaseDesk,
        standby: Standby,
        shadows: Shadows,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._outside = outside
        self._duties = duties
        self._leases = leases
        self._standby = standby
        self._shadows = shadows
        self._waits = settings.wait_replicas > 0

    async def take_over(self, experience: str) -> None:
        """Become the writer, behind whatever the log ends with now; then it is restored."""
        shard = self._duties.shards[experience]
        for _ in range(TAKE_OVER_TRIES):
            if not self._leases.holds(shard):  # it was left a moment ago
                return
            try:
                taking = await behind_log(self._outside, experience, self._standby, waits=self._waits)
            except LogError:
                self._duties.stop(experience)
                return
            if taking.doubtful:
                self._metrics.clocks_doubtful.inc()
                log.error("clocks differ", experience=experience, taken_ms=taking.append.end.now_ms)
            outcome = (await commit(self._outside, [taking.append], taking.reading))[0]
            if outcome.committed:
                restoration = self._shadows.take(experience, taking.append.end.entry_id)
                self._duties.restoring[experience] = (restoration, taking.clock, taking.append)
                self._took_over(taking.append)
                return
            self._metrics.refused_appends.labels(outcome.value).inc()
            log.warning("take-over refused", experience=experience, why=outcome.value)
        await self._stand_back(shard)

    async def take_over_anew(self, writer: Writer, now_ms: int) -> None:
        """Take over behind our own last entry: the script proves that nobody else wrote, so the state holds."""
        append = await writer_changed(self._outside, writer.id, writer.end, now_ms, waits=self._waits)
        outcome = (await commit(self._outside, [append], self._outside.clocks()))[0]
        if outcome.committed:
            writer.changed(append)
            self._took_over(append)
        else:
            await self.refused(writer, outcome)

    def _took_over(self, append: Append) -> None:
        self._metrics.take_overs.inc()
        self._metrics.epoch.set(append.end.epoch)
        log.info("took over", experience=append.experience, entry=append.end.entry_id, after=append.previous.entry_id)

    async def restore_some(self) -> None:
        """One slice of one restoration."""
        for experience, (restoration, _, taken) in self._duties.restoring.items():
            try:
                restoration.advance(RESTORE_SLICE_MS)
                if restoration.done and restoration.replica.chain != taken.end.chain:
                    raise LogError(f"it stands at another entry of the ID {taken.end.entry_id}")
            except LogError as error:
                await self._not_restored(experience, error)
                return
            if restoration.done:
                self._duties.restored(experience)
            return

    async def _not_restored(self, experience: str, error: LogError) -> None:
        """Called while handling ``error``. A log that somebody else writes by now may be trimmed where we read: it is
        theirs, and nothing is wrong with it."""
        restoration, clock, taken = self._duties.restoring[experience]
        if not await ends_with(self._outside, taken):
            log.warning("restoration given up", experience=experience, why=str(error))
            del self._duties.restoring[experience]
            await self._stand_back(self._duties.shards[experience])
        elif restoration.resumed:
            log.warning("restored from a snapshot on", experience=experience, why=str(error))
            anew = Restoration(self._outside, experience, taken.end.entry_id)
            self._duties.restoring[experience] = (anew, clock, taken)
        else:
            self._duties.stop(experience)

    async def refused(self, writer: Writer, outcome: Outcome) -> None:
        """The log did not take this writer's append."""
        self._metrics.refused_appends.labels(outcome.value).inc()
        self._duties.drop(writer, outcome.value)
        if outcome is not Outcome.COMMANDS_LOST and not await self._is_cut_short(writer):
            await self._stand_back(self._duties.shards[writer.id])

    async def _is_cut_short(self, writer: Writer) -> bool:
        """Whether the log ends before our last entry: a failover lost it, which is no sign of anybody else."""
        last = await self._outside.last_entry_id(writer.id)
        return parse_entry_id(last)[1] < parse_entry_id(writer.end.entry_id)[1]

    async def _stand_back(self, shard: int) -> None:
        """Somebody else writes: leave the shard to them for one to two leases, so that two never chase each other."""
        chance = int.from_bytes(self._outside.random_bytes(2), "big")
        pause_ms = self._settings.lease_ms + self._settings.lease_ms * chance // 65_536
        await self._leases.stand_back(shard, self._outside.clocks().steady_ns // NS_PER_MS + pause_ms)
        self._duties.leave(shard)
