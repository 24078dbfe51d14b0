"""The audit of a path that makes offers: one offer a ticket, claims in time, served in their order.

Hands over to: the kinds, which know to whom an offer is due.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from engine.audits.path import AuditedPath
from engine.audits.promises import Broken, Shelves
from protocol import events as e
from protocol import kind_events as k
from protocol.documents import Path
from protocol.states import TicketState


class AuditedOffer(Struct):
    """An open offer; ``reserved`` from the start, or since it was claimed."""

    claim_by: int
    reserved: bool
    claimed: bool = False
    slot: str = ""


class AuditedOffers(AuditedPath):
    """``offers``: the open ones. ``offered``: whoever was ever made one. ``claims``: those claimed, in their order."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.offers: dict[int, AuditedOffer] = {}
        self.offered: dict[int, None] = {}
        self.claims: list[int] = []

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        self.offers = {
            ticket: AuditedOffer(one.claim_by, one.reserved, one.claimed, one.slot) for ticket, one in offers[0]
        }
        self.claims = list(offers[1])

    def next_turn(self, candidate: int) -> int | None:
        """The first claim."""
        return self.claims[0] if self.claims else None

    def active(self) -> int:
        return len(self.windows) + sum(offer.reserved for offer in self.offers.values())

    def places_offered(self) -> list[str]:
        return [offer.slot for offer in self.offers.values() if offer.slot]

    def admit(self, ticket: int, event: e.Admitted) -> bool:
        is_new = super().admit(ticket, event)
        if ticket in self.offers:
            self.claims.remove(ticket)
            del self.offers[ticket]
        return is_new

    def close(self, ticket: int, state: TicketState) -> None:
        offer = self.offers.pop(ticket, None)
        if offer is not None and offer.reserved:
            self.shelves.move(self.allotted.get(ticket, ""), 1)
        if ticket in self.claims:
            self.claims.remove(ticket)
        super().close(ticket, state)

    def due(self, ticket: int, price: int | None) -> None:
        """Raises Broken where an offer at ``price`` is not for ``ticket`` now."""

    def offer(self, event: k.Offered) -> None:
        """Offers are made."""
        for ticket, variant, price in zip(event.tickets, event.variants, event.prices, strict=True):
            self.expect(ticket, {TicketState.WAITING})
            if ticket in self.offered:
                raise Broken(f"ticket {ticket} was offered something twice")
            self.due(ticket, price)
            self.states[ticket] = TicketState.OFFERED
            self.offers[ticket] = AuditedOffer(event.claim_by, event.reserved, slot=event.slot)
            self.offered[ticket] = None
            if event.reserved:
                self.allotted[ticket] = variant
                self.shelves.move(variant, -1)

    def claimed(self, event: k.Claimed) -> None:
        """An offer is taken."""
        self.expect(event.ticket, {TicketState.OFFERED})
        offer = self.offers[event.ticket]
        if offer.claimed or event.at > offer.claim_by:
            raise Broken(f"ticket {event.ticket} claimed what was claimed or over")
        offer.claimed = offer.reserved = True
        self.claims.append(event.ticket)

    def offer_moved(self, event: k.OfferMoved) -> None:
        """An outage gives time back."""
        if event.claim_by <= self.offers[event.ticket].claim_by:
            raise Broken(f"the offer of ticket {event.ticket} was cut short")
        self.offers[event.ticket].claim_by = event.claim_by

    def offer_expired(self, event: k.OfferExpired) -> None:
        """Offers were not claimed."""
        for ticket in event.tickets:
            self.expect(ticket, {TicketState.OFFERED})
            offer = self.offers[ticket]
            if offer.claimed or event.at < offer.claim_by:
                raise Broken(f"the offer of ticket {ticket} ended at {event.at}, it was to last until {offer.claim_by}")
            self.close(ticket, TicketState.EXPIRED)

    CHECKS: ClassVar[dict[type, Any]] = {
        k.Offered: lambda path, event: path.offer(event),
        k.Claimed: lambda path, event: path.claimed(event),
        k.OfferMoved: offer_moved,
        k.OfferExpired: offer_expired,
    }
