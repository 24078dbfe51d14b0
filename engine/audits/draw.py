"""The audit of a draw: nobody is admitted before the order is drawn, and then in it; nobody is lost as not drawn while
a place is theirs.

Hands over to: ``engine.audits.lots``, which draws the order again.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, ClassVar

from engine.audits.lots import AuditedLots, tickets_of
from engine.audits.promises import Broken
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import Draw, max_admissions_of
from protocol.states import TicketState


class AuditedDraw(AuditedLots):
    """``root`` b"": entries are open."""

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        (self.root, hats, _, _), self.beacon, order, drawn, _ = own
        self.entered = list(hats)
        if drawn:
            self.order = tickets_of(order)

    def join(self, ticket: int, consumer: bytes, hats: int) -> None:
        if self.root:
            raise Broken(f"ticket {ticket} joined behind the root")
        super().join(ticket, consumer, hats)

    def next_turn(self, candidate: int) -> int | None:
        """The first of the order that waits for something that is left, and no place before is kept for another."""
        line, places = list[int](), self._places_left()
        for ticket in self.in_order():
            line.append(ticket)
            places -= self.shelves.is_away(self.choices.get(ticket, ""))
            if places <= 0:
                break
        return self.first_of(line, candidate)

    def may_be_fixed(self) -> bool:
        return self.phase == "settling"

    def may_be_drawn(self) -> bool:
        return not self.paused and (self._terms().beacon is None or bool(self.beacon))

    def winners(self) -> list[int]:
        return self.in_order()[: self._terms().winner_count]

    def beacon_given(self, event: k.BeaconGiven) -> None:
        """The randomness that was named, behind the root; once."""
        terms = self._terms()
        if not self.root or self.beacon or terms.beacon is None:
            raise Broken("a beacon was given that was not waited for")
        if event.randomness != sha256(event.signature).digest():
            raise Broken("the randomness is not the SHA-256 of its signature")
        self.beacon = event.randomness

    def not_drawn(self, event: k.NotDrawn) -> None:
        """Those who have a place are kept, and it is time."""
        terms, waiting = self._terms(), self.in_order()
        over = terms.redraw_until is not None and terms.redraw_until <= event.at
        if self.order is None or (terms.backfill and not over):
            raise Broken("the reserve was let go while others could still move up")
        if event.kept != waiting[: self._places_left()]:
            raise Broken(f"{event.kept} were kept, but places are left for {self._places_left()} of {waiting}")
        for ticket in waiting[len(event.kept) :]:
            self.close(ticket, TicketState.LOST)

    def waiting_lost(self, event: e.WaitingLost) -> None:
        if event.reason == "not_drawn" and (self.windows or (self.in_order() and self._places_left())):
            raise Broken("those who wait were lost as not drawn while a place could still be theirs")
        super().waiting_lost(event)

    def _terms(self) -> Draw:
        terms = self.settings.distribution
        assert isinstance(terms, Draw), "a draw has the terms of one"
        return terms

    def _places_left(self) -> int:
        """How many of the winners' places are neither in use nor bought."""
        beside = self.waitlist.active() + self.waitlist.completed if self.waitlist else 0
        most = max_admissions_of(self.settings.distribution) or 0
        return max(0, most - self.active() - self.completed - beside)

    CHECKS: ClassVar[dict[type, Any]] = AuditedLots.CHECKS | {k.BeaconGiven: beacon_given, k.NotDrawn: not_drawn}
