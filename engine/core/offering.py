"""The offers of a path: made, claimed, run out, moved, withdrawn; and a ticket that is given up, whatever it had.

Hands over to: ``engine.core.offers``, which keeps them.
"""

from __future__ import annotations

from hmac import digest as hmac_digest

from engine.core.choices import ANY
from engine.core.journal import Journal
from engine.core.offers import Offer
from engine.core.ticket import EXPIRED, LEFT, OFFERED
from engine.core.turns import Turns
from protocol.events import Left
from protocol.kind_events import OFFER_BYTES, Claimed, Offered, OfferExpired, OfferMoved
from protocol.refusals import Reason, Refusal


class Offering(Turns):
    """What is offered to somebody may be reserved: then it counts as a window, in both meters."""

    def offer(
        self,
        tickets: list[int],
        cause: str,
        claim_by: int,
        at: int,
        journal: Journal,
        *,
        reserved: bool,
        slot: str = "",
    ) -> None:
        """Offer something to ``tickets``, who wait: a unit ``reserved`` for each, or who claims first gets it; of one
        ticket, the place that is kept in ``slot``."""
        offers = b""
        variants, prices = [], []
        for ticket in tickets:
            offer = hmac_digest(self.secret, f"offer/{self.id}/{self.created}/{ticket}".encode(), "sha256")
            self.tickets.move(ticket, OFFERED)
            price = self.distribution.price(ticket)
            variant = self._set_aside(ticket, slot) if reserved else ANY
            self.offers.put(ticket, Offer(offer[:OFFER_BYTES], claim_by, variant, price, reserved, False, slot))
            offers += offer[:OFFER_BYTES]
            variants.append(ANY if self.settings.product_selection == "checkout" else variant)
            prices.append(price)
        journal.add(Offered(self.id, at, claim_by, tickets, offers, cause, reserved, variants, prices, slot))

    def claim_refusal(self, ticket: int | None, offer: bytes) -> Refusal | None:
        """Why the holder of ``ticket`` cannot take ``offer`` (b"" = whichever there is), or None."""
        made = self.offers.find(ticket, offer)
        if made is None:
            state = {} if ticket is None else {"state": self.tickets.state(ticket).word}
            return Refusal(Reason.NO_TICKET, {"path": self.id, **state})
        if made.claimed:
            return Refusal(Reason.ALREADY_DONE, {"path": self.id, "state": OFFERED.word})
        return None

    def claim(self, ticket: int, at: int, journal: Journal) -> None:
        """The holder of ``ticket`` takes the offer: a unit is kept from now on, the admission comes in its turn."""
        offer = self.offers.open[ticket]
        if not offer.reserved:
            offer.reserved, offer.variant = True, self._set_aside(ticket)
        self.offers.claim(ticket)
        journal.add(Claimed(self.id, at, ticket))

    def take_elsewhere(self, ticket: int, at: int, journal: Journal) -> None:
        """The holder of ``ticket`` takes what is offered without a window of this path: it is a booking in another."""
        offer = self.offers.take(ticket)
        if offer.reserved:
            self.stock.give_back(offer.variant)
            self.meter.lapse()
            self._over_all.lapse()
        self.tickets.move(ticket, LEFT, "booked")
        self.distribution.out_of_line(ticket)
        journal.add(Left(self.id, at, ticket, "booked"))

    def expire_offers(self, at: int, journal: Journal) -> None:
        """Close the offers that run out at or before ``at``."""
        due = self.offers.due(at)
        for ticket in due:
            self._withdraw(ticket, "expired")
            self.tickets.move(ticket, EXPIRED, "not_claimed")
        if due:
            journal.add(OfferExpired(self.id, at, due))

    def lose_offers(self, reason: str, at: int, journal: Journal) -> None:
        """Everybody who has an offer, claimed or not, loses it and is lost."""
        tickets = list(self.offers.open)
        for ticket in tickets:
            self._withdraw(ticket, reason)
        self.lose(tickets, reason, at, journal)

    def move_offers(self, gap_ms: int, closing_before_ms: int | None, journal: Journal) -> None:
        """An outage of ``gap_ms`` is ours: offers that run out before ``closing_before_ms`` (None: all) move by it."""
        for ticket, offer in list(self.offers.open.items()):
            if not offer.claimed and (closing_before_ms is None or offer.claim_by < closing_before_ms):
                offer.claim_by += gap_ms
                self.offers.put(ticket, offer)
                journal.add(OfferMoved(self.id, ticket, offer.claim_by))

    def _set_aside(self, ticket: int, slot: str = "") -> str:
        """Reserve a unit for an offer, which counts as a window from now on; answers its variant. A place in ``slot``
        is kept already, and is no stock."""
        self.meter.reserve()
        self._over_all.reserve()
        variant = ANY if slot else self._reserve(ticket)
        self._took(1)
        return variant

    def _withdraw(self, ticket: int, cause: str) -> None:
        offer = self.offers.take(ticket)
        if offer.reserved:
            self._free(offer.variant, cause, offer.slot)

    def give_up(self, ticket: int, reason: str, at: int, journal: Journal) -> None:
        """``ticket`` is left, declined or released."""
        if ticket in self.windows.open:
            self._lapse(ticket, reason)
        elif ticket in self.offers.open:
            self._withdraw(ticket, reason)
        self.tickets.move(ticket, LEFT, reason)
        self.distribution.out_of_line(ticket)
        journal.add(Left(self.id, at, ticket, reason))
