"""What this engine does with each experience that there is: it writes it, restores it, has stopped it, or watches
another engine write it. One with which something is wrong is degraded, whether it goes on or is stopped. Bookkeeping
alone; nothing here talks to the store.

Hands over to: ``engine.runner``, which acts on it.
"""

from collections.abc import Callable, Iterable

import structlog

from engine.io.append import Append
from engine.io.clock import LogClock
from engine.metrics import Metrics
from engine.poison import Care, PoisonError
from engine.restoration import Restoration
from engine.writer import Writer
from protocol.streams import START_ID, shard_of

log = structlog.get_logger()


class Duties:
    """Every experience is in at most one of ``writers``, ``restoring`` and ``stopped``; any may be ``degraded``.
    ``waits``: see ``Writer``."""

    def __init__(self, metrics: Metrics, *, waits: bool = False) -> None:
        self.shards: dict[str, int] = {}
        """The shard of every experience that there is."""
        self.writers: dict[str, Writer] = {}
        self.restoring: dict[str, tuple[Restoration, LogClock, Append]] = {}
        self.stopped: dict[str, None] = {}
        self.degraded: dict[str, None] = {}
        self._waits = waits
        self._care: dict[str, Care] = {}
        self._metrics = metrics
        metrics.writers = self.writers

    def know(self, experiences: Iterable[str]) -> None:
        """These are all the experiences that there are."""
        self.shards = {experience: shard_of(experience) for experience in experiences}

    def to_take_over(self, holds: Callable[[int], bool]) -> list[str]:
        """Experiences of the shards that we hold that nothing is done about yet."""
        busy = (self.writers, self.restoring, self.stopped)
        ours = [experience for experience, shard in self.shards.items() if holds(shard)]
        return [experience for experience in ours if not any(experience in group for group in busy)]

    def to_watch(self, holds: Callable[[int], bool]) -> list[str]:
        """Experiences of the shards that we do not hold, and might take over."""
        others = [experience for experience, shard in self.shards.items() if not holds(shard)]
        return [experience for experience in others if experience not in self.stopped]

    def restored(self, experience: str) -> None:
        """The state is rebuilt up to our take-over: it is written from now on."""
        restoration, clock, append = self.restoring.pop(experience)
        self.writers[experience] = Writer(restoration, clock, append, self._care.get(experience), waits=self._waits)
        for fault in restoration.faults:
            self._metrics.snapshots_unusable.inc()
            log.error("snapshot not used", experience=experience, why=fault)
        began = START_ID if restoration.manifest is None else restoration.manifest.entry_id
        counts = {"entries": restoration.entries, "commands": restoration.commands}
        standby = "warm" if restoration.resumed else "cold"
        self._metrics.restorations.labels(standby).inc()
        log.info("restored", experience=experience, standby=standby, snapshot=began, **counts)

    def stop(self, experience: str) -> None:
        """Called while handling what went wrong: this process serves the experience no more."""
        log.exception("experience stopped", experience=experience)
        self.writers.pop(experience, None)
        self.restoring.pop(experience, None)
        self.stopped[experience] = self.degraded[experience] = None

    def poisoned(self, writer: Writer, error: PoisonError) -> None:
        """A step has raised ``error``: the state is rebuilt and goes on with care, where that can help."""
        if error.care is None:
            self.stop(writer.id)
            return
        self._metrics.poisoned.inc()
        self.degraded[writer.id] = None
        self._care[writer.id] = error.care
        log.exception("experience degraded", experience=writer.id, skip=error.care.skip, until=error.care.until)
        self.drop(writer, "a step has raised")

    def drop(self, writer: Writer, why: str) -> None:
        """Throw the state away; it can be rebuilt."""
        log.warning("state dropped", experience=writer.id, entry=writer.end.entry_id, why=why)
        del self.writers[writer.id]

    def leave(self, shard: int) -> None:
        """The shard is another engine's."""
        for experience in self.shards:
            if self.shards[experience] == shard:
                self.writers.pop(experience, None)
                self.restoring.pop(experience, None)

    def store_away(self) -> None:
        """Nobody knows what is in the store now: keep the states that stand at the end of their logs, no others."""
        for writer in list(self.writers.values()):
            if writer.ahead is None:
                writer.interrupt()
            else:
                self.drop(writer, "its last entry is in doubt")
        self.restoring.clear()

    def count(self, warm: int) -> None:
        """Show how many there are of each; ``warm``: how many others write and this engine could at once."""
        states = ("writing", "restoring", "stopped", "degraded", "warm")
        sizes = (len(self.writers), len(self.restoring), len(self.stopped), len(self.degraded), warm)
        for state, size in zip(states, sizes, strict=True):
            self._metrics.experiences.labels(state).set(size)
