"""The one shape of all ways in.

A distribution decides who may join and who is next. It owns only what its kind adds to the common state; tickets,
windows, metering, stock and phases belong to the path it serves. Every kind has these methods in this order, and one
contract suite runs against all of them.
"""

from typing import Any, Protocol

from engine.core.ticket import Tickets
from protocol.documents import Path
from protocol.refusals import Refusal


class Distribution(Protocol):
    """How a path gives out admissions."""

    def __init__(self, settings: Path, tickets: Tickets) -> None: ...

    def configure(self, settings: Path) -> None:
        """Other settings hold from now on."""

    def join_refusal(self) -> Refusal | None:
        """Why nobody can join now although the path is open, or None."""

    def next_ticket(self) -> int | None:
        """The ticket that is admitted next, or None."""

    def returned(self, ticket: int) -> None:
        """``ticket`` waits again after a missed turn."""

    def snapshot(self) -> list[Any]:
        """What ``restore`` needs, as plain data."""

    def restore(self, data: list[Any]) -> None:
        """Take the state of a snapshot."""
