"""The audit of a Dutch auction: the price falls in its steps, at its instants, and not below the floor, even another; a
unit is taken while it is open, at the price that stands, by no more than there are units; turns come in the order of
the claims.
"""

from __future__ import annotations

from typing import Any, ClassVar

from engine.audits.path import AuditedPath
from engine.audits.promises import Broken, Shelves
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import Auction
from protocol.documents import Path
from protocol.money import minor_units
from protocol.states import TicketState


class AuditedDutch(AuditedPath):
    """``line``: who has taken a unit and waits, in their order; ``taken``: at what price; ``told``: what those pay who
    are admitted next; ``begins``: it has just opened, and the price is told."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.price: int | None = None
        self.next_drop_at: int | None = None
        self.begins = False
        self.line: list[int] = []
        self.taken: dict[int, int] = {}
        self.told: dict[int, int | None] = {}

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        _, self.next_drop_at, self.price, taken, line = own
        self.taken, self.line = dict(taken), list(line)

    def next_turn(self, candidate: int) -> int | None:
        """The first who has taken something that is left."""
        return self.first_of(self.line, candidate)

    def allot(self, event: k.Allotted) -> None:
        super().allot(event)
        self.told.update(zip(event.tickets, event.prices, strict=True))

    def admit(self, ticket: int, event: e.Admitted) -> bool:
        is_new = super().admit(ticket, event)
        self.line.remove(ticket)
        if self.told.pop(ticket, None) != self.taken[ticket]:
            raise Broken(f"ticket {ticket} does not pay {self.taken[ticket]}")
        return is_new

    def close(self, ticket: int, state: TicketState) -> None:
        super().close(ticket, state)
        if ticket in self.line:
            self.line.remove(ticket)

    def returned(self, event: e.Returned) -> None:
        raise Broken(f"ticket {event.ticket} waits again, but an auction forgives no missed turn")

    def phase_changed(self, event: e.PhaseChanged) -> None:
        self.begins = event.phase == "open" != self.phase
        super().phase_changed(event)

    def dropped(self, event: k.PriceDropped) -> None:
        """The price is another, or told for the first time."""
        terms = self._terms()
        floor, due = self._units(terms.floor_price), self.price
        if due is None:
            due = self._units(terms.start_price)
        elif self.phase == "open" and not self.begins:
            follows = event.at != self.next_drop_at and self._floor_is_another()
            due = max(floor, due if follows else due - self._units(terms.drop_amount))
            if event.at != self.next_drop_at and not follows:
                raise Broken(f"the price dropped at {event.at}, it was to at {self.next_drop_at}")
        drops = self.phase == "open" and due > floor
        next_drop_at = event.at + 1_000 * (terms.drop_interval_seconds or 0) if drops else None
        if (event.price, event.next_drop_at) != (due, next_drop_at):
            raise Broken(f"the price became {event.price} until {event.next_drop_at}, not {due} until {next_drop_at}")
        self.price, self.next_drop_at, self.begins = due, next_drop_at, False

    def end_moved(self, event: k.EndMoved) -> None:
        """A pause or an outage gives time back."""
        if self.next_drop_at is not None and (event.next_drop_at is None or event.next_drop_at < self.next_drop_at):
            raise Broken(f"the next drop moved from {self.next_drop_at} to {event.next_drop_at}")
        self.next_drop_at = event.next_drop_at

    def take(self, event: k.UnitTaken) -> None:
        """Somebody comes in line."""
        self.expect(event.ticket, {TicketState.WAITING})
        if self.phase != "open" or event.ticket in self.line:
            raise Broken(f"ticket {event.ticket} took a unit in line or while it was {self.phase}")
        if event.price != self.price or (self.next_drop_at is not None and event.at >= self.next_drop_at):
            raise Broken(f"ticket {event.ticket} took a unit at {event.price}, the price was {self.price}")
        if self._floor_is_another():
            raise Broken(f"ticket {event.ticket} took a unit at {event.price}, which is no price of this floor")
        self.line.append(event.ticket)
        self.taken[event.ticket] = event.price
        beside = self.waitlist.active() + self.waitlist.completed if self.waitlist else 0
        given = len(self.windows) + self.completed + beside
        if given + len(self.line) > self._terms().quantity:
            raise Broken(f"{given + len(self.line)} units are taken, there are {self._terms().quantity}")

    def _floor_is_another(self) -> bool:
        """Whether the price is below the floor, or stays above it, or is to drop from it: it was told of another."""
        floor, price = self._units(self._terms().floor_price), self.price or 0
        return price < floor or (price > floor) != (self.next_drop_at is not None)

    def _terms(self) -> Auction:
        assert isinstance(self.settings.distribution, Auction), "an auction has the terms of one"
        return self.settings.distribution

    def _units(self, money: str | None) -> int:
        return minor_units(money or "0", self._terms().currency)

    CHECKS: ClassVar[dict[type, Any]] = {k.PriceDropped: dropped, k.UnitTaken: take, k.EndMoved: end_moved}
