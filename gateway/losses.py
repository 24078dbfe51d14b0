"""What was told and is lost with the log that said it: a failover to a replica that had not got all can take it.

When a log is replaced, those who are here may have been told what the new one does not have: a ticket, or that it was
admitted, booked, in the lead. They are not left to believe in it: each is told that the ticket is lost, or that it went
back, once it is known what the new log has of its owner; behind that follows what holds. An order that was completed is
the shop's: where its ticket is gone, nothing is said.

A ticket may also go back by its own log, while this gateway was away. So that one went back by a failure is said only
where the log is known to be another one: it does not have the entry up to which was told.

Hands over to: `gateway.rooms`, which says when that is.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from gateway import told
from gateway.people import People, Person
from protocol import codec
from protocol.frames import TicketFrame
from protocol.replica import Replica
from protocol.states import LIVE, TicketState
from protocol.streams import parse_entry_id

_HOLDS: Final = LIVE | {TicketState.COMPLETED}


class Told(NamedTuple):
    """What somebody was told they hold; ``more``: and something of its kind beside, a bid or a slot."""

    ticket: int
    state: TicketState
    more: bool


TellsMore = Callable[[str, int], bool]
"""Whether something of its kind is told of (path, ticket)."""


class Losses:
    """What was told to ``people`` before the log was read anew, by consumer and path."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._told: dict[bytes, dict[str, Told]] = {}
        self._up_to = 0, b""
        """Number and chain of the entry up to which was told."""
        self._is_another = True

    def remember(self, replica: Replica, tells_more: TellsMore) -> None:
        """What those who are here hold by ``replica`` was told them. What is remembered already stays."""
        self._told = {one: holds for one, holds in self._told.items() if self._people.find(one) is not None}
        if not self._told:
            self._up_to = _seq(replica), replica.chain
        self._is_another = True
        for person in self._people.holders():
            holds = {
                path: Told(ticket, replica.paths[path].state(ticket), tells_more(path, ticket))
                for path, ticket in person.tickets.items()
                if path in replica.paths and replica.paths[path].state(ticket) in _HOLDS
            }
            if holds:
                self._told.setdefault(person.consumer, holds)

    def begins(self, replica: Replica) -> None:
        """The log is read from ``replica`` on: where that is behind what was told, it may well be the same log."""
        self._is_another = _seq(replica) <= self._up_to[0]
        self.follows(replica)

    def follows(self, replica: Replica) -> None:
        """``replica`` has read an entry of the log."""
        if (_seq(replica), replica.chain) == self._up_to:
            self._is_another = False

    def frames(self, replica: Replica, person: Person, held: Mapping[str, int], tells_more: TellsMore) -> list[bytes]:
        """What to tell ``person``, who holds the tickets ``held`` by path, of what else was told before."""
        before = self._told.pop(person.consumer, {})
        return [codec.encode_frame(frame) for frame in self._frames(replica, before, held, tells_more)]

    def _frames(
        self, replica: Replica, before: dict[str, Told], held: Mapping[str, int], tells_more: TellsMore
    ) -> Iterator[TicketFrame]:
        for path, was in before.items():
            if path not in replica.paths:
                continue
            if path not in held:
                if was.state in LIVE:
                    yield told.lost(path, was.ticket)
            elif held[path] == was.ticket and self._is_another:
                state = replica.paths[path].state(was.ticket)
                less = state == was.state and was.more and not tells_more(path, was.ticket)
                if state in LIVE and (less or state < was.state):
                    yield told.went_back(path, was.ticket, state)


def _seq(replica: Replica) -> int:
    return parse_entry_id(replica.entry_id)[1]
