"""What happens to the tickets of a path: turns are given, used and missed.

Everything that happens to a ticket goes through here, and through what is built on it (``engine.core.offering``), so
that tickets, windows, offers, metering, stock and the journal can never disagree. Two meters count each window: the
path's own and the experience's, over all paths. What a waitlist admits counts against the caps of the path that it is
attached to as well, for it is that path's places.
"""

from __future__ import annotations

from engine.core.admission import Bucket, Meter, Window, Windows
from engine.core.choices import ANY, Choices
from engine.core.journal import Journal
from engine.core.keyed import Keyed
from engine.core.limits import MS_PER_SECOND
from engine.core.offers import Offers
from engine.core.places import Places
from engine.core.schedule import SERVING, Schedule
from engine.core.stock import Stock
from engine.core.ticket import (
    ADMITTED,
    EXPIRED,
    LOST,
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
    Redeemed,
    Returned,
    TicketRefused,
    WaitingLost,
    WindowMoved,
)
from protocol.kind_events import (
    Allotted,
    NotDrawn,
    TicketsLost,
)


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

    def may_return_for(self, ticket: int) -> bool:
        """Whether something is reserved of what the holder wants, where people choose: it may come back."""
        return self.choices is not None and self.choices.may_return(self.choices.wanted.get(ticket, ANY))

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
    ) -> dict[int, Window]:
        """Admit the next ``count`` (at most ``servable``); answers the windows of their tickets, in order."""
        assert 0 < count <= self.servable(), "no more are admitted than can be"
        expires_at = at + self.settings.distribution.checkout_window_seconds * MS_PER_SECOND
        grace_ms = self.settings.distribution.payment_grace_seconds * MS_PER_SECOND
        name = f"admission/{self.id}/{self.created}/".encode()
        distribution, admission_of = self.distribution, Keyed(secret).digest
        move, forgiven, claims = self.tickets.move, self.tickets.forgiven, self.offers.claims
        windows: dict[int, Window] = {}
        variants, prices = [], []
        before = len(claims)
        for _ in range(count):
            ticket = distribution.next_ticket()
            assert ticket is not None, "somebody waits"
            turn = b"%b%d/%d" % (name, ticket, ticket in forgiven)
            if had := distribution.turns_had(ticket):
                turn += b"/%d" % had
            admission = admission_of(turn)[:ADMISSION_BYTES]
            move(ticket, ADMITTED)
            distribution.out_of_line(ticket)
            prices.append(distribution.price(ticket))
            variant = self.offers.take(ticket).variant if ticket in claims else self._reserve(ticket)
            window = windows[ticket] = Window(admission, kid, at, expires_at, grace_ms, variant)
            self.windows.put(ticket, window)
            variants.append(variant)
        reserved = before - len(claims)
        self.meter.admit(count, by_hand=by_hand, reserved=reserved)
        self._over_all.admit(count, by_hand=by_hand, reserved=reserved)
        self._took(count - reserved)
        if self.settings.product_selection == "checkout":
            variants = [ANY] * count
        tickets, admissions = list(windows), b"".join([window.admission for window in windows.values()])
        if any(variants) or any(price is not None for price in prices):
            journal.add(Allotted(self.id, tickets, variants, prices))
        journal.add(Admitted(self.id, at, expires_at, kid, tickets, admissions, by_hand))
        return windows

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

    def _took(self, count: int) -> None:
        """So many are given out here: the waitlist comes behind that."""
        if self.waitlist and self.distribution.FEEDS:
            self.waitlist.distribution.taken(count, min(self.stock.free(self.variants), self.caps()))

    def _free(self, variant: str, cause: str, slot: str = "") -> None:
        """What was reserved for a window or an offer is free again."""
        self.stock.give_back(variant)
        self.given_back += 1
        self.meter.lapse()
        self._over_all.lapse()
        self.distribution.freed(self.id, cause, 1, slot)
        if self.waitlist and self.distribution.FEEDS:
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

    # What happens to one ticket

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
        journal.add(Completed(self.id, at, ticket, order_id, actor))
        self.distribution.bought(ticket, at, journal)

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
