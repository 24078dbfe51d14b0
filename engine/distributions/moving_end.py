"""What the two styles of an auction have in common: a time in which nobody could bid is given back.

A pause stops the clock of an auction, and when it is over, end and next drop come later by its length. An outage that
is ours moves those of them that fell into it or would come right after it. While the path is paused nothing is due, so
an outage within a pause is a part of the pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.distributions.base import Distribution
from protocol import documents
from protocol.distributions import Auction
from protocol.kind_events import EndMoved
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path

_BEFORE_THE_HAMMER = frozenset({Phase.SCHEDULED, Phase.LOBBY, Phase.OPEN})


class MovingEnd(Distribution):
    """State: ``stopped_at``, since when the pause holds up the open path, and ``next_drop_at``, when a price drops by
    itself next (None = never)."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._stopped_at = 0
        self._next_drop_at: int | None = None

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        if phase == Phase.OPEN:
            self._stopped_at = at

    def paused(self, at: int) -> None:
        self._stopped_at = at

    def resumed(self, at: int, journal: Journal) -> None:
        if self._path.phase == Phase.OPEN:
            self._move(at - self._stopped_at, None, journal)
            self._path.keep_schedule(at, journal)

    def moved(self, gap_ms: int, closing_before_ms: int | None, journal: Journal) -> None:
        path = self._path
        if path.phase in _BEFORE_THE_HAMMER and not (path.paused and path.phase == Phase.OPEN):
            self._move(gap_ms, closing_before_ms, journal)

    def _move(self, ms: int, before_ms: int | None, journal: Journal) -> None:
        path = self._path
        ends_at, drops_at = _later(path.closes_at, ms, before_ms), _later(self._next_drop_at, ms, before_ms)
        if (ends_at, drops_at) != (path.closes_at, self._next_drop_at):
            path.closes_at, self._next_drop_at = ends_at, drops_at
            journal.add(EndMoved(path.id, ends_at, drops_at))


def _later(instant: int | None, ms: int, before_ms: int | None) -> int | None:
    """``instant``, moved by ``ms`` if it lies before ``before_ms`` (None: always)."""
    return instant if instant is None or (before_ms is not None and instant >= before_ms) else instant + ms


def terms_of(settings: documents.Path) -> Auction:
    """The terms of a path that is an auction."""
    assert isinstance(settings.distribution, Auction), "an auction is run by the terms of one"
    return settings.distribution
