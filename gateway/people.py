"""Who is here: the consumers with a socket in one room, what they hold, and where they sit in each path.

Events name tickets and 16-byte consumer ids of the whole experience; this is where a gateway looks up its own and
forgets the rest. A consumer who is here has a small dense number, and all that is known of them stands in columns by
that number. A `Person` is a view, made when somebody has something to do with one. Nothing here outlives the last
socket of a consumer. What few have (passes) is kept by number only while it lasts.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gateway.columns import Column
from gateway.consumer_index import ConsumerIndex
from gateway.fanout import Pacing
from gateway.probing import NOBODY
from gateway.sockets import NONE, Slots32, Socket, Sockets
from gateway.ticket_index import TicketIndex
from protocol.roster import Roster
from protocol.sessions import Session

NO_TICKET = -1


class Seats:
    """One path as seen from here: whose ticket is whose, and who is told their position when.

    ``tickets``: by person, the latest one. ``since_ms``: the log's time from which on the admission rate is measured.
    """

    def __init__(self) -> None:
        self.tickets = Column("i", NO_TICKET)
        self.pacing = Pacing(self.tickets)
        self.since_ms = 0
        self._owners = TicketIndex(self.tickets)

    def owner(self, ticket: int) -> int:
        """The person who holds ``ticket``, or NOBODY."""
        return self._owners.find(ticket)

    def ticket_of(self, person: int) -> int:
        """The latest ticket of ``person``, or NO_TICKET."""
        return self.tickets.one[person] if person < len(self.tickets.one) else NO_TICKET

    def hold(self, person: int, ticket: int) -> None:
        """The latest ticket of ``person`` is this one."""
        if self.ticket_of(person) == ticket:
            return
        self.unseat(person)
        self.tickets.reach(person)
        self.tickets.one[person] = ticket
        self._owners.add(person)

    def unseat(self, person: int) -> None:
        """``person`` holds nothing here any more, as far as this gateway is concerned."""
        if self.ticket_of(person) != NO_TICKET:
            self.pacing.drop(person)
            self._owners.remove(person)
            self.tickets.one[person] = NO_TICKET

    def drop(self, ticket: int) -> None:
        """``ticket`` waits no more; those of others are fine."""
        person = self.owner(ticket)
        if person != NOBODY:
            self.pacing.drop(person)

    def waiting(self, roster: Roster) -> list[tuple[int, int]]:
        """(ticket, person) of everybody here whose latest ticket waits, told a position yet or not; by ticket."""
        persons = np.flatnonzero(self.tickets.all != NO_TICKET)
        held = zip(self.tickets.all[persons].tolist(), persons.tolist(), strict=True)
        return sorted((ticket, person) for ticket, person in held if roster.waits(ticket))

    def paces(self, ticket: int) -> bool:
        """Whether the owner of ``ticket`` is told its position."""
        person = self.owner(ticket)
        return person != NOBODY and person in self.pacing


class People:
    """All consumers of one experience who are here; ``count`` of sockets. ``room``: the number of theirs."""

    def __init__(self, sockets: Sockets) -> None:
        self.sockets = sockets
        self.room = sockets.number_room()
        self.count = 0
        self.passes: dict[int, dict[bytes, tuple[int, str]]] = {}
        self._index = ConsumerIndex()
        self._heads = Column("i", NONE)
        self._unused = array("i")
        self._numbers = 0
        self._seats: dict[str, Seats] = {}

    def seats(self, path: str) -> Seats:
        """The seats of a path."""
        found = self._seats.get(path)
        if found is None:
            found = self._seats[path] = Seats()
        return found

    def find(self, consumer: bytes) -> Person | None:
        """``consumer``, if here."""
        number = self._index.find(consumer)
        return None if number == NOBODY else Person(self, number)

    def find_all(self, consumers: bytes) -> Iterator[tuple[int, Person]]:
        """Those of ``consumers``, 16 bytes each, who are here, each with their index there."""
        if len(self._index):
            numbers = self._index.find_all(consumers)
            for index in (numbers != NOBODY).nonzero()[0].tolist():
                yield index, Person(self, int(numbers[index]))

    def owner(self, path: str, ticket: int) -> Person | None:
        """Whose ``ticket`` of ``path`` is, if they are here."""
        number = self.seats(path).owner(ticket)
        return None if number == NOBODY else Person(self, number)

    def person(self, socket: Socket) -> Person:
        """Whose ``socket``, which is here, is."""
        return Person(self, socket.person)

    def holders(self) -> list[Person]:
        """Everybody who is here."""
        return [Person(self, number) for number in range(self._numbers) if self._heads.one[number] != NONE]

    def everybody(self) -> Slots32:
        """The slots of all sockets."""
        return self.sockets.in_room(self.room)

    def attend(
        self, slot: int, session: Session, watched: frozenset[str] | None, now_ms: int, *, line: bool = False
    ) -> Socket:
        """``slot``, a ``line`` of the lot or none, is a socket of the consumer of ``session`` from ``now_ms`` (our
        monotonic clock) on."""
        socket = self.sockets.take(slot, self.room, session, watched, now_ms, line=line)
        consumer = session.consumer
        number = self._index.find(consumer)
        if number == NOBODY:
            number = self._number(consumer)
        self.sockets.persons.one[slot] = number
        self.sockets.nexts.one[slot] = self._heads.one[number]
        self._heads.one[number] = slot
        self.count += 1
        return socket

    def leave(self, socket: Socket) -> None:
        """``socket`` is gone, and with the last one its consumer. Idempotent."""
        if not socket.here:
            return
        number, nexts = socket.person, self.sockets.nexts.one
        if self._heads.one[number] == socket.slot:
            self._heads.one[number] = nexts[socket.slot]
        else:
            before = self._heads.one[number]
            while nexts[before] != socket.slot:
                before = nexts[before]
            nexts[before] = nexts[socket.slot]
        self.sockets.free(socket.slot)
        self.count -= 1
        if self._heads.one[number] == NONE:
            self._forget(number)

    def slots_of(self, number: int) -> list[int]:
        """The slots of one person's sockets."""
        slots, slot = [], self._heads.one[number]
        while slot != NONE:
            slots.append(slot)
            slot = self.sockets.nexts.one[slot]
        return slots

    def slots_of_all(self, numbers: NDArray[np.int64]) -> tuple[Slots32, NDArray[np.int64]]:
        """The slots of all sockets of ``numbers``, and the index there of whose each is."""
        slots: Slots32 = self._heads.all[numbers]
        whose = np.arange(len(slots))
        more = np.flatnonzero(self.sockets.nexts.all[slots] != NONE).tolist()
        if not more:
            return slots, whose
        others = [(slot, index) for index in more for slot in self.slots_of(int(numbers[index]))[1:]]
        extra = np.array(others, np.int32)
        return np.concatenate([slots, extra[:, 0]]), np.concatenate([whose, extra[:, 1]])

    def id_of(self, number: int) -> bytes:
        """The consumer id of a person."""
        return self._index.id_of(number)

    def tickets_of(self, number: int) -> dict[str, int]:
        """The latest tickets of a person, by path."""
        held = ((path, seats.ticket_of(number)) for path, seats in self._seats.items())
        return {path: ticket for path, ticket in held if ticket != NO_TICKET}

    def forget_tickets(self) -> None:
        """Nothing is known of any ticket any more; who is here stays."""
        self._seats.clear()

    def forget_paths(self, paths: Iterable[str]) -> None:
        """These paths are gone, and whatever was held there: one of the same id later is another one."""
        for path in paths:
            self._seats.pop(path, None)

    def _number(self, consumer: bytes) -> int:
        if self._unused:
            number = self._unused.pop()
        else:
            number, self._numbers = self._numbers, self._numbers + 1
            self._heads.reach(number)
        self._index.add(consumer, number)
        return number

    def _forget(self, number: int) -> None:
        for seats in self._seats.values():
            seats.unseat(number)
        self.passes.pop(number, None)
        self._index.remove(number)
        self._unused.append(number)


class Person:
    """A view of one consumer who is here. It is not kept over a wait."""

    __slots__ = ("_people", "number")

    def __init__(self, people: People, number: int) -> None:
        self._people = people
        self.number = number

    @property
    def consumer(self) -> bytes:
        """The 16-byte id."""
        return self._people.id_of(self.number)

    @property
    def sockets(self) -> list[Socket]:
        """All sockets of this consumer here."""
        return [self._people.sockets.at(slot) for slot in self._people.slots_of(self.number)]

    @property
    def tickets(self) -> dict[str, int]:
        """The latest ticket in each path, as far as this gateway knows."""
        return self._people.tickets_of(self.number)

    @property
    def passes(self) -> dict[bytes, tuple[int, str]]:
        """Those signed for this consumer, by admission, with the end of the window."""
        return self._people.passes.setdefault(self.number, {})

    def hold(self, path: str, ticket: int) -> None:
        """The latest ticket in ``path`` is this one."""
        self._people.seats(path).hold(self.number, ticket)
