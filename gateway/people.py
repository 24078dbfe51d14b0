"""Who is here: the consumers with a socket at this gateway, what they hold, and where they sit in each path.

Events name tickets and 16-byte consumer ids of the whole experience; this is where a gateway looks up its own and
forgets the rest. Nothing here outlives the last socket of a consumer.
"""

from gateway.fanout import Pacing
from gateway.session import Socket


class Person:
    """One consumer with at least one socket here; ``tickets`` is the latest one in each path; ``passes`` are those
    signed for them, by admission, with the end of the window."""

    __slots__ = ("consumer", "passes", "sockets", "tickets")

    def __init__(self, consumer: bytes) -> None:
        self.consumer = consumer
        self.sockets: list[Socket] = []
        self.tickets: dict[str, int] = {}
        self.passes: dict[bytes, tuple[int, str]] = {}


class Seats:
    """One path as seen from here: whose ticket is whose, and who is told their position when.

    ``since_ms``: the log's time from which on the admission rate is measured.
    """

    def __init__(self) -> None:
        self.owners: dict[int, Person] = {}
        self.pacing = Pacing()
        self.since_ms = 0


class People:
    """All consumers of one experience who are here."""

    def __init__(self) -> None:
        self.by_consumer: dict[bytes, Person] = {}
        self.sockets: dict[Socket, None] = {}
        self._seats: dict[str, Seats] = {}

    def seats(self, path: str) -> Seats:
        """The seats of a path."""
        found = self._seats.get(path)
        if found is None:
            found = self._seats[path] = Seats()
        return found

    def all_seats(self) -> list[Seats]:
        """The seats of every path that anything was ever known of."""
        return list(self._seats.values())

    def attend(self, socket: Socket) -> Person:
        """``socket`` is here from now on."""
        person = self.by_consumer.setdefault(socket.consumer, Person(socket.consumer))
        person.sockets.append(socket)
        self.sockets[socket] = None
        return person

    def leave(self, socket: Socket) -> None:
        """``socket`` is gone, and with the last one its consumer. Idempotent."""
        person = self.by_consumer.get(socket.consumer)
        if socket not in self.sockets or person is None:
            return
        del self.sockets[socket]
        person.sockets.remove(socket)
        if not person.sockets:
            del self.by_consumer[socket.consumer]
            for path, ticket in person.tickets.items():
                self._unseat(path, ticket)

    def hold(self, person: Person, path: str, ticket: int) -> None:
        """The latest ticket of ``person`` in ``path`` is this one."""
        before = person.tickets.get(path)
        if before is not None and before != ticket:
            self._unseat(path, before)
        person.tickets[path] = ticket
        self.seats(path).owners[ticket] = person

    def forget_tickets(self) -> None:
        """Nothing is known of any ticket any more; who is here stays."""
        self._seats.clear()
        for person in self.by_consumer.values():
            person.tickets.clear()

    def _unseat(self, path: str, ticket: int) -> None:
        seats = self.seats(path)
        seats.owners.pop(ticket, None)
        seats.pacing.drop(ticket)
