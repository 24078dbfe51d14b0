"""What happens to the tickets of a path: turns are given, used, missed and given up; offers are made and claimed.

Everything that happens to a ticket goes through here, so that tickets, windows, offers, metering, stock and the journal
can never disagree. Two meters count each window: the path's own and the experience's, over all paths. What a waitlist
admits counts against the caps of the path that it is attached to as well, for it is that path's places.
"""

from __future__ import annotations

from hmac import digest as hmac_digest

from engine.core.admission import Bucket, Meter, Window, Windows
from engine.core.choices import ANY, Choices
from engine.core.journal import Journal
from engine.core.limits import MS_PER_SECOND
from engine.core.offers import Offer, Offers
from engine.core.places import Places
from engine.core.schedule import SERVING, Schedule
from engine.core.stock import Stock
from engine.core.ticket import (
    ADMITTED,
    COMPLETED,
    EXPIRED,
    LEFT,
    LOST,
    OFFERED,
    REDEEMED,
    REFUSED,
    WAITING,
    Tickets,
)
from engine.distributions.base import Distribution
from protocol import documents
from protocol.distributions import max_admissions_of, rate_of
from protocol.events import (
    ADMISSION_BYTES,
    Admitted,
    Completed,
    Expired,
    Left,
    Redeemed,
    Returned,
    TicketRefused,
    WaitingLost,
    WindowMoved,
)
from protocol.kind_events import (
    OFFER_BYTES,
    Allotted,
    Claimed,
    NotDrawn,
    Offered,
    OfferExpired,
    OfferMoved,
    TicketsLost,
)
from protocol.refusals import Reason, Refusal


class Turns(Schedule):
    """``created`` is the revision of the experience that made this path: part of what its admissions are named by.
    ``given_back`` counts the windows that lapsed since somebody was last served; between steps it is 0. ``source``: the
    path that this waitlist is attached to; ``waitlist``: the one that is attached to this path."""

    distribution: Distribution

    def __init__(
        self, settings: documents.Path, created: int, stock: Stock, over_all: Meter, secret: bytes = b""
    ) -> None:
        super().__init__(settings)
        self.created = created
        self.secret = secret
        self.given_back = 0
        self.variants: list[str] = []
        self.tickets = Tickets()
        self.places = Places()
        self.windows = Windows()
        self.offers = Offers()
        self.choices: Choices | None = None
        self.source: Turns | None = None
        self.waitlist: Turns | None = None
        self.stock = stock
        self._over_all = over_all
        terms = settings.distribution
        self.meter = Meter(Bucket(rate_of(terms), terms.burst_ms), terms.max_active, max_admissions_of(terms))

    # Who can be admitted

    def caps(self) -> int:
        """How many more windows the caps allow, of this path, of the one that it is attached to, and over all."""
        room = min(self.meter.caps(self.waitlist.meter if self.waitlist else None), self._over_all.caps())
        return min(room, self.source.meter.caps(self.meter)) if self.source else room

    def given(self) -> int:
        """How many are admitted or have bought, with those of its waitlist; a lapse gives a place back."""
        beside = self.waitlist.meter if self.waitlist else None
        return self.meter.active + self.meter.completed + (beside.active + beside.completed if beside else 0)

    def given_out(self) -> bool:
        """Whether everything is given that the path gives out, ever."""
        return self.meter.max_admissions is not None and self.given() >= self.meter.max_admissions

    def is_free_for(self, ticket: int) -> bool:
        """Whether something is free that the holder wants, where people choose."""
        return self.choices is None or bool(self.choices.allotted(self.choices.wanted.get(ticket, ANY)))

    def servable(self) -> int:
        """How many could be admitted now but for the rates: those in line, the caps, the stock. Where people choose
        what they want it is known of one at a time."""
        if self.paused or self.phase not in SERVING:
            return 0
        ready, reserved = self.distribution.in_line(), len(self.offers.claims)
        if self.choices is not None and ready:
            ready = int(self.distribution.next_ticket() is not None)
        return reserved + max(0, min(ready - reserved, self.caps(), self.stock.free(self.variants)))

    def next_admission_ms(self) -> int | None:
        """When the rates let the next one in, or None if nobody can be."""
        if self.servable() == 0:
            return None
        own, over_all = self.meter.bucket.next_token_ms(), self._over_all.bucket.next_token_ms()
        return None if own is None or over_all is None else max(own, over_all)

    def metered(self, at: int) -> int:
        """How many the rates allow to admit at ``at``."""
        return min(self.servable(), self.meter.bucket.tokens(at), self._over_all.bucket.tokens(at))

    def admit(
        self, count: int, at: int, kid: str, secret: bytes, journal: Journal, *, by_hand: bool
    ) -> list[tuple[bytes, int]]:
        """Admit the next ``count`` (at most ``servable``); answers (admission, ticket) of each, in order."""
        assert 0 < count <= self.servable(), "no more are admitted than can be"
        expires_at = at + self.settings.distribution.checkout_window_seconds * MS_PER_SECOND
        grace_ms = self.settings.distribution.payment_grace_seconds * MS_PER_SECOND
        name = f"admission/{self.id}/{self.created}/".encode()
        next_ticket, move, forgiven = self.distribution.next_ticket, self.tickets.move, self.tickets.forgiven
        tickets, admissions, variants, prices = [], [], [], []
        before = len(self.offers.claims)
        for _ in range(count):
            ticket = next_ticket()
            assert ticket is not None, "somebody waits"
            turn = name + b"%d/%d" % (ticket, ticket in forgiven)
            admission = hmac_digest(secret, turn, "sha256")[:ADMISSION_BYTES]
            move(ticket, ADMITTED)
            self.distribution.out_of_line(ticket)
            prices.append(self.distribution.price(ticket))
            variant = self.offers.take(ticket).variant if ticket in self.offers.claims else self._reserve(ticket)
            self.windows.put(ticket, Window(admission, kid, at, expires_at, grace_ms, variant))
            tickets.append(ticket)
            admissions.append(admission)
            variants.append(variant)
        reserved = before - len(self.offers.claims)
        self.meter.admit(count, by_hand=by_hand, reserved=reserved)
        self._over_all.admit(count, by_hand=by_hand, reserved=reserved)
        if self.settings.product_selection == "checkout":
            variants = [ANY] * count
        if any(variants) or any(price is not None for price in prices):
            journal.add(Allotted(self.id, tickets, variants, prices))
        journal.add(Admitted(self.id, at, expires_at, kid, tickets, b"".join(admissions), by_hand))
        return list(zip(admissions, tickets, strict=True))

    def _reserve(self, ticket: int) -> str:
        """Reserve a unit for ``ticket`` and name its variant; there must be one free."""
        if self.choices is not None:
            return self.stock.reserve_first(self.choices.allotted(self.choices.wanted.get(ticket, ANY)))
        if self.settings.product_selection == "system":
            return self.stock.reserve_first(self.variants)
        return self.stock.reserve(self.variants)

    def expire(self, at: int, journal: Journal) -> None:
        """Close the windows that end at or before ``at``."""
        due = self.windows.due(at)
        for ticket in due:
            self._lapse(ticket, "expired")
            self.tickets.move(ticket, EXPIRED)
        if due:
            journal.add(Expired(self.id, at, due))

    def _lapse(self, ticket: int, cause: str) -> None:
        self._free(self.windows.close(ticket).variant, cause)

    def _free(self, variant: str, cause: str, slot: str = "") -> None:
        """What was reserved for a window or an offer is free again."""
        self.stock.give_back(variant)
        self.given_back += 1
        self.meter.lapse()
        self._over_all.lapse()
        self.distribution.freed(self.id, cause, 1, slot)
        if self.waitlist:
            self.waitlist.distribution.freed(self.id, cause, 1)

    def move_windows(self, gap_ms: int, closing_before_ms: int | None, journal: Journal) -> None:
        """An outage of ``gap_ms`` is ours: windows that close before ``closing_before_ms`` (None: all) move by it."""
        for ticket, window in list(self.windows.open.items()):
            if closing_before_ms is None or window.deadline_ms < closing_before_ms:
                self._move_window(ticket, window.expires_at + gap_ms, journal)

    def _move_window(self, ticket: int, expires_at: int, journal: Journal) -> None:
        window = self.windows.open[ticket]
        window.expires_at = expires_at
        self.windows.put(ticket, window)
        journal.add(WindowMoved(self.id, ticket, expires_at))

    # Offers

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
            variant = self._set_aside(ticket) if reserved else ANY
            self.offers.put(ticket, Offer(offer[:OFFER_BYTES], claim_by, variant, price, reserved, False, slot))
            offers += offer[:OFFER_BYTES]
            variants.append(ANY if self.settings.product_selection == "checkout" else variant)
            prices.append(price)
        journal.add(Offered(self.id, at, claim_by, tickets, offers, cause, reserved, variants, prices, slot))

    def claim_refusal(self, ticket: int | None, offer: bytes) -> Refusal | None:
        """Why the holder of ``ticket`` cannot take ``offer`` (b"" = whichever there is), or None."""
        made = None if ticket is None else self.offers.open.get(ticket)
        if ticket is None or made is None or offer not in (b"", made.offer):
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

    def _set_aside(self, ticket: int) -> str:
        """Reserve a unit for an offer, which counts as a window from now on; answers its variant."""
        self.meter.reserve()
        self._over_all.reserve()
        return self._reserve(ticket)

    def _withdraw(self, ticket: int, cause: str) -> None:
        offer = self.offers.take(ticket)
        if offer.reserved:
            self._free(offer.variant, cause, offer.slot)

    # What happens to one ticket

    def give_up(self, ticket: int, reason: str, at: int, journal: Journal) -> None:
        """``ticket`` is left, declined or released."""
        if ticket in self.windows.open:
            self._lapse(ticket, reason)
        elif ticket in self.offers.open:
            self._withdraw(ticket, reason)
        self.tickets.move(ticket, LEFT, reason)
        self.distribution.out_of_line(ticket)
        journal.add(Left(self.id, at, ticket, reason))

    def take_back(self, ticket: int, journal: Journal) -> None:
        """``ticket`` waits again at its old place."""
        self.tickets.move(ticket, WAITING)
        if self.choices is not None:
            self.choices.stand(ticket)
        self.distribution.returned(ticket)
        journal.add(Returned(self.id, ticket))

    def redeem(self, ticket: int, at: int, actor: str, journal: Journal) -> None:
        """The pass of ``ticket`` is used; from now on its window has the grace behind it."""
        self.tickets.move(ticket, REDEEMED)
        window = self.windows.open[ticket]
        window.redeemed = True
        self.windows.put(ticket, window)
        journal.add(Redeemed(self.id, at, ticket, actor))

    def complete(self, ticket: int, order_id: str, at: int, actor: str, journal: Journal) -> None:
        """``ticket`` has paid."""
        self.stock.complete(self.windows.close(ticket).variant)
        self.meter.complete()
        self._over_all.complete()
        self.tickets.move(ticket, COMPLETED)
        journal.add(Completed(self.id, at, ticket, order_id, actor))

    def extend(self, ticket: int, ms: int, journal: Journal) -> None:
        """The window of ``ticket`` ends ``ms`` later; once."""
        window = self.windows.open[ticket]
        window.extended = True
        self._move_window(ticket, window.expires_at + ms, journal)

    def turn_away(self, ticket: int, text: str, at: int, actor: str, journal: Journal) -> None:
        """The merchant refuses the waiting ``ticket``."""
        self.tickets.move(ticket, REFUSED, "refused")
        self.distribution.out_of_line(ticket)
        if text:
            self.tickets.texts[ticket] = text
        journal.add(TicketRefused(self.id, at, ticket, self.tickets.reason(ticket), actor))

    def lose_waiting(self, reason: str, at: int, journal: Journal) -> None:
        """Everybody who waits is lost."""
        if self.tickets.lose_waiting(reason):
            journal.add(WaitingLost(self.id, at, reason))

    def lose_reserve(self, kept: list[int], at: int, journal: Journal) -> None:
        """Everybody who waits and is not one of ``kept`` was not drawn."""
        if self.tickets.lose_waiting("not_drawn", kept):
            journal.add(NotDrawn(self.id, at, kept))

    def lose(self, tickets: list[int], reason: str, at: int, journal: Journal) -> None:
        """These, who wait, or have an offer or a hold, are lost."""
        for ticket in tickets:
            self.tickets.move(ticket, LOST, reason)
        if tickets:
            journal.add(TicketsLost(self.id, at, tickets, reason))
