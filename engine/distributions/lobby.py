"""The lobby of a queue: who is there at the opening is ordered once, by the lottery; whoever joins later follows.

    gathering    the path opens, or is closed by hand    → closed: the root is told, the drawing begins
    gathering    the merchant ends the path              → put away: nobody is ordered
    closed       slice by slice                          → drawn
    drawn        part by part                            → the places are told, and at last the secret: arranged

Until it is arranged nobody is admitted, whoever joined when. What has to be told of a million places is as large as
what has to be drawn, so it comes in parts, a step each. Whoever left before the opening stands last and never waits.

Hands over to: ``engine.core.lots``, which draws, and ``engine.core.places``, which knows the order from then on.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

from engine.core.lots import Lots
from protocol.kind_events import DrawCommitted, Drawn, EntriesClosed, PlacesGiven
from protocol.lottery import Order, everybody, order_digest, packed, unpacked

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path

PART_PLACES: Final = 50_000
"""So many places are told in one step at most: 200 kB."""


class Lobby:
    """State: whether it ``gathers`` people now; the ``lots``; how many places are ``told``; the order once it is
    arranged, which the path has."""

    def __init__(self, path: Path) -> None:
        self.gathers = False
        self._path = path
        self._lots = Lots(path.secret, f"{path.id}/{path.created}")
        self._told = 0
        self._order: Order = array("I")

    @property
    def is_drawing(self) -> bool:
        """Whether the order is on its way."""
        return self._lots.is_under_way

    @property
    def next_ms(self) -> int | None:
        """When the drawing goes on, or None."""
        return self._lots.next_ms

    def commit(self, journal: Journal) -> None:
        """Tell what the secret is held to, before anybody joins."""
        journal.add(DrawCommitted(self._path.id, self._lots.commitment))

    def close(self, at: int, journal: Journal) -> None:
        """The path opens: draw the order of those who are here."""
        self.gathers = False
        self._lots.fix(self._path.tickets)
        journal.add(EntriesClosed(self._path.id, at, len(self._lots.hats), self._lots.root))
        self._lots.begin(b"", at)
        self.go_on(at, journal)

    def go_on(self, at: int, journal: Journal) -> None:
        """Take a slice, or tell a part, if it is time; few are ordered at once."""
        if self.next_ms is not None and self.next_ms <= at and self._lots.advance():
            self._tell_part(at, journal)

    def _tell_part(self, at: int, journal: Journal) -> None:
        if not self._order:
            self._order = everybody(self._lots.order, len(self._lots.hats))
        part = self._order[self._told : self._told + PART_PLACES]
        if part:
            journal.add(PlacesGiven(self._path.id, self._told, packed(part)))
            self._told += len(part)
        if self._told == len(self._order):
            self._finish(at, journal)

    def _finish(self, at: int, journal: Journal) -> None:
        lots = self._lots
        journal.add(Drawn(self._path.id, at, lots.secret, lots.seed, order_digest(lots.order), []))
        lots.put_away()
        self._path.arrange(self._order)

    def stepped(self, now_ms: int) -> None:
        """A step has come to ``now_ms``: the drawing goes on some time after it."""
        self._lots.stepped(now_ms)

    def put_away(self) -> None:
        """Nobody is ordered any more."""
        self.gathers = False
        self._lots.put_away()

    def snapshot(self) -> list[Any]:
        """What ``restore`` needs."""
        return [self.gathers, self._lots.snapshot(), self._told, packed(self._path.places.order)]

    def restore(self, data: list[Any]) -> None:
        """Take the state of a snapshot."""
        self.gathers, lots, self._told, order = data
        self._lots.restore(lots)
        if order:
            self._path.arrange(unpacked(order))
