"""What an appointment tells: to each what they hold, have booked or have no more, and to everybody how many places of
every slot are free.

A path may have ten thousand slots, and a frame of them all would be a megabyte. So they are told by **sections** of
neighbours in time, and each section is a state of its own: whoever is slow keeps the newest of each, and a section for
which there was no room is told when there is. Whoever has heard all before is told in one frame which slots have
changed, and nothing else. Slots that nobody may take yet, or any more, have no free place; the clock alone changes
that, so it is known when it does next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gateway import told
from gateway.fact import Fact, FactFrame
from gateway.kinds.base import KindState, KindTelling
from protocol.commands import Book, Cancel, Hold, Reschedule
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
    TicketsLost,
)
from protocol.kind_frames import BookedFrame, CancelledFrame, GivenBack, HeldFrame, SlotsFrame, SlotView
from protocol.kinds.appointment import AppointmentReplica
from protocol.path_replica import PathReplica
from protocol.slots import slots_of, start_of
from protocol.states import TicketState

SECTION_SLOTS: Final = 64
MS_PER_MINUTE: Final = 60_000
MS_PER_DAY: Final = 86_400_000


class AppointmentTelling(KindTelling):
    """A sheet of slots for each path."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._sheets: WeakKeyDictionary[PathReplica, Sheet] = WeakKeyDictionary()

    def held(self, path: PathReplica, ticket: int, now_ms: int) -> Iterable[FactFrame]:
        place = _kind(path).places.get(ticket)
        if place is not None and place.hold_until is not None:
            yield HeldFrame(path.settings.id, place.slot, now_ms, place.hold_until)
        elif place is not None and path.state(ticket) == TicketState.BOOKED:
            yield BookedFrame(path.settings.id, place.slot, place.confirmation)
        elif place is not None and not place.confirmation:
            yield HeldFrame(path.settings.id, place.slot, now_ms)

    def states(self, path: PathReplica, now_ms: int) -> Iterable[tuple[str, KindState]]:
        sheet = self._sheet(path)
        sheet.look(_kind(path), now_ms)
        for number, section in enumerate(sheet.sections):
            yield f"slots {path.settings.id} {number}", section

    def changes_at(self, path: PathReplica, now_ms: int) -> int | None:
        return self._sheet(path).changes_at(now_ms)

    def brief(self, changed: list[tuple[list[SlotsFrame | None], SlotsFrame]]) -> SlotsFrame | None:
        slots: list[SlotView] = []
        for heard, after in changed:
            span = (after.since, after.until)
            before = [one.slots for one in heard if one is not None and (one.since, one.until) == span]
            if len(before) < len(heard):
                return None  # there are other slots now, or somebody knows of none
            slots += [new for new, *olds in zip(after.slots, *before, strict=True) if olds.count(new) < len(olds)]
        return SlotsFrame(changed[0][1].path, slots, 0)

    def _sheet(self, path: PathReplica) -> Sheet:
        terms, sheet = path.settings.distribution, self._sheets.get(path)
        assert isinstance(terms, Appointment), "an appointment has the terms of one"
        if sheet is None or sheet.terms is not terms:
            sheet = self._sheets[path] = Sheet(path.settings.id, terms)
        return sheet

    # Facts

    def _held(self, event: SlotHeld | HoldMoved, now_ms: int) -> Iterator[Fact]:
        path, answers = self._replica.paths[event.path], (Hold,) if isinstance(event, SlotHeld) else ()
        for ticket, person in self._here(event.path, [event.ticket]):
            for frame in self.held(path, ticket, now_ms):
                yield Fact(person, frame, answers)

    def _checkout_asked(self, event: CheckoutAsked, now_ms: int) -> Iterator[Fact]:
        person = self._people.owner(event.path, event.ticket)
        if person is not None:
            yield Fact(person, HeldFrame(event.path, event.slot, now_ms), (Book,))

    def _checkout_dropped(self, event: CheckoutDropped, now_ms: int) -> Iterator[Fact]:
        """Whoever was in the checkout, or lost the ticket, is told of that."""
        path, person = self._replica.paths[event.path], self._people.owner(event.path, event.ticket)
        if person is not None and path.state(event.ticket) == TicketState.WAITING:
            why: GivenBack = "hold_over" if event.at >= start_of(event.slot) else "cancelled"
            yield Fact(person, CancelledFrame(event.path, event.slot, why), (Cancel,))

    def _booked(self, event: Booked, now_ms: int) -> Iterator[Fact]:
        for _, person in self._here(event.path, [event.ticket]):
            yield Fact(person, BookedFrame(event.path, event.slot, event.confirmation), (Book, Reschedule))

    def _hold_ended(self, event: HoldEnded, now_ms: int) -> Iterator[Fact]:
        over = _kind(self._replica.paths[event.path]).over
        for ticket, person in self._here(event.path, event.tickets):
            place = over[ticket]
            assert place.hold_until is not None, "what ended was a hold"
            why: GivenBack = "hold_over" if event.at >= place.hold_until else "cancelled"
            yield Fact(person, CancelledFrame(event.path, place.slot, why), (Cancel,))

    def _cancelled(self, event: BookingCancelled, now_ms: int) -> Iterator[Fact]:
        for _, person in self._here(event.path, [event.ticket]):
            why: GivenBack = "merchant" if event.actor else "cancelled"
            yield Fact(person, CancelledFrame(event.path, event.slot, why), (Cancel,))

    def _over(self, event: CheckedIn | NotShown, now_ms: int) -> Iterator[Fact]:
        for ticket, person in self._here(event.path, [event.ticket]):
            yield Fact(person, told.ticket(told.holding(self._replica, event.path, ticket)))

    FACTS: ClassVar[dict[type, Callable[[Any, Any, int], Iterator[Fact]]]] = {
        SlotHeld: _held,
        HoldMoved: _held,
        HoldEnded: _hold_ended,
        CheckoutAsked: _checkout_asked,
        CheckoutDropped: _checkout_dropped,
        Booked: _booked,
        BookingCancelled: _cancelled,
        CheckedIn: _over,
        NotShown: _over,
    }
    SHARED: ClassVar[tuple[type, ...]] = (
        *(SlotHeld, HoldEnded, Booked, BookingCancelled, TicketsLost),
        *(SlotKept, SlotReleased, CheckoutAsked, CheckoutDropped),
    )
    REPEATED = (Hold, Book, Reschedule)


class Sheet:
    """All slots by these ``terms`` as they were looked at last; ``sections`` are frames without their time, and one in
    which nothing has changed is the very same object."""

    def __init__(self, path_id: str, terms: Appointment) -> None:
        slots = slots_of(terms)
        self.terms = terms
        self._path_id = path_id
        self._ids = list(slots)
        self._begins = np.array(list(slots.values()), np.int64)
        self._free: NDArray[np.int64] = np.full(len(slots), -1)
        self.sections: list[SlotsFrame] = [SlotsFrame(path_id, [], 0) for _ in range(0, len(slots), SECTION_SLOTS)]

    def look(self, kind: AppointmentReplica, now_ms: int) -> None:
        """Bring the sections up to date with the places that are taken at ``now_ms`` (log's time)."""
        first, last = self._offered(now_ms)
        free = np.zeros_like(self._free)
        count = kind.taken.get
        taken = [count(slot, 0) for slot in self._ids[first:last]]
        free[first:last] = np.maximum(0, self.terms.capacity_per_slot - np.array(taken, np.int64))
        changed = np.flatnonzero(free != self._free)
        self._free = free
        for number in np.unique(changed // SECTION_SLOTS).tolist():
            self.sections[number] = self._section(number)

    def changes_at(self, now_ms: int) -> int | None:
        """When the next slot comes into what can be taken, or goes out of it, if nothing else happens."""
        first, last = self._offered(now_ms)
        goes = [int(self._begins[first]) - self._notice_ms + 1] if first < len(self._begins) else []
        comes = [int(self._begins[last]) - self._advance_ms] if last < len(self._begins) else []
        return min(goes + comes, default=None)

    def _section(self, number: int) -> SlotsFrame:
        part = slice(number * SECTION_SLOTS, (number + 1) * SECTION_SLOTS)
        begins, behind = self._begins[part].tolist(), self._begins[part.stop : part.stop + 1].tolist()
        length_ms, place = self.terms.duration_minutes * MS_PER_MINUTE, self.terms.location
        slots = [
            SlotView(slot, start, start + length_ms, place, free)
            for slot, start, free in zip(self._ids[part], begins, self._free[part].tolist(), strict=True)
        ]
        since = begins[0] if number else 0
        return SlotsFrame(self._path_id, slots, 0, since, behind[0] if behind else None)

    def _offered(self, now_ms: int) -> tuple[int, int]:
        """[first, last) of the slots that can be taken at ``now_ms``, where they have places."""
        first = int(np.searchsorted(self._begins, now_ms + self._notice_ms))
        if self.terms.max_advance_days is None:
            return first, len(self._begins)
        return first, max(first, int(np.searchsorted(self._begins, now_ms + self._advance_ms, "right")))

    @property
    def _notice_ms(self) -> int:
        return max(1, self.terms.min_notice_minutes * MS_PER_MINUTE)

    @property
    def _advance_ms(self) -> int:
        return (self.terms.max_advance_days or 0) * MS_PER_DAY


def _kind(path: PathReplica) -> AppointmentReplica:
    assert isinstance(path.kind, AppointmentReplica), "an appointment has its own replica"
    return path.kind
