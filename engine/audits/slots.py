"""The auditor's share of appointments: from a log alone, whether every place in a slot was there to be had.

The slow, obvious model, which shares nothing with the core: it counts the places of a slot anew at every change. It
checks that live holds and bookings never exceed what a slot takes, that a hold ends on its instant, never before, that
what is held or booked is a slot of the document and lies ahead, that a ticket moves as its kind's table has it and is
never without the slot that it had when it is rescheduled, and that a confirmation code names one booking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import UNSET

from engine.audits.promises import Broken
from protocol import kind_events as k
from protocol.distributions import Appointment
from protocol.slots import slot_of
from protocol.states import TicketState

if TYPE_CHECKING:
    from engine.audits.path import AuditedPath

_HELD, _BOOKED, _WAITING = TicketState.HELD, TicketState.BOOKED, TicketState.WAITING


class AuditedSlots:
    """``held``: (slot, until) by ticket; ``booked``: (slot, code) by ticket, also of those who came or did not."""

    def __init__(self, path: AuditedPath) -> None:
        self._path = path
        self.held: dict[int, tuple[str, int]] = {}
        self.booked: dict[int, tuple[str, str]] = {}
        self.kept: list[str] = []
        self.unpaid: dict[int, str] = {}

    def hold(self, event: k.SlotHeld) -> None:
        """A place is kept."""
        self._path.expect(event.ticket, {_WAITING, _HELD})
        if event.hold_until <= event.at:
            raise Broken(f"the hold of ticket {event.ticket} was over when it was made")
        self._path.states[event.ticket] = _HELD
        self.held[event.ticket] = (event.slot, event.hold_until)
        self._ahead(event.slot, event.at)
        self._room(event.slot)

    def hold_moved(self, event: k.HoldMoved) -> None:
        """An outage gives time back."""
        slot, until = self.held[event.ticket]
        if event.hold_until <= until:
            raise Broken(f"the hold of ticket {event.ticket} was cut short")
        self.held[event.ticket] = (slot, event.hold_until)

    def hold_ended(self, event: k.HoldEnded) -> None:
        """Holds ran out, together and on their instant, or one was given up before."""
        for ticket in event.tickets:
            until = self.held.pop(ticket)[1]
            if event.at > until or (event.at < until and len(event.tickets) > 1):
                raise Broken(f"the hold of ticket {ticket} ended at {event.at}, it was to last until {until}")
            self._path.wait_again(ticket, (_HELD,))

    def book(self, event: k.Booked) -> None:
        """A place is had, as the first or instead of another."""
        if event.instead_of:
            self._path.expect(event.ticket, {_BOOKED})
            if self.booked[event.ticket] != (event.instead_of, event.confirmation):
                raise Broken(f"ticket {event.ticket} had {self.booked[event.ticket][0]}, not {event.instead_of}")
        elif event.ticket in self.unpaid:
            self._paid(event)
            return
        else:
            self._path.expect(event.ticket, {_WAITING, _HELD})
            if any(event.confirmation == code for _, code in self.booked.values()):
                raise Broken(f"the code of ticket {event.ticket} names another booking already")
        slot, until = self.held.pop(event.ticket, ("", 0))
        self._path.states[event.ticket] = _BOOKED
        self.booked[event.ticket] = (event.slot, event.confirmation)
        self._confirm(event, slot, until)

    def _paid(self, event: k.Booked) -> None:
        """The order of the window is complete a moment ago: that is no end here."""
        self._path.expect(event.ticket, {TicketState.COMPLETED})
        if self.unpaid.pop(event.ticket) != event.slot:
            raise Broken(f"ticket {event.ticket} has paid for another slot than {event.slot}")
        self._path.spent[self._path.consumers[event.ticket]] -= 1
        self._path.states[event.ticket] = _BOOKED
        self.booked[event.ticket] = (event.slot, event.confirmation)
        self._room(event.slot)

    def ask(self, event: k.CheckoutAsked) -> None:
        """A place is to be paid for first."""
        self._path.expect(event.ticket, {_WAITING, _HELD})
        slot, until = self.held.pop(event.ticket, ("", 0))
        if slot:
            self._path.wait_again(event.ticket, (_HELD,))
        self.unpaid[event.ticket] = event.slot
        self._confirm(event, slot, until)

    def drop(self, event: k.CheckoutDropped) -> None:
        """It was not."""
        if self.unpaid.pop(event.ticket, "") != event.slot:
            raise Broken(f"ticket {event.ticket} had no place in {event.slot} to pay for")

    def _confirm(self, event: k.Booked | k.CheckoutAsked, slot: str, until: int) -> None:
        """The place was to be had, or was held: ``slot`` until ``until``."""
        if slot != event.slot:
            self._ahead(event.slot, event.at)
        elif event.at >= until:
            raise Broken(f"ticket {event.ticket} booked at {event.at}, its hold was over at {until}")
        self._room(event.slot)

    def _terms(self) -> Appointment:
        terms = self._path.settings.distribution
        assert isinstance(terms, Appointment), "an appointment has the terms of one"
        return terms

    def _ahead(self, slot: str, at: int) -> None:
        """``slot``, which nobody holds yet, begins after ``at``. What is held may be booked even if an outage has moved
        the hold beyond that."""
        starts = self._terms().starts
        assert starts is not UNSET, "the slots of a document in a log are worked out"
        if not any(start > at and slot_of(start) == slot for start in starts):
            raise Broken(f"{slot} is no slot that lies ahead")

    def _room(self, slot: str) -> None:
        """Nobody has too much of ``slot``."""
        terms = self._terms()
        taken = self.kept.count(slot) + list(self.unpaid.values()).count(slot)
        taken += [one for one, _ in (*self.held.values(), *self.booked.values())].count(slot)
        if taken > terms.capacity_per_slot:
            raise Broken(f"{taken} places of {slot} are held or booked, it takes {terms.capacity_per_slot}")

    def keep(self, event: k.SlotKept) -> None:
        """A place is kept for the waitlist."""
        self.kept.append(event.slot)
        self._ahead(event.slot, event.at)
        self._room(event.slot)

    def release(self, event: k.SlotReleased) -> None:
        """It is no more."""
        if event.slot not in self.kept:
            raise Broken(f"no place of {event.slot} was kept")
        self.kept.remove(event.slot)

    def cancel(self, event: k.BookingCancelled) -> None:
        """A booking is given back."""
        if self.booked.pop(event.ticket)[0] != event.slot:
            raise Broken(f"ticket {event.ticket} did not have {event.slot}")
        self._path.wait_again(event.ticket, (_BOOKED,))

    def came(self, event: k.CheckedIn) -> None:
        """Somebody is here."""
        self._path.expect(event.ticket, {_BOOKED})
        self._path.close(event.ticket, TicketState.COMPLETED)

    def did_not_come(self, event: k.NotShown) -> None:
        """Somebody is not."""
        self._path.expect(event.ticket, {_BOOKED})
        self._path.states[event.ticket] = TicketState.EXPIRED

    def lost(self, event: k.TicketsLost) -> None:
        """The merchant has ended the path: nothing is held any more."""
        for ticket in event.tickets:
            self.held.pop(ticket, None)

    CHECKS: ClassVar[dict[type, Any]] = {
        k.SlotHeld: hold,
        k.HoldMoved: hold_moved,
        k.HoldEnded: hold_ended,
        k.Booked: book,
        k.CheckoutAsked: ask,
        k.CheckoutDropped: drop,
        k.SlotKept: keep,
        k.SlotReleased: release,
        k.BookingCancelled: cancel,
        k.CheckedIn: came,
        k.NotShown: did_not_come,
    }
