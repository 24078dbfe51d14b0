"""One access path: its phase, its tickets and their windows, metered, given out by its distribution.

Everything that happens to a ticket of a path goes through here, so that tickets, windows, metering, stock and the
journal can never disagree. Two meters count each window: the path's own and the experience's, over all paths.
"""

from hmac import digest as hmac_digest
from typing import Any

from engine.core.admission import Bucket, Meter, Window, Windows
from engine.core.journal import Journal
from engine.core.limits import MS_PER_SECOND
from engine.core.stock import Stock
from engine.core.ticket import ADMITTED, COMPLETED, EXPIRED, LEFT, REDEEMED, REFUSED, WAITING, Tickets
from engine.distributions.base import Distribution
from engine.distributions.queue import Queue
from protocol import documents
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
from protocol.refusals import Reason, Refusal
from protocol.states import LEVELS, Phase

SERVING = frozenset({Phase.OPEN, Phase.SETTLING})
"""Phases in which those who wait are admitted."""


class Path:
    """``created`` is the revision of the experience that made this path: part of what its admissions are named by.
    ``given_back`` counts the windows that lapsed since somebody was last served; between steps it is 0."""

    def __init__(self, settings: documents.Path, created: int, stock: Stock, over_all: Meter) -> None:
        self.settings = settings
        self.created = created
        self.phase = Phase.SCHEDULED
        self.paused = False
        self.ended_by_hand = False
        self.sold_out = False
        self.may_return = False
        self.given_back = 0
        self.opens_at = settings.opens_at
        self.closes_at = settings.closes_at
        self.variants: list[str] = []
        self.tickets = Tickets()
        self.windows = Windows()
        terms = settings.distribution
        bucket = Bucket(terms.release_rate_per_minute, terms.burst_ms)
        self.meter = Meter(bucket, terms.max_active, terms.max_admissions)
        self.distribution: Distribution = Queue(settings, self.tickets)
        self._stock = stock
        self._over_all = over_all

    @property
    def id(self) -> str:
        return self.settings.id

    @property
    def has_live(self) -> bool:
        """Whether any ticket is live."""
        return self.tickets.waiting > 0 or self.meter.active > 0

    def configure(self, settings: documents.Path, variants: list[str], now_ms: int) -> None:
        """Other settings hold from now on; a schedule that did not change keeps what was done by hand."""
        before, self.settings, self.variants = self.settings, settings, variants
        if settings.opens_at != before.opens_at:
            self.opens_at = settings.opens_at
        if settings.closes_at != before.closes_at:
            self.closes_at = settings.closes_at
        terms = settings.distribution
        self.meter.bucket.change(terms.release_rate_per_minute, terms.burst_ms, now_ms)
        self.meter.max_active, self.meter.max_admissions = terms.max_active, terms.max_admissions
        self.distribution.configure(settings)

    # Phases

    def next_phase_ms(self) -> int | None:
        """When the schedule changes the phase next, or None."""
        if self.phase == Phase.SCHEDULED:
            return self.opens_at
        return self.closes_at if self.phase == Phase.OPEN else None

    def keep_schedule(self, at: int, journal: Journal) -> None:
        """Change the phase as the schedule says for ``at``. A path without ``opens_at`` opens at once."""
        if self.phase == Phase.SCHEDULED and (self.opens_at is None or self.opens_at <= at):
            self.enter(Phase.OPEN, at, "", journal)
        if self.phase == Phase.OPEN and self.closes_at is not None and self.closes_at <= at:
            self.enter(Phase.SETTLING, at, "", journal)

    def enter(self, phase: Phase, at: int, actor: str, journal: Journal) -> None:
        """Be in ``phase``."""
        self.phase = phase
        journal.add(PhaseChanged(self.id, phase, at, self.opens_at, self.closes_at, actor))

    def settle(self, at: int, journal: Journal) -> None:
        """Draw the conclusions of what has happened: sold out, all lost, ended."""
        if self.phase not in SERVING:
            return
        sold_out = self._stock.free(self.variants) <= 0
        may_return = sold_out and self._stock.reserved(self.variants) > 0
        if (sold_out, may_return) != (self.sold_out, self.may_return):
            self.sold_out, self.may_return = sold_out, may_return
            journal.add(SoldOutChanged(self.id, sold_out, may_return))
        if sold_out and not may_return:
            self.lose_waiting("sold_out", at, journal)
        if self.phase == Phase.SETTLING and not self.has_live:
            self.enter(Phase.ENDED, at, "", journal)

    # Joining

    def join_refusal(self, level: int) -> Refusal | None:
        """Why a consumer of ``level`` cannot take a ticket now, or None."""
        if self.phase != Phase.OPEN:
            if self.phase in (Phase.SCHEDULED, Phase.LOBBY):
                opens = {} if self.opens_at is None else {"opens_at": self.opens_at}
                return Refusal(Reason.NOT_OPEN, {"path": self.id, **opens})
            return Refusal(Reason.CLOSED, {"path": self.id})
        if level < LEVELS.index(self.settings.min_level):
            return Refusal(Reason.NEEDS_LEVEL, {"path": self.id, "level": self.settings.min_level})
        if self.sold_out and not self.may_return:
            return Refusal(Reason.SOLD_OUT, {"path": self.id})
        return self.distribution.join_refusal()

    def rejoining_refusal(self, consumer: bytes, level: int) -> Refusal | None:
        """Why a consumer who had a ticket here cannot take another now, or None."""
        if self.tickets.spent.get(consumer, 0) < self.settings.joins_per_consumer:
            return self.join_refusal(level)
        last = self.tickets.latest[consumer]
        if self.tickets.state(last) == REFUSED:
            return Refusal(Reason.REFUSED, {"path": self.id, "text": self.tickets.reason(last)})
        return Refusal(Reason.ALREADY_DONE, {"path": self.id})

    def may_rejoin(self, ticket: int) -> bool:
        """Whether a missed turn of this ticket can be forgiven now."""
        missed = self.tickets.states[ticket] == EXPIRED and ticket not in self.tickets.forgiven
        return missed and self.settings.keep_place_once and self.phase in SERVING and not self.ended_by_hand

    def holding(self, ticket: int) -> Holding:
        """All that the holder of ``ticket`` is told about it."""
        state, reason = self.tickets.state(ticket), self.tickets.reason(ticket)
        hats, window = self.tickets.hats[ticket], self.windows.open.get(ticket)
        if window is None:
            return Holding(self.id, ticket, hats, state, reason, self.may_rejoin(ticket))
        times = (window.admission, window.kid, window.admitted_at, window.expires_at)
        return Holding(self.id, ticket, hats, state, reason, False, *times)

    # Admission

    def servable(self) -> int:
        """How many could be admitted now but for the rates: those who wait, the caps, the stock."""
        if self.paused or self.phase not in SERVING:
            return 0
        caps = min(self.meter.caps(), self._over_all.caps())
        return min(self.tickets.waiting, caps, self._stock.free(self.variants))

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
        tickets, admissions = [], []
        for _ in range(count):
            ticket = next_ticket()
            assert ticket is not None, "somebody waits"
            turn = name + b"%d/%d" % (ticket, ticket in forgiven)
            admission = hmac_digest(secret, turn, "sha256")[:ADMISSION_BYTES]
            move(ticket, ADMITTED)
            variant = self._stock.reserve(self.variants)
            self.windows.put(ticket, Window(admission, kid, at, expires_at, grace_ms, variant))
            tickets.append(ticket)
            admissions.append(admission)
        self.meter.admit(count, by_hand=by_hand)
        self._over_all.admit(count, by_hand=by_hand)
        journal.add(Admitted(self.id, at, expires_at, kid, tickets, b"".join(admissions), by_hand))
        return list(zip(admissions, tickets, strict=True))

    def expire(self, at: int, journal: Journal) -> None:
        """Close the windows that end at or before ``at``."""
        due = self.windows.due(at)
        for ticket in due:
            self._lapse(ticket)
            self.tickets.move(ticket, EXPIRED)
        if due:
            journal.add(Expired(self.id, at, due))

    def _lapse(self, ticket: int) -> None:
        self._stock.give_back(self.windows.close(ticket).variant)
        self.given_back += 1
        self.meter.lapse()
        self._over_all.lapse()

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
            self._lapse(ticket)
        self.tickets.move(ticket, LEFT, reason)
        journal.add(Left(self.id, at, ticket, reason))

    def take_back(self, ticket: int, journal: Journal) -> None:
        """``ticket`` waits again at its old place."""
        self.tickets.move(ticket, WAITING)
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
        self._stock.complete(self.windows.close(ticket).variant)
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

    # Snapshots

    def snapshot(self) -> list[Any]:
        flags = [self.paused, self.ended_by_hand, self.sold_out, self.may_return]
        schedule = [self.phase.value, self.opens_at, self.closes_at]
        parts = [self.tickets.snapshot(), self.windows.snapshot()]
        metering = [self.meter.snapshot(), self.distribution.snapshot()]
        return [self.id, self.created, flags, schedule, self.variants, *parts, *metering]

    @classmethod
    def restore(cls, settings: documents.Path, data: list[Any], stock: Stock, over_all: Meter) -> "Path":
        """The path of a snapshot."""
        _, created, flags, schedule, variants, tickets, windows, meter, distribution = data
        path = cls(settings, created, stock, over_all)
        path.paused, path.ended_by_hand, path.sold_out, path.may_return = flags
        path.phase, path.opens_at, path.closes_at = Phase(schedule[0]), schedule[1], schedule[2]
        path.variants = variants
        path.tickets = Tickets.restore(tickets)
        path.windows.restore(windows)
        path.meter = Meter.restore(meter)
        path.distribution = Queue(settings, path.tickets)
        path.distribution.restore(distribution)
        return path
