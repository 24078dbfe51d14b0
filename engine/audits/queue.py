"""The audit of a queue: first come, first served; and of its lobby: nobody is admitted before the order is drawn, and
then in it, whoever joined later behind.
"""

from __future__ import annotations

from typing import Any, ClassVar

from engine.audits.lots import AuditedLots, tickets_of
from engine.audits.promises import Broken, Shelves
from protocol import kind_events as k
from protocol.documents import Path


class AuditedQueue(AuditedLots):
    """``given``: the places of the lobby as they were told; the first ``trusted`` before this log begins."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.given: list[int] = []
        self.trusted = 0

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        _, *lobby = own
        if lobby:
            _, (self.root, hats, drawing, _), self.trusted, order = lobby[0]
            self.entered, self.given = list(hats), [0] * self.trusted
            if self.root and drawing is None:
                self.order = tickets_of(order)
                self.line_up(self.order)

    def next_turn(self, candidate: int) -> int | None:
        """The first place that waits for something that is left; nobody while an order is to be drawn."""
        return None if self.root and self.order is None else super().next_turn(candidate)

    def may_be_fixed(self) -> bool:
        return self.phase in ("open", "settling")

    def places_given(self, event: k.PlacesGiven) -> None:
        """A part of the order, which is checked once it is drawn."""
        if not self.root or self.order is not None or event.first != len(self.given):
            raise Broken(f"places from {event.first} on were told behind {len(self.given)}")
        self.given += tickets_of(event.tickets)

    def drawn(self, event: k.Drawn) -> None:
        super().drawn(event)
        assert self.order is not None, "it was drawn"
        places = self.order + [ticket for ticket, hats in enumerate(self.entered) if not hats]
        if len(self.given) != len(places) or self.given[self.trusted :] != places[self.trusted :]:
            raise Broken("the places that were told are not the order that was drawn")
        self.line_up(places)

    CHECKS: ClassVar[dict[type, Any]] = AuditedLots.CHECKS | {k.PlacesGiven: places_given}
