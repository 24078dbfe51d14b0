"""The audit of a timed release: claims only while it is open, turns in the order of the claims, and no end too early.

``limit`` is held like any cap on admissions; whoever waits is lost as sold out only when it is reached or nothing of
what the path sells is left, as far as the log tells.
"""

from __future__ import annotations

from typing import Any, ClassVar

from engine.audits.path import AuditedPath
from engine.audits.promises import Broken, Shelves
from protocol import events as e
from protocol import kind_events as k
from protocol.documents import Path
from protocol.states import TicketState


class AuditedTimedRelease(AuditedPath):
    """``claims``: who has claimed and waits, in the order of their turns."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.claims: list[int] = []

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        self.claims = list(own)

    def next_turn(self, candidate: int) -> int | None:
        """The first claim for something that is left."""
        return self.first_of(self.claims, candidate)

    def claimed(self, event: k.Claimed) -> None:
        """Somebody comes in line."""
        self.expect(event.ticket, {TicketState.WAITING})
        if self.phase != "open":
            raise Broken(f"ticket {event.ticket} claimed while the path was {self.phase}")
        if event.ticket in self.claims:
            raise Broken(f"ticket {event.ticket} claimed twice")
        self.claims.append(event.ticket)

    def admit(self, ticket: int, event: e.Admitted) -> bool:
        is_new = super().admit(ticket, event)
        self.claims.remove(ticket)
        return is_new

    def close(self, ticket: int, state: TicketState) -> None:
        super().close(ticket, state)
        if ticket in self.claims:
            self.claims.remove(ticket)

    def returned(self, event: e.Returned) -> None:
        super().returned(event)
        self.claims.insert(0, event.ticket)

    CHECKS: ClassVar[dict[type, Any]] = {k.Claimed: claimed}
