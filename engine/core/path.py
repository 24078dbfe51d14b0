"""One access path: its phase, its tickets and their windows, metered, given out by its distribution.

Everything that happens to a ticket of a path goes through here, so that tickets, windows, metering, stock and the
journal can never disagree. Two meters count each window: the path's own and the experience's, over all paths. What a
waitlist admits counts against the caps of the path that it is attached to as well, for it is that path's places.
"""

from __future__ import annotations

from hmac import digest as hmac_digest
from typing import Any

from engine.core.admission import Bucket, Meter, Window, Windows
from engine.core.choices import ANY, Choices
from engine.core.journal import Journal
from engine.core.limits import MS_PER_SECOND
from engine.core.offers import Offers
from engine.core.stock import Stock
from engine.core.ticket import ADMITTED, COMPLETED, EXPIRED, LEFT, LOST, REDEEMED, REFUSED, WAITING, Tickets
from engine.distributions.kinds import KINDS
from protocol import documents
from protocol.distributions import FORGIVING, kind_of, max_admissions_of, rate_of
from protocol.events import (
    ADMISSION_BYTES,
    Admitted,
    Completed,
    Expired,
    Holding,
    Left,
    PhaseChanged,
    Redeemed,
    Returned,
    SoldOutChanged,
    TicketRefused,
    WaitingLost,
    WindowMoved,
)
from protocol.kind_events import Allotted, Chosen, TicketsLost
from protocol.states import Phase

SERVING = frozenset({Phase.OPEN, Phase.SETTLING})
"""Phases in which those who wait are admitted."""


class Path:
    """``created`` is the revision of the experience that made this path: part of what its admissions are named by.
    ``given_back`` counts the windows that lapsed since somebody was last served; between steps it is 0. ``source``: the
    path that this waitlist is attached to; ``waitlist``: the one that is attached to this path."""

    def __init__(
        self, settings: documents.Path, created: int, stock: Stock, over_all: Meter, secret: bytes = b""
    ) -> None:
        self.settings = settings
        self.created = created
        self.secret = secret
        self.phase = Phase.SCHEDULED
        self.paused = False
        self.ended_by_hand = False
        self.sold_out = False
        self.may_return = False
        self.given_back = 0
        self.opens_at = settings.opens_at
        self.closes_at = settings.closing
        self.variants: list[str] = []
        self.tickets = Tickets()
        self.windows = Windows()
        self.offers = Offers()
        self.choices: Choices | None = None
        self.source: Path | None = None
        self.waitlist: Path | None = None
        self.meter = Meter(Bucket(None, settings.distribution.burst_ms), None, None)
        self.stock = stock
        self._over_all = over_all
        self.limit(settings)
        self.meter.bucket = Bucket(rate_of(settings.distribution), settings.distribution.burst_ms)
        self.distribution = KINDS[kind_of(settings.distribution)](self)

    @property
    def id(self) -> str:
        return self.settings.id

    @property
    def has_live(self) -> bool:
        """Whether any ticket is live."""
        return self.tickets.alive > 0

    def configure(self, settings: documents.Path, variants: list[str], now_ms: int) -> None:
        """Other settings hold from now on; a schedule that did not change keeps what was done by hand."""
        self.distribution.configure(settings)
        before, self.settings = self.settings, settings
        if settings.opens_at != before.opens_at:
            self.opens_at = settings.opens_at
        if settings.closing != before.closing:
            self.closes_at = settings.closing
        terms = settings.distribution
        self.meter.bucket.change(rate_of(terms), terms.burst_ms, now_ms)
        self.limit(settings)
        self._sell(variants, self.choices.snapshot() if self.choices else [])

    def limit(self, settings: documents.Path) -> None:
        """These caps hold from now on."""
        self.meter.max_active = settings.distribution.max_active
        self.meter.max_admissions = max_admissions_of(settings.distribution)

    def _sell(self, variants: list[str], choices: list[Any]) -> None:
        self.variants, self.choices = variants, None
        if self.settings.product_selection == "consumer":
            self.choices = Choices(self.stock, variants)
            self.choices.restore(choices, self.tickets)

    # Phases

    def next_phase_ms(self) -> int | None:
        """When the schedule changes the phase next, or None."""
        if self.phase == Phase.SCHEDULED and self._lobby_first():
            return self.settings.lobby_opens_at
        if self.phase in (Phase.SCHEDULED, Phase.LOBBY):
            return self.opens_at
        return self.closes_at if self.phase == Phase.OPEN else None

    def _lobby_first(self) -> bool:
        lobby, opens = self.settings.lobby_opens_at, self.opens_at
        return lobby is not None and opens is not None and lobby < opens

    def keep_schedule(self, at: int, journal: Journal) -> None:
        """Change the phase as the schedule says for ``at``. A path without ``opens_at`` opens at once."""
        lobby = self.settings.lobby_opens_at
        if self.phase == Phase.SCHEDULED and self._lobby_first() and lobby is not None and lobby <= at:
            self.enter(Phase.LOBBY, at, "", journal)
        if self.phase in (Phase.SCHEDULED, Phase.LOBBY) and (self.opens_at is None or self.opens_at <= at):
            self.enter(Phase.OPEN, at, "", journal)
        if self.phase == Phase.OPEN and self.closes_at is not None and self.closes_at <= at:
            self.enter(Phase.SETTLING, at, "", journal)

    def enter(self, phase: Phase, at: int, actor: str, journal: Journal) -> None:
        """Be in ``phase``."""
        before, self.phase = self.phase, phase
        journal.add(PhaseChanged(self.id, phase, at, self.opens_at, self.closes_at, actor))
        if phase != before:
            self.distribution.entered(phase, at, journal)

    def settle(self, at: int, journal: Journal) -> None:
        """Draw the conclusions of what has happened: sold out, all lost, closed, ended."""
        if self.phase not in SERVING:
            return
        supply = self.distribution.supply()
        if supply != (self.sold_out, self.may_return):
            self.sold_out, self.may_return = supply
            journal.add(SoldOutChanged(self.id, *supply))
        if self.sold_out and not self.may_return:
            self.distribution.sold_out(at, journal)
        if self.phase == Phase.OPEN and self.distribution.closes():
            self.closes_at = at
            self.enter(Phase.SETTLING, at, "", journal)
        if self.phase == Phase.SETTLING and self.distribution.is_over():
            self.enter(Phase.ENDED, at, "", journal)

    def shelves_empty(self) -> tuple[bool, bool]:
        """(is nothing of what the path sells free, may something reserved come back)."""
        sold_out = self.stock.free(self.variants) <= 0
        return sold_out, sold_out and self.stock.reserved(self.variants) > 0

    # Joining

    def join(self, consumer: bytes, hats: int, variant: str, journal: Journal) -> int:
        """A new ticket, the next."""
        ticket = self.tickets.add(consumer, hats)
        journal.joined(self.settings.id, ticket, consumer, hats)
        if self.choices is not None:
            self.choices.want(ticket, variant)
            if variant:
                journal.add(Chosen(self.id, ticket, variant))
        return ticket

    def choose(self, ticket: int, variant: str, journal: Journal) -> None:
        """The waiting ``ticket`` is for ``variant`` from now on."""
        assert self.choices is not None, "asked where there is a choice"
        self.choices.want(ticket, variant)
        journal.add(Chosen(self.id, ticket, variant))

    def may_rejoin(self, ticket: int) -> bool:
        """Whether a missed turn of this ticket can be forgiven now."""
        missed = self.tickets.states[ticket] == EXPIRED and ticket not in self.tickets.forgiven
        kept = self.settings.keep_place_once and kind_of(self.settings.distribution) in FORGIVING
        return missed and kept and self.phase in SERVING and not self.ended_by_hand

    def holding(self, ticket: int) -> Holding:
        """All that the holder of ``ticket`` is told about it."""
        state, reason = self.tickets.state(ticket), self.tickets.reason(ticket)
        hats, window = self.tickets.hats[ticket], self.windows.open.get(ticket)
        if window is None:
            return Holding(self.id, ticket, hats, state, reason, self.may_rejoin(ticket))
        times = (window.admission, window.kid, window.admitted_at, window.expires_at)
        return Holding(self.id, ticket, hats, state, reason, False, *times)

    # Admission

    def caps(self) -> int:
        """How many more windows the caps allow, of this path, of the one that it is attached to, and over all."""
        room = min(self.meter.caps(self.waitlist.meter if self.waitlist else None), self._over_all.caps())
        return min(room, self.source.meter.caps(self.meter)) if self.source else room

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
        reserved = min(count, len(self.offers.claims))
        expires_at = at + self.settings.distribution.checkout_window_seconds * MS_PER_SECOND
        grace_ms = self.settings.distribution.payment_grace_seconds * MS_PER_SECOND
        name = f"admission/{self.id}/{self.created}/".encode()
        next_ticket, move, forgiven = self.distribution.next_ticket, self.tickets.move, self.tickets.forgiven
        tickets, admissions, variants, prices = [], [], [], []
        for _ in range(count):
            ticket = next_ticket()
            assert ticket is not None, "somebody waits"
            turn = name + b"%d/%d" % (ticket, ticket in forgiven)
            admission = hmac_digest(secret, turn, "sha256")[:ADMISSION_BYTES]
            move(ticket, ADMITTED)
            prices.append(self.distribution.price(ticket))
            variant = self.offers.take(ticket).variant if ticket in self.offers.claims else self.reserve(ticket)
            self.windows.put(ticket, Window(admission, kid, at, expires_at, grace_ms, variant))
            tickets.append(ticket)
            admissions.append(admission)
            variants.append(variant)
        self.meter.admit(count, by_hand=by_hand, reserved=reserved)
        self._over_all.admit(count, by_hand=by_hand, reserved=reserved)
        if self.settings.product_selection == "checkout":
            variants = [ANY] * count
        if any(variants) or any(price is not None for price in prices):
            journal.add(Allotted(self.id, tickets, variants, prices))
        journal.add(Admitted(self.id, at, expires_at, kid, tickets, b"".join(admissions), by_hand))
        return list(zip(admissions, tickets, strict=True))

    def reserve(self, ticket: int) -> str:
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
            self._lapse(ticket, "expired", at)
            self.tickets.move(ticket, EXPIRED)
        if due:
            journal.add(Expired(self.id, at, due))

    def _lapse(self, ticket: int, cause: str, at: int) -> None:
        self.free(self.windows.close(ticket).variant, cause, at)

    def free(self, variant: str, cause: str, at: int) -> None:
        """What was reserved for a window or an offer is free again."""
        self.stock.give_back(variant)
        self.given_back += 1
        self.meter.lapse()
        self._over_all.lapse()
        self.distribution.freed(self, cause, "", at)
        if self.waitlist:
            self.waitlist.distribution.freed(self, cause, "", at)

    def set_aside(self, ticket: int) -> str:
        """Reserve a unit for an offer, which counts as a window from now on; answers its variant."""
        self.meter.reserve()
        self._over_all.reserve()
        return self.reserve(ticket)

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

    def give_up(self, ticket: int, reason: str, at: int, journal: Journal) -> None:
        """``ticket`` is left, declined or released."""
        if ticket in self.windows.open:
            self._lapse(ticket, reason, at)
        self.tickets.move(ticket, LEFT, reason)
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
        if text:
            self.tickets.texts[ticket] = text
        journal.add(TicketRefused(self.id, at, ticket, self.tickets.reason(ticket), actor))

    def lose_waiting(self, reason: str, at: int, journal: Journal) -> None:
        """Everybody who waits is lost."""
        if self.tickets.lose_waiting(reason):
            journal.add(WaitingLost(self.id, at, reason))

    def lose(self, tickets: list[int], reason: str, at: int, journal: Journal) -> None:
        """These, who wait, or have an offer or a hold, are lost."""
        for ticket in tickets:
            self.tickets.move(ticket, LOST, reason)
        if tickets:
            journal.add(TicketsLost(self.id, at, tickets, reason))

    # Snapshots

    def snapshot(self) -> list[Any]:
        """What ``restore`` needs; what only some kinds have stands at the end, and only where there is any."""
        more: dict[str, Any] = {}
        if self.choices is not None:
            more["choices"] = self.choices.snapshot()
        if self.offers.open:
            more["offers"] = self.offers.snapshot()
        flags = [self.paused, self.ended_by_hand, self.sold_out, self.may_return]
        schedule = [self.phase.value, self.opens_at, self.closes_at]
        parts = [self.tickets.snapshot(), self.windows.snapshot()]
        metering = [self.meter.snapshot(), self.distribution.snapshot()]
        return [self.id, self.created, flags, schedule, self.variants, *parts, *metering, *([more] if more else [])]

    @classmethod
    def restore(
        cls, settings: documents.Path, data: list[Any], stock: Stock, over_all: Meter, secret: bytes = b""
    ) -> Path:
        """The path of a snapshot."""
        _, created, flags, schedule, variants, tickets, windows, meter, distribution, *rest = data
        more = rest[0] if rest else {}
        path = cls(settings, created, stock, over_all, secret)
        path.paused, path.ended_by_hand, path.sold_out, path.may_return = flags
        path.phase, path.opens_at, path.closes_at = Phase(schedule[0]), schedule[1], schedule[2]
        path.tickets = Tickets.restore(tickets)
        path.windows.restore(windows)
        path.offers.restore(more.get("offers", [[], []]))
        path.meter = Meter.restore(meter)
        path._sell(variants, more.get("choices", []))
        path.distribution.restore(distribution)
        return path
