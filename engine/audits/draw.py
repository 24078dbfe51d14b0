"""The audit of a draw: the roster is fixed before the order can be known, and the order is the one that follows.

The order is drawn again here, by the rule as it is written down (``SHA-256(seed ‖ ticket ‖ lot)``, the smallest of a
ticket's lots, ascending), without the code that the engine draws with. Nobody is admitted before it, and then in it;
nobody is lost as not drawn while a place is theirs.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, ClassVar

from engine.audits.path import AuditedPath
from engine.audits.promises import Broken, Shelves
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import Draw, max_admissions_of
from protocol.documents import Path
from protocol.states import TicketState


class AuditedDraw(AuditedPath):
    """``root`` b"": entries are open. ``order`` None: not drawn."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.commitment = b""
        self.root = b""
        self.entered: list[int] = []
        self.beacon = b""
        self.order: list[int] | None = None

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        (self.root, hats, _, _), self.beacon, order, drawn, _ = own
        self.entered = list(hats)
        if drawn:
            self.order = [int.from_bytes(order[at : at + 4], "little") for at in range(0, len(order), 4)]

    def join(self, ticket: int, consumer: bytes, hats: int) -> None:
        if self.root:
            raise Broken(f"ticket {ticket} joined behind the root")
        super().join(ticket, consumer, hats)

    def next_turn(self, candidate: int) -> int | None:
        """The first of the order that waits for something that is left."""
        return self.first_of(self._in_order(), candidate)

    def _in_order(self) -> list[int]:
        return [ticket for ticket in self.order or () if self.states[ticket] == TicketState.WAITING]

    def committed(self, event: k.DrawCommitted) -> None:
        """What the secret is held to, before anybody joins."""
        if self.states:
            raise Broken("the secret was committed to after somebody had joined")
        self.commitment = event.commitment

    def entries_closed(self, event: k.EntriesClosed) -> None:
        """The hats of all who wait, fixed; once."""
        waiting = zip(self.states, self.hats, strict=True)
        self.entered = [hats if state == TicketState.WAITING else 0 for state, hats in waiting]
        root = sha256(len(self.entered).to_bytes(8, "big") + bytes(self.entered)).digest()
        if self.root or self.phase != "settling" or event.root != root or event.tickets != len(self.entered):
            raise Broken(f"the root {event.root.hex()} is not that of the roster at the close")
        self.root = root

    def beacon_given(self, event: k.BeaconGiven) -> None:
        """The randomness that was named, behind the root; once."""
        terms = self._terms()
        if not self.root or self.beacon or terms.beacon is None:
            raise Broken("a beacon was given that was not waited for")
        if event.randomness != sha256(event.signature).digest():
            raise Broken("the randomness is not the SHA-256 of its signature")
        self.beacon = event.randomness

    def drawn(self, event: k.Drawn) -> None:
        """The order, the winners and the seed follow from what was fixed before."""
        terms = self._terms()
        if not self.root or self.order is not None or self.paused or (terms.beacon is not None and not self.beacon):
            raise Broken("it was drawn, but its time had not come")
        if self.commitment and sha256(event.secret).digest() != self.commitment:
            raise Broken("the secret is not the one that was committed to")
        if event.seed != sha256(event.secret + self.beacon + self.root).digest():
            raise Broken("the seed does not follow from secret, beacon and root")
        self.order = _order(event.seed, self.entered)
        if event.order_digest != sha256(b"".join(ticket.to_bytes(8, "big") for ticket in self.order)).digest():
            raise Broken("the order is not the one that the seed gives")
        if event.winners != self._in_order()[: terms.winner_count]:
            raise Broken(f"{event.winners} are not the first of the order that wait")

    def not_drawn(self, event: k.NotDrawn) -> None:
        """Those who have a place are kept, and it is time."""
        terms, waiting = self._terms(), self._in_order()
        over = terms.redraw_until is not None and terms.redraw_until <= event.at
        if self.order is None or (terms.backfill and not over):
            raise Broken("the reserve was let go while others could still move up")
        if event.kept != waiting[: self._places_left()]:
            raise Broken(f"{event.kept} were kept, but places are left for {self._places_left()} of {waiting}")
        for ticket in waiting[len(event.kept) :]:
            self.close(ticket, TicketState.LOST)

    def waiting_lost(self, event: e.WaitingLost) -> None:
        if event.reason == "not_drawn" and (self.windows or (self._in_order() and self._places_left())):
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

    CHECKS: ClassVar[dict[type, Any]] = {
        k.DrawCommitted: committed,
        k.EntriesClosed: entries_closed,
        k.BeaconGiven: beacon_given,
        k.Drawn: drawn,
        k.NotDrawn: not_drawn,
    }


def _order(seed: bytes, hats: list[int]) -> list[int]:
    """Tickets by the smallest key of their lots; ties by ticket."""

    def key(ticket: int) -> bytes:
        start = seed + ticket.to_bytes(8, "big")
        return min(sha256(start + lot.to_bytes(1, "big")).digest() for lot in range(hats[ticket]))

    return sorted((ticket for ticket, own in enumerate(hats) if own), key=key)
