"""One access path: its settings, its phases and what follows from them, who joins; all else about tickets is a turn.

Hands over to: ``engine.core.offering`` and ``engine.core.turns``, where tickets are offered something and admitted, and
to the path's distribution, which says who is next.
"""

from __future__ import annotations

from typing import Any

from engine.core.admission import Meter
from engine.core.choices import Choices
from engine.core.journal import Journal
from engine.core.offering import Offering
from engine.core.schedule import SERVING, TAKING
from engine.core.stock import Stock
from engine.core.ticket import EXPIRED, Tickets
from engine.distributions.kinds import KINDS
from protocol import documents
from protocol.distributions import FORGIVING, kind_of, max_admissions_of, method_of, rate_of
from protocol.events import Holding, SoldOutChanged
from protocol.kind_events import Chosen
from protocol.lottery import Order
from protocol.states import Phase


class Path(Offering):
    """``sold_out`` and ``may_return``: what was last told about what the path sells."""

    def __init__(
        self, settings: documents.Path, created: int, stock: Stock, over_all: Meter, secret: bytes = b""
    ) -> None:
        super().__init__(settings, created, stock, over_all, secret)
        self.sold_out = False
        self.may_return = False
        self.distribution = KINDS[method_of(settings.distribution)](self)

    @property
    def has_live(self) -> bool:
        """Whether any ticket is live."""
        return self.tickets.alive > 0

    def configure(self, settings: documents.Path, variants: list[str], now_ms: int) -> None:
        """Other settings hold from now on."""
        self.distribution.configure(settings)
        self.plan(settings)
        self.limit(settings, now_ms)
        self._sell(variants, self.choices.snapshot() if self.choices else [])

    def limit(self, settings: documents.Path, now_ms: int) -> None:
        """The rate and the caps of these hold from now on, with what the kind adds to them."""
        terms = settings.distribution
        self.meter.bucket.change(rate_of(terms), terms.burst_ms, now_ms)
        self.meter.max_active, self.meter.max_admissions = terms.max_active, max_admissions_of(terms)

    def _sell(self, variants: list[str], choices: list[Any]) -> None:
        self.variants, self.choices = variants, None
        if self.settings.product_selection == "consumer":
            self.choices = Choices(self.stock, variants, self.places)
            self.choices.restore(choices, self.tickets)

    # Phases

    def enter(self, phase: Phase, at: int, actor: str, journal: Journal) -> None:
        """Be in ``phase``, and let the distribution know."""
        before = self.phase
        super().enter(phase, at, actor, journal)
        if phase != before:
            self.distribution.entered(phase, at, journal)

    def settle(self, at: int, journal: Journal) -> None:
        """Draw the conclusions of what has happened: sold out, all lost, closed, ended."""
        if self.phase not in SERVING:
            return
        self.tell_supply(journal)
        if self.sold_out and not self.may_return:
            self.distribution.sold_out(at, journal)
        if self.phase == Phase.OPEN and self.distribution.closes():
            self.closes_at = at
            self.enter(Phase.SETTLING, at, "", journal)
        if self.phase == Phase.SETTLING and self.distribution.is_over():
            self.enter(Phase.ENDED, at, "", journal)

    def tell_supply(self, journal: Journal) -> None:
        """Look whether anything is left to give out, and tell it if that has changed."""
        supply = self.distribution.supply()
        if supply != (self.sold_out, self.may_return):
            self.sold_out, self.may_return = supply
            journal.add(SoldOutChanged(self.id, *supply))

    def shelves_empty(self) -> tuple[bool, bool]:
        """(is nothing of what the path sells free, may something reserved come back)."""
        sold_out = self.stock.free(self.variants) <= 0
        return sold_out, sold_out and self.stock.reserved(self.variants) > 0

    # Joining

    def arrange(self, order: Order) -> None:
        """The first places are those of ``order``, once and for all."""
        self.places.arrange(order)
        if self.choices is not None:
            self.choices.line_up(self.tickets)

    @property
    def takes_everybody(self) -> bool:
        """Whether any new consumer may join now, however many come."""
        plain = self.phase in TAKING and not self.guarded and self.choices is None
        return plain and self.distribution.takes_everybody()

    def join_all(self, first: int, consumers: bytearray, hats: bytearray, journal: Journal) -> None:
        """New tickets from ``first`` on, for ``consumers`` (16 bytes each), who are known as their holders already."""
        self.tickets.extend(consumers, hats)
        journal.joined(self.settings.id, first, consumers, hats)

    def join(self, consumer: bytes, hats: int, variant: str, journal: Journal) -> int:
        """A new ticket, the next."""
        ticket = self.tickets.add(consumer, hats)
        journal.joined(self.settings.id, ticket, consumer, bytes((hats,)))
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
        if self.tickets.states[ticket] != EXPIRED or ticket in self.tickets.forgiven:
            return False
        kept = self.settings.keep_place_once and kind_of(self.settings.distribution) in FORGIVING
        return kept and self.phase in SERVING and not self.ended_by_hand

    def holding(self, ticket: int) -> Holding:
        """All that the holder of ``ticket`` is told about it."""
        state, reason = self.tickets.state(ticket), self.tickets.reason(ticket)
        hats, window = self.tickets.hats[ticket], self.windows.open.get(ticket)
        if window is None:
            return Holding(self.id, ticket, hats, state, reason, self.may_rejoin(ticket))
        times = (window.admission, window.kid, window.admitted_at, window.expires_at)
        return Holding(self.id, ticket, hats, state, reason, False, *times)

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
