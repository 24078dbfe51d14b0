"""The warm standby: the states of experiences that other engines write, replayed as their entries come.

Whoever takes over has to rebuild the state, and of a big one that takes seconds; so a standby does it beforehand. It
follows every log that it watches by the very restoration that a take-over would make, so each entry is checked by its
chain and comes out byte for byte; what is left to do at a take-over is the tail. A standby spends at most half of its
time on it. One that cannot go on (it is behind the trimming, or the store lost what it had read) begins anew at a
snapshot; after an error in the log only ``ANEW_MS`` later, so that a log that nobody can follow keeps nobody busy.

The price is memory: one more copy of each state. Where that is too much, a standby may be cold.

Hands over to: ``engine.restoration``, which does the work; ``engine.runner``, which takes what is ready.
"""

from collections.abc import Iterable

import structlog
from redis.exceptions import RedisError

from engine.io.clock import NS_PER_MS
from engine.io.outside import Source
from engine.restoration import Restoration
from engine.takeover import LogError

SLICE_MS = 25
"""So long others are not served; then it rests for as long as that took, and at least as long as this."""
ANEW_MS = 10_000

log = structlog.get_logger()


class Shadows:
    """What this engine follows. Times are of its steady clock, in ms."""

    def __init__(self, source: Source, *, warm: bool) -> None:
        self._source = source
        self._warm = warm
        self._kept: dict[str, Restoration] = {}
        self._behind: dict[str, None] = {}
        self._anew_ms: dict[str, int] = {}
        self._due_ms = 0

    @property
    def kept(self) -> list[Restoration]:
        """All of them."""
        return list(self._kept.values())

    @property
    def ready(self) -> int:
        """How many stand at the end of their logs, as far as is known."""
        return len(self._kept) - len(self._behind)

    @property
    def beginning(self) -> bool:
        """Whether another thread is at work for one of them."""
        return any(shadow.beginning for shadow in self._kept.values())

    @property
    def due_ms(self) -> int | None:
        """When the next slice is due, None while there is nothing to do."""
        return self._due_ms if self._behind else None

    def keep(self, experiences: Iterable[str], now_ms: int) -> None:
        """Follow these and no others."""
        wanted = dict.fromkeys(experiences if self._warm else ())
        for experience in [one for one in self._kept if one not in wanted]:
            self._forget(experience)
        for experience in wanted:
            if experience not in self._kept and now_ms >= self._anew_ms.get(experience, 0):
                self._kept[experience] = Restoration(self._source, experience, None)
                self._behind[experience] = None

    def stir(self, experience: str) -> None:
        """There is more in its log."""
        if experience in self._kept:
            self._behind[experience] = None

    def stir_all(self) -> None:
        """The store was away: nobody knows what there is."""
        for experience in self._kept:
            self.stir(experience)

    def advance(self, now_ms: int) -> None:
        """Replay a slice of one that is behind, if it is time. Raises RedisError."""
        if not self._behind or now_ms < self._due_ms:
            return
        experience = next(iter(self._behind))
        shadow = self._kept[experience]
        try:
            if shadow.done:
                shadow.resume(None)
            shadow.advance(SLICE_MS)
        except LogError as error:
            log.warning("standby begins anew", experience=experience, why=str(error))
            self._forget(experience)
            self._anew_ms[experience] = now_ms + ANEW_MS
        except RedisError:
            self._forget(experience)  # it may stand between two entries
            raise
        else:
            self._line_up(experience, shadow)
        ended_ms = self._source.clocks().steady_ns // NS_PER_MS
        self._due_ms = ended_ms + max(SLICE_MS, ended_ms - now_ms)

    def _line_up(self, experience: str, shadow: Restoration) -> None:
        """To the end of the line, but for one that has not begun: so no more than one is begun at a time."""
        if shadow.done or not shadow.beginning:
            del self._behind[experience]
        if not shadow.done:
            self._behind[experience] = None

    def take(self, experience: str, until: str) -> Restoration:
        """The restoration of an experience up to and with the entry ``until``: what was followed, else one from a
        snapshot on. (Whether what was followed is that very entry, the taker looks.) Raises RedisError."""
        shadow = self._kept.get(experience)
        if shadow is None:
            return Restoration(self._source, experience, until)
        shadow.rebase(self._source.newest_manifest(experience, until))
        shadow.resume(until)
        self._forget(experience)
        return shadow

    def _forget(self, experience: str) -> None:
        del self._kept[experience]
        self._behind.pop(experience, None)
