"""The appointment: a place in a slot is held for a while, booked, had instead of another, given back. Rules of §7:

    waiting    hold                              → held
    waiting    book                              → booked
    held       hold of another slot              → held, there
    held       book, of this slot or another     → booked
    held       cancel, or the hold ends          → waiting
    held       the merchant ends the path        → lost (ended)
    held       book, where it is paid for first  → waiting, with its place, then admitted
    admitted   complete                          → booked
    admitted   declined, expired, …              → it has no place any more
    booked     reschedule                        → booked, there; in one step (rescheduled)
    booked     cancel, until the cutoff          → waiting (cancelled)
    booked     the merchant cancels              → waiting (cancelled)
    booked     check_in                          → completed
    booked     no_show, once it has begun        → expired
    waiting    the last slot is over             → lost (ended)

A place that is given back is kept for the waitlist that is attached, if somebody waits there, or has an offer to all,
until it is claimed, which books it, or nobody there wants it.

Bookings and live holds never exceed what a slot takes. A live hold can always be confirmed: paused, closed, and within
the notice that a new one would need; it ends when its slot begins at the latest, but for the time that an outage gives
back (§3). A booking is the access: nobody is admitted, unless it is paid for first (``checkout``): then only a place
that is not paid for feeds the waitlist. Its confirmation code is an HMAC, so that nobody can think of one, and short,
so that it can be said aloud. When slots begin stands in the document (``protocol.slots``).

Hands over to: ``engine.core.bookings``, which keeps the places, and ``engine.core.slots``, which says what can be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from engine.core import entry
from engine.core.bookings import Bookings, confirmation_code
from engine.core.choices import ANY
from engine.core.kept import GiveBackKept, TakeKept
from engine.core.limits import MS_PER_SECOND
from engine.core.schedule import SERVING
from engine.core.slots import Slots
from engine.core.ticket import ADMITTED, BOOKED, COMPLETED, EXPIRED, HELD, REDEEMED, WAITING
from engine.distributions.base import Distribution
from protocol import documents
from protocol.commands import Book, Cancel, CancelBooking, CheckIn, Hold, NoShow, Reschedule
from protocol.distributions import Appointment as Terms
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
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path

Answer = dict[str, Any] | None


class Appointment(Distribution):
    """State: the ``bookings``; ``made``, how many codes were given; ``passed``, whether the last slot is over."""

    TAKES = (Hold, Book, Reschedule, Cancel, CheckIn, NoShow, CancelBooking)
    HALTED = (Hold, Reschedule)
    FEEDS = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._bookings = Bookings(path.tickets)
        self._made = 0
        self._passed = False
        self._take_terms(path.settings)

    def configure(self, settings: documents.Path) -> None:
        self._take_terms(settings)

    def _take_terms(self, settings: documents.Path) -> None:
        self._terms = _terms_of(settings)
        self._slots = Slots(self._terms)

    def changed_fields(self, settings: documents.Path) -> list[str]:
        return self._slots.changed(Slots(_terms_of(settings)), self._bookings.live())

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        if phase == Phase.ENDED:
            self._path.lose_waiting("ended", at, journal)

    def closes(self) -> bool:
        return self.is_over()

    def is_over(self) -> bool:
        return self._passed and not (self._bookings.holds or self._bookings.unpaid)

    def ended(self, at: int, journal: Journal) -> None:
        self._path.lose(self._bookings.drop_holds(), "ended", at, journal)

    def join_refusal(self) -> Refusal | None:
        return None

    def act_refusal(self, command: Any, ticket: int | None, at: int) -> Refusal | None:
        refusal = self._REFUSALS[type(command)](self, command, ticket, at)
        return None if refusal is None else Refusal(refusal.reason, {"path": self._path.id, **refusal.detail})

    def act(self, command: Any, ticket: int | None, at: int, journal: Journal) -> Answer:
        if isinstance(command, CheckIn | NoShow | CancelBooking):
            ticket = self._bookings.codes[command.confirmation]
        return self._ACTS[type(command)](self, command, ticket, at, journal)

    def next_deadline_ms(self) -> int | None:
        own = (self._bookings.next_deadline_ms(), None if self._passed else self._slots.over_at)
        return min((instant for instant in own if instant is not None), default=None)

    def fire(self, at: int, journal: Journal) -> None:
        due = self._bookings.due(at)
        for ticket in due:
            self._bookings.end_hold(ticket)
        if due:
            journal.add(HoldEnded(self._path.id, at, due))

    def moved(self, gap_ms: int, closing_before_ms: int | None, journal: Journal) -> None:
        for ticket, hold in list(self._bookings.holds.items()):
            if closing_before_ms is None or hold.until < closing_before_ms:
                self._bookings.move_hold(ticket, hold.until + gap_ms)
                journal.add(HoldMoved(self._path.id, ticket, hold.until + gap_ms))

    def supply(self) -> tuple[bool, bool]:
        return False, False

    def give_turns(self, at: int, journal: Journal) -> None:
        self._passed = at >= self._slots.over_at
        for ticket in [ticket for ticket in self._bookings.unpaid if not self._may_pay(ticket, at)]:
            self._drop(ticket, at, journal)
        if self._path.waitlist is None:
            for slot in [slot for slot, count in self._bookings.kept.items() for _ in range(count)]:
                self._give_back(GiveBackKept(slot), None, at, journal)

    def hoping(self) -> int:
        return 0

    def in_line(self) -> int:
        return sum(1 for _ in self._in_line())

    def next_ticket(self) -> int | None:
        return next(self._in_line(), None)

    def bought(self, ticket: int, at: int, journal: Journal) -> None:
        slot, confirmation = self._bookings.unpaid[ticket], self._new_code()
        self._bookings.pay(ticket, confirmation)
        journal.add(Booked(self._path.id, at, ticket, slot, confirmation, ""))

    def turns_had(self, ticket: int) -> int:
        return self._bookings.paid.get(ticket, 0)

    def details(self, ticket: int) -> dict[str, Any]:
        hold, booking = self._bookings.holds.get(ticket), self._bookings.booked.get(ticket)
        if hold is not None:
            return {"slot": hold.slot, "hold_until": hold.until}
        if ticket in self._bookings.unpaid:
            return {"slot": self._bookings.unpaid[ticket]}
        return {} if booking is None else {"slot": booking.slot, "confirmation": booking.confirmation}

    def snapshot(self) -> list[Any]:
        return [self._bookings.snapshot(), self._made, self._passed]

    def restore(self, data: list[Any]) -> None:
        bookings, self._made, self._passed = data
        self._bookings = Bookings.restore(bookings, self._path.tickets)

    # Why not

    def _hold_refusal(self, command: Hold, ticket: int | None, at: int) -> Refusal | None:
        if not command.slot:
            return Refusal(Reason.INVALID, {"field": "slot"})
        if ticket is not None and not (self._has(ticket, WAITING) or self._has(ticket, HELD)):
            return Refusal(Reason.ALREADY_DONE, {"state": self._path.tickets.state(ticket).word})
        return None if self._bookings.held(ticket) == command.slot else self._new_refusal(command.slot, at)

    def _book_refusal(self, command: Book, ticket: int | None, at: int) -> Refusal | None:
        if ticket is not None and self._has(ticket, BOOKED):
            same = command.slot in ("", self._bookings.booked[ticket].slot)
            return None if same else Refusal(Reason.ALREADY_DONE, {"state": BOOKED.word})
        if self._is_asked(ticket, command.slot):
            return None
        if ticket is not None and self._path.tickets.states[ticket] in (ADMITTED, REDEEMED):
            return Refusal(Reason.ALREADY_DONE, {"state": self._path.tickets.state(ticket).word})
        held = self._bookings.held(ticket)
        if held and command.slot in ("", held):
            return None
        if not command.slot:
            return Refusal(Reason.HOLD_OVER)
        return Refusal(Reason.PAUSED) if self._path.paused else self._new_refusal(command.slot, at)

    def _reschedule_refusal(self, command: Reschedule, ticket: int, at: int) -> Refusal | None:
        if not self._has(ticket, BOOKED):
            return self._no_ticket(ticket)
        slot = self._bookings.booked[ticket].slot
        if slot == command.slot:
            return None
        if self._path.ended_by_hand:
            return Refusal(Reason.CLOSED)
        return self._slots.cutoff_refusal(slot, at) or self._slot_refusal(command.slot, at)

    def _cancel_refusal(self, command: Cancel, ticket: int, at: int) -> Refusal | None:
        if command.slot not in ("", self._bookings.slot_of(ticket)):
            return self._no_ticket(ticket)
        if self._bookings.held(ticket) or (ticket in self._bookings.unpaid and self._has(ticket, WAITING)):
            return None
        if not self._has(ticket, BOOKED):
            return self._no_ticket(ticket)
        return self._slots.cutoff_refusal(self._bookings.booked[ticket].slot, at)

    def _code_refusal(self, command: CheckIn | NoShow | CancelBooking, _: int | None, at: int) -> Refusal | None:
        ticket = self._bookings.codes.get(command.confirmation)
        if ticket is None:
            return Refusal(Reason.NOT_FOUND, {"confirmation": command.confirmation})
        if not self._has(ticket, BOOKED):
            return Refusal(Reason.ALREADY_DONE, {"state": self._path.tickets.state(ticket).word})
        begins = self._slots.begins[self._bookings.booked[ticket].slot]
        if isinstance(command, NoShow) and at < begins:
            return Refusal(Reason.NOT_OPEN, {"opens_at": begins})
        return None

    def _new_refusal(self, slot: str, at: int) -> Refusal | None:
        return self._slot_refusal(slot, at) if self._path.phase == Phase.OPEN else Refusal(Reason.CLOSED)

    def _slot_refusal(self, slot: str, at: int) -> Refusal | None:
        return self._slots.refusal(slot, at, self._bookings.taken(slot))

    def _no_ticket(self, ticket: int) -> Refusal:
        return Refusal(Reason.NO_TICKET, {"state": self._path.tickets.state(ticket).word})

    def _has(self, ticket: int | None, state: int) -> bool:
        return ticket is not None and self._path.tickets.states[ticket] == state

    # What is done

    def _hold(self, command: Hold, ticket: int, at: int, journal: Journal) -> Answer:
        if self._bookings.held(ticket) == command.slot:
            return self.details(ticket)
        self._give_up_unpaid(ticket, at, journal)
        until = min(at + self._terms.hold_seconds * MS_PER_SECOND, self._slots.begins[command.slot])
        self._bookings.hold(ticket, command.slot, until)
        journal.add(SlotHeld(self._path.id, at, ticket, command.slot, until))
        return None

    def _book(self, command: Book, ticket: int, at: int, journal: Journal) -> Answer:
        if self._has(ticket, BOOKED) or self._is_asked(ticket, command.slot):
            return self.details(ticket)
        slot = command.slot or self._bookings.held(ticket)
        self._give_up_unpaid(ticket, at, journal)
        if self._terms.checkout:
            self._bookings.ask(ticket, slot)
            journal.add(CheckoutAsked(self._path.id, at, ticket, slot))
            return None
        confirmation = self._new_code()
        self._bookings.book(ticket, slot, confirmation)
        journal.add(Booked(self._path.id, at, ticket, slot, confirmation, ""))
        return None

    def _reschedule(self, command: Reschedule, ticket: int, at: int, journal: Journal) -> Answer:
        booking = self._bookings.booked[ticket]
        before = booking.slot
        if before == command.slot:
            return self.details(ticket)
        self._bookings.reschedule(ticket, command.slot)
        journal.add(Booked(self._path.id, at, ticket, command.slot, booking.confirmation, before))
        self._feed(before, at, journal)
        return None

    def _cancel(self, command: Cancel | CancelBooking, ticket: int, at: int, journal: Journal) -> Answer:
        if ticket in self._bookings.unpaid:
            self._drop(ticket, at, journal)
            return None
        if self._has(ticket, HELD):
            self._bookings.end_hold(ticket)
            journal.add(HoldEnded(self._path.id, at, [ticket]))
            return None
        slot = self._bookings.cancel(ticket)
        actor = command.actor if isinstance(command, CancelBooking) else ""
        journal.add(BookingCancelled(self._path.id, at, ticket, slot, actor))
        if self._path.ended_by_hand or self._path.phase == Phase.ENDED:
            self._path.lose([ticket], "ended", at, journal)
        self._feed(slot, at, journal)
        return None

    def _check_in(self, command: CheckIn, ticket: int, at: int, journal: Journal) -> Answer:
        self._path.tickets.move(ticket, COMPLETED)
        journal.add(CheckedIn(self._path.id, at, ticket, command.actor))
        return None

    def _no_show(self, command: NoShow, ticket: int, at: int, journal: Journal) -> Answer:
        self._path.tickets.move(ticket, EXPIRED)
        journal.add(NotShown(self._path.id, at, ticket, command.actor))
        return None

    # Paying first

    def _in_line(self) -> Iterator[int]:
        """Those who wait for their turn to pay, in the order in which they asked; whoever wants what is not free is
        passed over."""
        waiting = (ticket for ticket in self._bookings.unpaid if self._has(ticket, WAITING))
        return (ticket for ticket in waiting if self._path.is_free_for(ticket))

    def _is_asked(self, ticket: int | None, slot: str) -> bool:
        """Whether the ticket is to pay for this very slot ("" = for any)."""
        return ticket is not None and ticket in self._bookings.unpaid and slot in ("", self._bookings.unpaid[ticket])

    def _may_pay(self, ticket: int, at: int) -> bool:
        """Whether the ticket has a window, or waits for one before its slot begins."""
        begins = self._slots.begins[self._bookings.unpaid[ticket]]
        state = self._path.tickets.states[ticket]
        return state in (ADMITTED, REDEEMED) or (state == WAITING and at < begins)

    def _give_up_unpaid(self, ticket: int, at: int, journal: Journal) -> None:
        if ticket in self._bookings.unpaid:
            self._drop(ticket, at, journal)

    def _drop(self, ticket: int, at: int, journal: Journal) -> None:
        """It was not paid for: the place is free again."""
        slot = self._bookings.drop_unpaid(ticket)
        journal.add(CheckoutDropped(self._path.id, at, ticket, slot))
        self._feed(slot, at, journal)

    # The waitlist

    def _feed(self, slot: str, at: int, journal: Journal) -> None:
        """A place in ``slot`` is free again: it is kept for the attached waitlist, if somebody waits there, or has an
        offer to all."""
        waitlist = self._path.waitlist
        if waitlist is None or not (waitlist.tickets.waiting or waitlist.offers.to_all):
            return
        serves = self._path.phase in SERVING and not self._path.ended_by_hand
        if serves and self._slot_refusal(slot, at) is None:
            self._bookings.keep(slot)
            journal.add(SlotKept(self._path.id, at, slot))
            waitlist.distribution.freed(self._path.id, "cancelled", 1, slot)

    def _kept_refusal(self, command: TakeKept, ticket: int | None, at: int) -> Refusal | None:
        if self._path.ended_by_hand or self._path.phase == Phase.ENDED:
            return Refusal(Reason.CLOSED)
        begins = self._slots.begins.get(command.slot)
        if begins is None or command.slot not in self._bookings.kept:
            return Refusal(Reason.GONE)
        if begins <= at:
            return Refusal(Reason.CUTOFF_PASSED, {"slot": command.slot})
        if ticket is None:
            return entry.seat_refusal(self._path, command.consumer)
        free_to_book = self._has(ticket, WAITING) or self._has(ticket, HELD)
        state = self._path.tickets.state(ticket).word
        return None if free_to_book else Refusal(Reason.ALREADY_DONE, {"state": state})

    def _take_kept(self, command: TakeKept, ticket: int | None, at: int, journal: Journal) -> Answer:
        self._give_back(GiveBackKept(command.slot), None, at, journal)
        if ticket is None:
            ticket = self._path.join(command.consumer, command.hats, ANY, journal)
        return self._book(Book(command.consumer, self._path.id, slot=command.slot), ticket, at, journal)

    def _give_back(self, command: GiveBackKept, _: int | None, at: int, journal: Journal) -> Answer:
        if command.slot in self._bookings.kept:
            self._bookings.give_back(command.slot)
            journal.add(SlotReleased(self._path.id, at, command.slot))
        return None

    def _new_code(self) -> str:
        """A confirmation code that no booking of this path has."""
        while True:
            code = confirmation_code(self._path.secret, f"{self._path.id}/{self._path.created}/{self._made}")
            self._made += 1
            if code not in self._bookings.codes:
                return code

    _REFUSALS: ClassVar[dict[type, Callable[[Any, Any, Any, int], Refusal | None]]] = {
        Hold: _hold_refusal,
        Book: _book_refusal,
        Reschedule: _reschedule_refusal,
        Cancel: _cancel_refusal,
        CheckIn: _code_refusal,
        NoShow: _code_refusal,
        CancelBooking: _code_refusal,
        TakeKept: _kept_refusal,
    }
    _ACTS: ClassVar[dict[type, Callable[[Any, Any, Any, int, Journal], Answer]]] = {
        Hold: _hold,
        Book: _book,
        Reschedule: _reschedule,
        Cancel: _cancel,
        CheckIn: _check_in,
        NoShow: _no_show,
        CancelBooking: _cancel,
        TakeKept: _take_kept,
        GiveBackKept: _give_back,
    }


def _terms_of(settings: documents.Path) -> Terms:
    assert isinstance(settings.distribution, Terms), "an appointment is run by the terms of one"
    return settings.distribution
