"""Places in slots: what is held for a while, and what is booked. Tickets are moved here, so that a ticket that is held
or booked has exactly one place, and a slot never more than are counted.

A booking keeps its place after it was checked in or did not come: the slot was used for it.
"""

from hmac import digest as hmac_digest
from typing import Any, Final

from msgspec import Struct

from engine.core.deadlines import Deadlines
from engine.core.ticket import BOOKED, HELD, WAITING, Tickets

CODE_CHARS: Final = 10
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter in it is taken for a digit."""
_BITS: Final = 5


def confirmation_code(secret: bytes, name: str) -> str:
    """A code for the booking of this name, 50 bits: nobody who does not know ``secret`` can think of it."""
    bits = int.from_bytes(hmac_digest(secret, f"confirmation/{name}".encode(), "sha256"), "big")
    return "".join(_ALPHABET[(bits >> _BITS * index) % len(_ALPHABET)] for index in range(CODE_CHARS))


class Hold(Struct, gc=False, array_like=True):
    """A place in ``slot`` is kept until ``until``."""

    slot: str
    until: int


class Booking(Struct, gc=False, array_like=True):
    """A place in ``slot`` is had; ``confirmation`` is the code that names it."""

    slot: str
    confirmation: str


class Bookings:
    """``holds`` and ``booked`` by ticket; ``codes``: the ticket of each confirmation code; ``kept``: in how many places
    of each slot nobody is yet, because a waitlist offers them; ``unpaid``: the slot of each ticket that pays first;
    ``paid``: how often each of them has.

    When holds end, ``codes`` and the count of what is taken are not part of the state: they are made from holds and
    bookings.
    """

    def __init__(self, tickets: Tickets) -> None:
        self.holds: dict[int, Hold] = {}
        self.booked: dict[int, Booking] = {}
        self.codes: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.unpaid: dict[int, str] = {}
        self.paid: dict[int, int] = {}
        self._tickets = tickets
        self._taken: dict[str, int] = {}
        self._deadlines = Deadlines(self._ends_at)

    def taken(self, slot: str) -> int:
        """How many places of a slot are held, booked, unpaid or kept."""
        return self._taken.get(slot, 0)

    def keep(self, slot: str) -> None:
        """A place of a slot is kept."""
        self.kept[slot] = self.kept.get(slot, 0) + 1
        self._take(slot)

    def give_back(self, slot: str) -> None:
        """A place of a slot is kept no more."""
        self.kept[slot] -= 1
        if not self.kept[slot]:
            del self.kept[slot]
        self._leave(slot)

    def live(self) -> dict[str, int]:
        """What is taken of each slot that somebody counts on: that is held, or booked and still to come."""
        states = self._tickets.states
        booked = [one.slot for ticket, one in self.booked.items() if states[ticket] == BOOKED]
        return {
            slot: self._taken[slot]
            for slot in (*(hold.slot for hold in self.holds.values()), *booked, *self.kept, *self.unpaid.values())
        }

    def held(self, ticket: int | None) -> str:
        """The slot that is held for a ticket, or ""."""
        hold = None if ticket is None else self.holds.get(ticket)
        return "" if hold is None else hold.slot

    def slot_of(self, ticket: int) -> str:
        """The slot that a ticket has, in whatever way, or ""."""
        booking = self.booked.get(ticket)
        return self.held(ticket) or self.unpaid.get(ticket, "") or ("" if booking is None else booking.slot)

    def hold(self, ticket: int, slot: str, until: int) -> None:
        """Keep a place for a ticket that waits, or that has a hold, which it gives up for this one."""
        if ticket in self.holds:
            self._leave(self.holds[ticket].slot)
        else:
            self._tickets.move(ticket, HELD)
        self._take(slot)
        self._put(ticket, Hold(slot, until))

    def move_hold(self, ticket: int, until: int) -> None:
        """The hold of a ticket ends at another time."""
        self._put(ticket, Hold(self.holds[ticket].slot, until))

    def end_hold(self, ticket: int) -> None:
        """The ticket waits again."""
        self._leave(self.holds.pop(ticket).slot)
        self._tickets.move(ticket, WAITING)

    def drop_holds(self) -> list[int]:
        """Nothing is held any more; answers for whom it was. What becomes of them is the caller's to say."""
        tickets = list(self.holds)
        for ticket in tickets:
            self._leave(self.holds.pop(ticket).slot)
        return tickets

    def book(self, ticket: int, slot: str, confirmation: str) -> None:
        """A ticket that waits or has a hold, whatever it holds, has this place."""
        if ticket in self.holds:
            self._leave(self.holds.pop(ticket).slot)
        else:
            self._tickets.move(ticket, HELD)
        self._tickets.move(ticket, BOOKED)
        self._take(slot)
        self.booked[ticket] = Booking(slot, confirmation)
        self.codes[confirmation] = ticket

    def ask(self, ticket: int, slot: str) -> None:
        """A ticket that waits or has a hold has this place until it has paid, or has not; it waits for that."""
        if ticket in self.holds:
            self.end_hold(ticket)
        self._take(slot)
        self.unpaid[ticket] = slot

    def drop_unpaid(self, ticket: int) -> str:
        """The ticket has its place no more; answers the slot."""
        slot = self.unpaid.pop(ticket)
        self._leave(slot)
        return slot

    def pay(self, ticket: int, confirmation: str) -> None:
        """The ticket, which had a window, has booked its place."""
        self._tickets.move(ticket, BOOKED)
        self.booked[ticket] = Booking(self.unpaid.pop(ticket), confirmation)
        self.codes[confirmation] = ticket
        self.paid[ticket] = self.paid.get(ticket, 0) + 1

    def reschedule(self, ticket: int, slot: str) -> None:
        """The booking is of another slot from now on, in one step."""
        booking = self.booked[ticket]
        self._tickets.move(ticket, HELD, "rescheduled")
        self._tickets.move(ticket, BOOKED)
        self._take(slot)
        self._leave(booking.slot)
        booking.slot = slot

    def cancel(self, ticket: int) -> str:
        """The ticket waits again, without a place; answers the slot that it had."""
        booking = self.booked.pop(ticket)
        del self.codes[booking.confirmation]
        self._leave(booking.slot)
        self._tickets.move(ticket, WAITING, "cancelled")
        return booking.slot

    def next_deadline_ms(self) -> int | None:
        """When the next hold ends, or None."""
        return self._deadlines.next_ms()

    def due(self, now_ms: int) -> list[int]:
        """Tickets whose holds end at or before ``now_ms``, by (instant, ticket)."""
        return self._deadlines.due(now_ms)

    def snapshot(self) -> list[Any]:
        """What nobody has ever done is left out: logs of before it could be done keep their digests."""
        places: list[dict[Any, Any]] = [self.holds, self.booked, self.kept, self.unpaid]
        return [list(some.items()) for some in (*places, *([self.paid] if self.paid else []))]

    @classmethod
    def restore(cls, data: list[Any], tickets: Tickets) -> "Bookings":
        """The places of a snapshot: [ticket, hold as a list] and [ticket, booking as a list] each."""
        bookings = cls(tickets)
        bookings.holds = {ticket: Hold(*hold) for ticket, hold in data[0]}
        bookings.booked = {ticket: Booking(*booking) for ticket, booking in data[1]}
        bookings.codes = {booking.confirmation: ticket for ticket, booking in bookings.booked.items()}
        for slot in (*(hold.slot for hold in bookings.holds.values()), *(one.slot for one in bookings.booked.values())):
            bookings._take(slot)
        bookings.unpaid = dict(data[3])
        bookings.paid = dict(*data[4:])
        for slot in bookings.unpaid.values():
            bookings._take(slot)
        for slot, count in data[2]:
            for _ in range(count):
                bookings.keep(slot)
        bookings._deadlines.begin((ticket, hold.until) for ticket, hold in bookings.holds.items())
        return bookings

    def _put(self, ticket: int, hold: Hold) -> None:
        self.holds[ticket] = hold
        self._deadlines.put(ticket, hold.until)

    def _ends_at(self, ticket: int, instant: int) -> bool:
        hold = self.holds.get(ticket)
        return hold is not None and hold.until == instant

    def _take(self, slot: str) -> None:
        self._taken[slot] = self.taken(slot) + 1

    def _leave(self, slot: str) -> None:
        self._taken[slot] -= 1
