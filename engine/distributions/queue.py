"""The queue: first come, first served.

Each admission is the first ticket that waits. Everything before ``head`` does not wait, so finding the next one costs
nothing as long as people are served in order; a forgiven missed turn moves the head back to that ticket. Where people
choose what they want, the first of those is next who want something that is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.distributions.base import Distribution
from protocol import documents
from protocol.distributions import capacity_of
from protocol.refusals import Reason, Refusal

if TYPE_CHECKING:
    from engine.core.path import Path


class Queue(Distribution):
    """State: ``head``, a ticket before which nobody waits."""

    FIXED = ("loyalty_bias", "hats_max", "points_per_hat")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._head = 0
        self._capacity = capacity_of(path.settings.distribution)

    def configure(self, settings: documents.Path) -> None:
        self._capacity = capacity_of(settings.distribution)

    def join_refusal(self) -> Refusal | None:
        if refusal := super().join_refusal():
            return refusal
        if self._capacity is not None and self._path.tickets.waiting >= self._capacity:
            return Refusal(Reason.FULL, {"capacity": self._capacity})
        return None

    def next_ticket(self) -> int | None:
        if self._path.choices is not None:
            return self._path.choices.first(self._path.tickets)
        tickets = self._path.tickets
        ticket = tickets.next_waiting(self._head)
        self._head = len(tickets) if ticket is None else ticket
        return ticket

    def returned(self, ticket: int) -> None:
        self._head = min(self._head, ticket)

    def snapshot(self) -> list[Any]:
        return [self._head]

    def restore(self, data: list[Any]) -> None:
        (self._head,) = data
