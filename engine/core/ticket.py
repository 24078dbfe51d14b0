"""Tickets: their states, in one table, and the arrays they live in.

A ticket is the dense number of a join in its path. All moves are in ``MOVES``; any other raises ``IllegalMove`` and
changes nothing, which stops the engine before it writes: a refusal is decided before a move, never by one. An expired
ticket waits again once, at its old place.

State of a million tickets: one byte of state, one of reason, one of hats and 16 of consumer id each, and who holds
which (`engine.core.latest`), which is rebuilt from these when a snapshot is restored.
"""

from collections.abc import Collection, Iterator
from struct import iter_unpack
from typing import Any, Final

from engine.core.latest import Latest
from protocol.events import CONSUMER_BYTES
from protocol.states import LIVE, TicketState

WAITING, OFFERED, HELD, BOOKED = TicketState.WAITING, TicketState.OFFERED, TicketState.HELD, TicketState.BOOKED
ADMITTED, REDEEMED, COMPLETED = TicketState.ADMITTED, TicketState.REDEEMED, TicketState.COMPLETED
EXPIRED, LEFT, LOST, REFUSED = TicketState.EXPIRED, TicketState.LEFT, TicketState.LOST, TicketState.REFUSED

MOVES: Final[dict[TicketState, frozenset[TicketState]]] = {
    WAITING: frozenset({ADMITTED, OFFERED, HELD, LEFT, LOST, REFUSED}),
    OFFERED: frozenset({ADMITTED, LEFT, LOST, EXPIRED}),
    HELD: frozenset({BOOKED, WAITING, LOST}),
    BOOKED: frozenset({HELD, WAITING, COMPLETED, EXPIRED}),
    ADMITTED: frozenset({REDEEMED, COMPLETED, BOOKED, EXPIRED, LEFT}),
    REDEEMED: frozenset({COMPLETED, BOOKED, EXPIRED, LEFT}),
    EXPIRED: frozenset({WAITING}),
    COMPLETED: frozenset(),
    LEFT: frozenset(),
    LOST: frozenset(),
    REFUSED: frozenset(),
}

REASONS: Final = (
    *("", "left", "declined", "released", "sold_out", "ended", "refused"),
    *("not_drawn", "outbid", "merged", "rescheduled", "cancelled", "booked", "not_claimed"),
)
"""Why a ticket is where it is; the index is kept, one byte a ticket."""

_STATES: Final = tuple(TicketState)
_MOVES_BY_STATE: Final = tuple(MOVES[state] for state in TicketState)
_REASON_CODES: Final = {reason: code for code, reason in enumerate(REASONS)}
_ALL_BITS: Final = 255
_WHO_WAITS: Final = bytes(_ALL_BITS if state == WAITING else 0 for state in range(_ALL_BITS + 1))
_SPENT: Final = frozenset({COMPLETED, REFUSED})


class IllegalMove(AssertionError):
    """The core tried a move that is not in the table."""


class Tickets:
    """The tickets of one path."""

    def __init__(self) -> None:
        self.states = bytearray()
        self.hats = bytearray()
        self.reasons = bytearray()
        self.consumers = bytearray()
        self.latest = Latest()
        self.spent: dict[bytes, int] = {}
        self.forgiven: dict[int, None] = {}
        self.texts: dict[int, str] = {}
        self.waiting = 0
        self.over = 0

    @property
    def alive(self) -> int:
        """How many are live."""
        return len(self.states) - self.over

    def __len__(self) -> int:
        return len(self.states)

    def add(self, consumer: bytes, hats: int) -> int:
        """The next ticket, waiting, for ``consumer`` (16 bytes)."""
        ticket = self.latest[consumer] = len(self.states)
        self.extend(consumer, bytes((hats,)))
        return ticket

    def extend(self, consumers: bytes | bytearray, hats: bytes | bytearray) -> None:
        """The next tickets, waiting, one a byte of ``hats``; ``latest`` names them already."""
        count = len(hats)
        zeros = bytes(count)
        self.states += zeros
        self.hats += hats
        self.reasons += zeros
        self.consumers += consumers
        self.waiting += count

    def move(self, ticket: int, state: TicketState, reason: str = "") -> None:
        """Change the state of a ticket. Raises IllegalMove for a move that is not in the table."""
        before = self.states[ticket]
        if state not in _MOVES_BY_STATE[before] or (before == EXPIRED and ticket in self.forgiven):
            raise IllegalMove(f"ticket {ticket} cannot go from {_STATES[before].word} to {state.word}")
        self.reasons[ticket] = _REASON_CODES[reason]
        self.states[ticket] = state
        if before == WAITING:
            self.waiting -= 1
        elif state == WAITING:
            self.waiting += 1
        if before == EXPIRED:
            self.forgiven[ticket] = None
            self.over -= 1
        if state not in LIVE:
            self.over += 1
        if state in _SPENT:
            consumer = self.consumer(ticket)
            self.spent[consumer] = self.spent.get(consumer, 0) + 1

    def lose_waiting(self, reason: str, kept: Collection[int] = ()) -> int:
        """Every waiting ticket becomes lost, but for ``kept``, who wait; answers how many are lost. A million in some
        milliseconds."""
        lost = self.states.translate(_WHO_WAITS)
        for ticket in kept:
            lost[ticket] = 0
        count = lost.count(_ALL_BITS)
        self.states = _overlaid(self.states, lost, LOST)
        self.reasons = _overlaid(self.reasons, lost, _REASON_CODES[reason])
        self.waiting -= count
        self.over += count
        return count

    def next_waiting(self, start: int) -> int | None:
        """The first ticket at or after ``start`` that waits, or None. Runs at memory speed."""
        found = self.states.find(WAITING, start)
        return None if found < 0 else found

    def all_waiting(self) -> Iterator[int]:
        """Every ticket that waits, ascending; moves of those already given do not matter."""
        ticket = self.next_waiting(0)
        while ticket is not None:
            yield ticket
            ticket = self.next_waiting(ticket + 1)

    def state(self, ticket: int) -> TicketState:
        """The state of a ticket that exists."""
        return _STATES[self.states[ticket]]

    def consumer(self, ticket: int) -> bytes:
        """The id of the consumer who holds it."""
        return bytes(self.consumers[ticket * CONSUMER_BYTES : (ticket + 1) * CONSUMER_BYTES])

    def reason(self, ticket: int) -> str:
        """Why it is in its state: the merchant's words where there are any, else a word of ``REASONS``."""
        return self.texts.get(ticket) or REASONS[self.reasons[ticket]]

    def live(self, consumer: bytes) -> int | None:
        """The consumer's live ticket, or None."""
        ticket = self.latest.get(consumer)
        return ticket if ticket is not None and self.states[ticket] in LIVE else None

    def snapshot(self) -> list[Any]:
        """Plain data from which ``restore`` makes the same."""
        arrays = [bytes(self.states), bytes(self.hats), bytes(self.reasons), bytes(self.consumers)]
        return [*arrays, list(self.spent.items()), list(self.forgiven), list(self.texts.items())]

    @classmethod
    def restore(cls, data: list[Any]) -> "Tickets":
        """The tickets of a snapshot."""
        tickets = cls()
        states, hats, reasons, consumers, spent, forgiven, texts = data
        tickets.states, tickets.hats = bytearray(states), bytearray(hats)
        tickets.reasons, tickets.consumers = bytearray(reasons), bytearray(consumers)
        tickets.spent = dict(spent)
        tickets.forgiven = dict.fromkeys(forgiven)
        tickets.texts = dict(texts)
        tickets.waiting = tickets.states.count(WAITING)
        tickets.over = len(states) - sum(tickets.states.count(state) for state in sorted(LIVE))
        tickets.latest = Latest.of(consumer for (consumer,) in iter_unpack(f"{CONSUMER_BYTES}s", consumers))
        return tickets


def _overlaid(array: bytearray, mask: bytearray, value: int) -> bytearray:
    """``array`` with ``value`` where ``mask`` has all bits, and as it is where it has none."""
    size = len(array)
    before, where = int.from_bytes(array, "big"), int.from_bytes(mask, "big")
    put = int.from_bytes(bytes([value]) * size, "big")
    return bytearray((before & ~where | put & where).to_bytes(size, "big"))
