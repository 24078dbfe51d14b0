"""A Dutch auction as the recount has it: the price of every claim, who has taken a unit, and what a "no" may say."""

from __future__ import annotations

from typing import Any, ClassVar

from protocol import commands as c
from protocol import kind_events as k
from protocol.distributions import Auction
from protocol.documents import Path
from protocol.money import minor_units
from protocol.refusals import Reason
from tests.engine.simulation.counted.moving import CountedMoving
from tests.engine.simulation.world import Broken


class CountedDutch(CountedMoving):
    """``taken``: who has taken a unit and waits for the turn."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.price: int | None = None
        self.taken: dict[int, None] = {}

    @property
    def _terms(self) -> Auction:
        terms = self.settings.distribution
        assert isinstance(terms, Auction), "an auction has the terms of one"
        return terms

    @property
    def line(self) -> list[int]:
        return list(self.taken)

    def forget(self, ticket: int) -> None:
        super().forget(ticket)
        self.taken.pop(ticket, None)

    def conclude(self, now_ms: int, room: float) -> None:
        super().conclude(now_ms, room)
        floor = minor_units(self._terms.floor_price or "0", self._terms.currency)
        if self.phase == "open" and self.price is not None:
            stays, above = self.next_drop_at is None, self.price > floor
            if self.price < floor or (stays and above and not self.paused) or not (stays or above):
                raise Broken(f"dutch: the price is {self.price} until {self.next_drop_at}, the floor is {floor}")

    def refused(self, command: c.Command, reason: str, detail: dict[str, Any], now_ms: int) -> None:
        if isinstance(command, c.Claim) and reason == Reason.TOO_LOW:
            if self.price is None or command.price is None or command.price >= self.price:
                raise Broken(f"refusals: {command.price} was too low, the price is {self.price}")

    def dropped(self, event: k.PriceDropped, now_ms: int) -> None:
        floor = minor_units(self._terms.floor_price or "0", self._terms.currency)
        if self.price is not None and event.price > max(self.price, floor):
            raise Broken(f"dutch: the price rose from {self.price} to {event.price}")
        self.price, self.next_drop_at = event.price, event.next_drop_at

    def took(self, event: k.UnitTaken, now_ms: int) -> None:
        holder = self.consumers[event.ticket]
        offers = [one.price for one in self.asked if isinstance(one, c.Claim) and one.consumer == holder]
        if not any(price is not None and event.price <= price for price in offers):
            raise Broken(f"dutch: {event.ticket} took a unit at {event.price} and would pay {offers}")
        self.taken[event.ticket] = None

    ACTS: ClassVar[dict[type, Any]] = CountedMoving.ACTS | {k.PriceDropped: dropped, k.UnitTaken: took}
