"""The queue: first come, first served.

Each admission is the first ticket that waits. Everything before ``head`` does not wait, so finding the next one costs
nothing as long as people are served in order; a forgiven missed turn moves the head back to that ticket.
"""

from typing import Any

from engine.core.ticket import Tickets
from protocol.documents import Path
from protocol.refusals import Reason, Refusal


class Queue:
    """State: ``head``, a ticket before which nobody waits."""

    def __init__(self, settings: Path, tickets: Tickets) -> None:
        self._tickets = tickets
        self._head = 0
        self.configure(settings)

    def configure(self, settings: Path) -> None:
        self._capacity = settings.distribution.capacity

    def join_refusal(self) -> Refusal | None:
        if self._capacity is not None and self._tickets.waiting >= self._capacity:
            return Refusal(Reason.FULL, {"capacity": self._capacity})
        return None

    def next_ticket(self) -> int | None:
        ticket = self._tickets.next_waiting(self._head)
        self._head = len(self._tickets) if ticket is None else ticket
        return ticket

    def returned(self, ticket: int) -> None:
        self._head = min(self._head, ticket)

    def snapshot(self) -> list[Any]:
        return [self._head]

    def restore(self, data: list[Any]) -> None:
        (self._head,) = data
