"""The Dutch auction: the price falls at exact instants until somebody takes a unit at it.

It begins at the start price, drops every interval, and stays at the floor. A claim names the most that its sender has
seen and takes a unit at the present price, which is theirs from then on, whatever it falls to while they wait for their
turn. It ends when everything is taken or at ``ends_at``; a turn that lapses before gives its unit back to the room. A
pause and an outage hold up drops and end (``engine.distributions.moving_end``). Another floor holds at once: the price
is not below it, and drops again while it is above. Rules of §6, in what a waiting ticket
may become:

    there     claim, while a unit is left    → in line, at the present price
    there     everything is taken            → lost (sold_out)
    there     it ends                        → lost (ended)
    in line   its turn comes                 → admitted
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from engine.core.choices import ANY
from engine.core.limits import MS_PER_SECOND
from engine.core.ticket import WAITING
from engine.distributions.moving_end import MovingEnd, terms_of
from protocol import documents
from protocol.commands import Claim
from protocol.kind_events import PriceDropped, UnitTaken
from protocol.money import decimal_string, minor_units
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path

_PRICES: Final = ("start_price", "floor_price", "drop_amount", "drop_interval_seconds")


class DutchAuction(MovingEnd):
    """State: ``price`` (None before the opening), ``taken``, at what price each ticket has taken its unit, and
    ``line``, those of them who wait, in the order of their claims."""

    TAKES = (Claim,)
    HALTED = (Claim,)
    FIXED = ("style", "currency")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._terms = terms_of(path.settings)
        self._price: int | None = None
        self._taken: dict[int, int] = {}
        self._line: OrderedDict[int, None] = OrderedDict()

    def configure(self, settings: documents.Path) -> None:
        self._terms = terms_of(settings)

    def changed_fields(self, settings: documents.Path) -> list[str]:
        after = terms_of(settings)
        more = [field for field in _PRICES if getattr(self._terms, field) != getattr(after, field)]
        more += ["quantity"] if after.quantity < self._path.given() + len(self._line) else []
        return super().changed_fields(settings) + (more if self._taken else [])

    def configured(self, at: int, journal: Journal) -> None:
        self._keep_to_the_floor(at, journal)

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        super().entered(phase, at, journal)
        if phase == Phase.OPEN:
            self._drop_to(self._units(self._terms.start_price) if self._price is None else self._price, at, journal)
        elif phase == Phase.SETTLING:
            self._stay(at, journal)
            there = [ticket for ticket in self._path.tickets.all_waiting() if ticket not in self._line]
            self._path.lose(there, "sold_out" if self._is_sold() else "ended", at, journal)

    def resumed(self, at: int, journal: Journal) -> None:
        super().resumed(at, journal)
        self._keep_to_the_floor(at, journal)

    def closes(self) -> bool:
        return self._is_sold()

    def ended(self, at: int, journal: Journal) -> None:
        self._line.clear()

    def act_refusal(self, command: Claim, ticket: int | None, at: int) -> Refusal | None:
        path = self._path
        if ticket is not None and (path.tickets.states[ticket] != WAITING or ticket in self._line):
            return Refusal(Reason.ALREADY_DONE, {"path": path.id, "state": path.tickets.state(ticket).word})
        if self._price is None:
            return Refusal(Reason.NOT_OPEN, {"path": path.id, "opens_at": path.opens_at})
        if command.price is None:
            return Refusal(Reason.INVALID, {"path": path.id, "field": "price"})
        if self._left() <= 0:
            return Refusal(Reason.GONE, {"path": path.id})
        if (variant := self._wanted(command, ticket)) and self._left_of(variant) <= 0:
            return Refusal(Reason.GONE, {"path": path.id, "variant": variant})
        if command.price < self._price:
            return Refusal(
                Reason.TOO_LOW, {"path": path.id, "price": decimal_string(self._price, self._terms.currency)}
            )
        return None

    def act(self, command: Claim, ticket: int | None, at: int, journal: Journal) -> dict[str, Any] | None:
        assert ticket is not None and self._price is not None, "a claim has a ticket, and comes after the opening"
        self._taken[ticket] = self._price
        self._line[ticket] = None
        journal.add(UnitTaken(self._path.id, at, ticket, self._price))
        return None

    def next_deadline_ms(self) -> int | None:
        return None if self._path.paused else self._next_drop_at

    def fire(self, at: int, journal: Journal) -> None:
        drops_at = self.next_deadline_ms()
        if drops_at is not None and drops_at <= at and self._price is not None:
            self._drop_to(self._price - self._units(self._terms.drop_amount), at, journal)

    def sold_out(self, at: int, journal: Journal) -> None:
        super().sold_out(at, journal)
        self._line.clear()

    def hoping(self) -> int:
        return len(self._line)

    def in_line(self) -> int:
        return len(self._line)

    def next_ticket(self) -> int | None:
        return next((ticket for ticket in self._line if self._path.is_free_for(ticket)), None)

    def out_of_line(self, ticket: int) -> None:
        self._line.pop(ticket, None)

    def price(self, ticket: int) -> int | None:
        return self._taken.get(ticket)

    def snapshot(self) -> list[Any]:
        return [self._stopped_at, self._next_drop_at, self._price, list(self._taken.items()), list(self._line)]

    def restore(self, data: list[Any]) -> None:
        self._stopped_at, self._next_drop_at, self._price, taken, line = data
        self._taken, self._line = dict(taken), OrderedDict.fromkeys(line)

    def _drop_to(self, price: int, at: int, journal: Journal) -> None:
        """From ``at`` on the price is this, or the floor; unless it is that, the next drop is an interval away."""
        floor, interval = self._units(self._terms.floor_price), self._terms.drop_interval_seconds
        assert interval is not None, "required in a Dutch auction"
        self._price = max(floor, price)
        self._next_drop_at = at + interval * MS_PER_SECOND if self._price > floor else None
        journal.add(PriceDropped(self._path.id, at, self._price, self._next_drop_at))

    def _keep_to_the_floor(self, at: int, journal: Journal) -> None:
        """The floor may be another: no price is below it, none above stays, but for a pause, and none at it drops."""
        if self._path.phase != Phase.OPEN:
            return
        assert self._price is not None, "an open auction has a price"
        floor, drops = self._units(self._terms.floor_price), self._next_drop_at is not None
        begins = self._price > floor and not drops and not self._path.paused
        if begins or self._price < floor or (self._price == floor and drops):
            self._drop_to(self._price, at, journal)

    def _stay(self, at: int, journal: Journal) -> None:
        """The price does not drop any more."""
        if self._next_drop_at is not None and self._price is not None:
            self._next_drop_at = None
            journal.add(PriceDropped(self._path.id, at, self._price, None))

    def _is_sold(self) -> bool:
        """Whether every unit is taken, or nothing of what is sold is left."""
        path = self._path
        return self._unclaimed() <= 0 or (path.sold_out and not path.may_return)

    def _left(self) -> int:
        """How many can still be taken."""
        path = self._path
        return min(self._unclaimed(), path.stock.free(path.variants) - len(self._line))

    def _wanted(self, command: Claim, ticket: int | None) -> str:
        """The variant that whoever claims wants, or ANY."""
        if self._path.choices is None:
            return ANY
        if ticket is not None:
            return self._path.choices.wanted.get(ticket, ANY)
        return ANY if command.credentials is None else command.credentials.variant

    def _left_of(self, variant: str) -> int:
        """How many of ``variant`` are left for certain: whoever is in line and takes anything may take that."""
        path = self._path
        assert path.choices is not None, "asked where there is a choice"
        ahead = sum(path.choices.wanted.get(ticket, ANY) in (ANY, variant) for ticket in self._line)
        return path.stock.free([variant]) - ahead

    def _unclaimed(self) -> int:
        """How many of all units nobody has, nor waits for."""
        path = self._path
        assert path.meter.max_admissions is not None, "a quantity is a cap"
        return path.meter.max_admissions - path.given() - len(self._line)

    def _units(self, money: str | None) -> int:
        assert money is not None, "required in a Dutch auction"
        return minor_units(money, self._terms.currency)
