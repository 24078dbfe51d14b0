"""What was told and is lost with the log that said it: a failover to a replica that had not got all can take it.

When a log is replaced, those who are here may have been told tickets that the new one does not have. They are not left
to believe in them: each is told that it is lost, once it is known what the new log has of its owner.

Hands over to: `gateway.rooms`, which says when that is.
"""

from collections.abc import Container

from gateway import told
from gateway.people import People, Person
from protocol import codec
from protocol.replica import Replica
from protocol.states import LIVE


class Losses:
    """The live tickets that were told to ``people`` before the log was replaced, by consumer and path."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._told: dict[bytes, dict[str, int]] = {}

    def remember(self, replica: Replica) -> None:
        """What those who are here hold by ``replica`` was told them. What is remembered already stays."""
        for person in self._people.holders():
            live = {path: ticket for path, ticket in person.tickets.items() if _is_live(replica, path, ticket)}
            if live:
                self._told.setdefault(person.consumer, live)

    def frames(self, replica: Replica, person: Person, held: Container[str]) -> list[bytes]:
        """What to tell ``person``, who holds something in the paths ``held``, of what else was told before."""
        before = self._told.pop(person.consumer, {})
        lost = {path: ticket for path, ticket in before.items() if path in replica.paths and path not in held}
        return [codec.encode_frame(told.lost(path, ticket)) for path, ticket in lost.items()]


def _is_live(replica: Replica, path: str, ticket: int) -> bool:
    return path in replica.paths and replica.paths[path].state(ticket) in LIVE
