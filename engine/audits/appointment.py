"""The audit of an appointment: a path like the others, and its slots.

Hands over to: ``engine.audits.slots``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from engine.audits.path import AuditedPath
from engine.audits.promises import Broken, Shelves
from engine.audits.slots import AuditedSlots
from protocol.documents import Path
from protocol.kind_events import TicketsLost
from protocol.states import TicketState


class AuditedAppointment(AuditedPath):
    """``slots``: who holds and who has booked which."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.slots = AuditedSlots(self)

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        holds, booked, kept, unpaid = own[0]
        self.slots.unpaid = dict(unpaid)
        self.slots.kept = [slot for slot, count in kept for _ in range(count)]
        self.slots.held = {ticket: (hold.slot, hold.until) for ticket, hold in holds}
        self.slots.booked = {ticket: (one.slot, one.confirmation) for ticket, one in booked}

    def caps(self) -> None:
        """And every place that the waitlist offers is kept for it."""
        super().caps()
        offered = self.waitlist.places_offered() if self.waitlist else []
        for slot in offered:
            if self.slots.kept.count(slot) < offered.count(slot):
                raise Broken(
                    f"{offered.count(slot)} places of {slot} are offered, {self.slots.kept.count(slot)} are kept"
                )

    def next_turn(self, candidate: int) -> int | None:
        """The first who asked to pay, for something that is left: without that a booking is the access, and nobody is
        admitted."""
        waiting = [ticket for ticket in self.slots.unpaid if self.states[ticket] == TicketState.WAITING]
        return self.first_of(waiting, candidate)

    def tickets_lost(self, event: TicketsLost) -> None:
        super().tickets_lost(event)
        self.slots.lost(event)

    CHECKS: ClassVar[dict[type, Any]] = {}


def _of_slots(check: Callable[[AuditedSlots, Any], None]) -> Callable[[AuditedAppointment, Any], None]:
    return lambda path, event: check(path.slots, event)


AuditedAppointment.CHECKS |= {kind: _of_slots(check) for kind, check in AuditedSlots.CHECKS.items()}
