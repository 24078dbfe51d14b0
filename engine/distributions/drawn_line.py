"""The line of a waitlist by lottery: whenever nobody of the order can be offered anything, a new one is drawn.

    nobody of the order can be offered what is
    free, and somebody waits who is not in it      → fixed: all who wait are in the hat, the root is told
    fixed    slice by slice                        → drawn: the secret is told, and what the next is held to

Whoever joins meanwhile is in the next one. Each order has a secret of its own, since the one before is known by then.
They are numbered from how many tickets there were when the line began: with each order more are known, so that no
secret of a line that the merchant gave up for the order of arrival comes again.

Hands over to: ``engine.core.lots``, which draws.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.core.lots import Lots
from engine.core.ticket import WAITING
from protocol.kind_events import DrawCommitted, Drawn, EntriesClosed
from protocol.lottery import Order, order_digest, packed, unpacked

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path


class DrawnLine:
    """State: the ``number`` of the next order; the ``lots`` of it; ``known``, how many tickets there were when the
    latest was fixed; the ``order``.

    Not part of it: ``head``, a place before which nobody waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = len(path.tickets)
        self._lots = self._next_lots()
        self._known = 0
        self._order: Order = array("I")
        self._head = 0

    @property
    def is_drawing(self) -> bool:
        """Whether an order is on its way."""
        return self._lots.is_under_way

    @property
    def next_ms(self) -> int | None:
        """When the drawing goes on, or None."""
        return self._lots.next_ms

    def commit(self, journal: Journal) -> None:
        """Tell what the next secret is held to."""
        journal.add(DrawCommitted(self._path.id, self._lots.commitment))

    def waiting(self) -> Iterator[int]:
        """Those of the order who wait, in it."""
        states, order = self._path.tickets.states, self._order
        while self._head < len(order) and states[order[self._head]] != WAITING:
            self._head += 1
        for place in range(self._head, len(order)):
            if states[order[place]] == WAITING:
                yield order[place]

    def draw(self, at: int, journal: Journal) -> bool:
        """Draw anew, if somebody waits who is not in the order; whether there is another one now."""
        if self.is_drawing or self._path.tickets.next_waiting(self._known) is None:
            return False
        self._lots.fix(self._path.tickets)
        self._known = len(self._lots.hats)
        journal.add(EntriesClosed(self._path.id, at, self._known, self._lots.root))
        self._lots.begin(b"", at)
        self.go_on(at, journal)
        return not self.is_drawing

    def go_on(self, at: int, journal: Journal) -> None:
        """Take a slice, if it is time; few are drawn at once."""
        if self.next_ms is not None and self.next_ms <= at and self._lots.advance():
            lots = self._lots
            journal.add(Drawn(self._path.id, at, lots.secret, lots.seed, order_digest(lots.order), []))
            self._order, self._head = lots.order, 0
            self._number += 1
            self._lots = self._next_lots()
            self.commit(journal)

    def stepped(self, now_ms: int) -> None:
        """A step has come to ``now_ms``: the drawing goes on some time after it."""
        self._lots.stepped(now_ms)

    def put_away(self) -> None:
        """Nothing is drawn any more."""
        self._lots.put_away()

    def _next_lots(self) -> Lots:
        return Lots(self._path.secret, f"{self._path.id}/{self._path.created}/{self._number}")

    def snapshot(self) -> list[Any]:
        """What ``restore`` needs."""
        return [self._number, self._lots.snapshot(), self._known, packed(self._order)]

    def restore(self, data: list[Any]) -> None:
        """Take the state of a snapshot."""
        self._number, lots, self._known, order = data
        self._lots = self._next_lots()
        self._lots.restore(lots)
        self._order = unpacked(order)
