"""What a reader keeps of an appointment: who has which slot, and so how many places of each are free.

Booked tickets that were checked in or did not come keep their places: the slot was used for them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, structs

from protocol.distributions import Appointment
from protocol.kind_events import (
    Booked,
    BookingCancelled,
    CheckedIn,
    CheckoutAsked,
    CheckoutDropped,
    HoldEnded,
    HoldMoved,
    NotShown,
    SlotHeld,
    SlotKept,
    SlotReleased,
)
from protocol.kinds.base import KindReplica
from protocol.slots import slots_of
from protocol.states import TicketState

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.path_replica import PathReplica


class Place(Struct, frozen=True, gc=False, array_like=True):
    """A place in ``slot``: held until ``hold_until``, or, where that is None, booked with ``confirmation``.
    ``moves``: how often the booking was moved to another slot."""

    slot: str
    hold_until: int | None
    confirmation: str
    moves: int = 0


class AppointmentReplica(KindReplica):
    """``places``: what each ticket has, or had when it came or did not; ``kept``: how many places of each slot are kept
    for a waitlist; ``taken``: how many that makes; ``over``: what was held for those whose holds have ended last."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.places: dict[int, Place] = {}
        self.over: dict[int, Place] = {}
        self.kept: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

    def free(self) -> dict[str, int]:
        """How many places of every slot are free, in order of time."""
        terms = self._path.settings.distribution
        assert isinstance(terms, Appointment), "the replica of an appointment belongs to a path with slots"
        return {slot: terms.capacity_per_slot - self.taken[slot] for slot in slots_of(terms)}

    def find(self, confirmation: str) -> int | None:
        """The ticket of a confirmation code, or None."""
        return next((ticket for ticket, one in self.places.items() if one.confirmation == confirmation), None)

    def _put(self, ticket: int, place: Place) -> None:
        self._drop(ticket)
        self.places[ticket] = place
        self.taken[place.slot] += 1

    def _drop(self, ticket: int) -> None:
        place = self.places.pop(ticket, None)
        if place is not None:
            self.taken[place.slot] -= 1

    def _held(self, event: SlotHeld) -> None:
        self._path.close_ticket(event.ticket, TicketState.HELD)
        self._put(event.ticket, Place(event.slot, event.hold_until, ""))

    def _hold_moved(self, event: HoldMoved) -> None:
        self.places[event.ticket] = structs.replace(self.places[event.ticket], hold_until=event.hold_until)

    def _hold_ended(self, event: HoldEnded) -> None:
        self.over = {ticket: self.places[ticket] for ticket in event.tickets}
        for ticket in event.tickets:
            self._drop(ticket)
            self._path.wait_again(ticket)

    def _booked(self, event: Booked) -> None:
        moves = self.places[event.ticket].moves + 1 if event.instead_of else 0
        self._path.close_ticket(event.ticket, TicketState.BOOKED)
        self._put(event.ticket, Place(event.slot, None, event.confirmation, moves))

    def _keep(self, slot: str, count: int) -> None:
        self.kept[slot] += count
        self.taken[slot] += count
        if not self.kept[slot]:
            del self.kept[slot]

    def _checkout_asked(self, event: CheckoutAsked) -> None:
        if self._path.states[event.ticket] == TicketState.HELD:
            self._path.wait_again(event.ticket)
        self._put(event.ticket, Place(event.slot, None, ""))

    def _checkout_dropped(self, event: CheckoutDropped) -> None:
        self._drop(event.ticket)

    def _slot_kept(self, event: SlotKept) -> None:
        self._keep(event.slot, 1)

    def _slot_released(self, event: SlotReleased) -> None:
        self._keep(event.slot, -1)

    def _cancelled(self, event: BookingCancelled) -> None:
        self._drop(event.ticket)
        self._path.wait_again(event.ticket)

    def _checked_in(self, event: CheckedIn) -> None:
        self._path.close_ticket(event.ticket, TicketState.COMPLETED)

    def _not_shown(self, event: NotShown) -> None:
        self._path.close_ticket(event.ticket, TicketState.EXPIRED)

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        SlotHeld: _held,
        HoldMoved: _hold_moved,
        HoldEnded: _hold_ended,
        Booked: _booked,
        CheckoutAsked: _checkout_asked,
        CheckoutDropped: _checkout_dropped,
        SlotKept: _slot_kept,
        SlotReleased: _slot_released,
        BookingCancelled: _cancelled,
        CheckedIn: _checked_in,
        NotShown: _not_shown,
    }

    def lost(self, tickets: list[int]) -> None:
        for ticket in tickets:
            self._drop(ticket)

    def image(self) -> Any:
        """The places by ticket, and what is kept by slot."""
        return [list(self.places.items()), list(self.kept.items())]

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        places, kept = image
        for ticket, place in places:
            self._put(ticket, Place(*place))
        for slot, count in kept:
            self._keep(slot, count)
