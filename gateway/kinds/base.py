"""The one shape of what a kind of distribution tells beside what all of them do: one file a kind.

- ``FACTS``: which events of the kind's own are facts for whom. The replica has applied the event by then.
- ``held``: which facts of its own still hold for a ticket; told to whoever comes (back), behind ``joined``,
  ``admitted`` and ``offer``, which are told for every kind.
- ``admitted``: what is told, in front of ``admitted``, to whom the kind has just let in.
- ``served``: what it says to others who wait that some were admitted.
- ``states``: what everybody sees alike, by the key of the state; ``SHARED``: the events that may change it, and
  ``changes_at`` when time alone will. The board tells it at first and whenever it has changed, the newest alone.
  ``brief``: many changes in one frame, for those who have heard all before. ``PROMPT``: they do not wait for the round.
  ``PROMPTING``: the events that may change such states, and no others.
- ``REPEATED``: the commands that may be sent again, and are then answered by what ``held`` tells first.

Who is asked for a position while they wait is `gateway.told.shows_places`. What stands here is a kind that tells
nothing of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from gateway.fact import Commands, Fact, FactFrame
from gateway.people import People, Person
from protocol.kind_frames import HighBidFrame, SlotsFrame
from protocol.path_replica import PathReplica
from protocol.replica import Replica

KindState = HighBidFrame | SlotsFrame


class KindTelling:
    """Tells of all paths of one kind in one experience, for the ``people`` who are here."""

    FACTS: ClassVar[dict[type, Callable[[Any, Any, int], Iterator[Fact]]]] = {}
    SHARED: ClassVar[tuple[type, ...]] = ()
    PROMPT: ClassVar[bool] = False
    PROMPTING: ClassVar[tuple[type, ...]] = ()
    REPEATED: ClassVar[Commands] = ()

    def __init__(self, replica: Replica, people: People) -> None:
        self._replica = replica
        self._people = people

    def held(self, path: PathReplica, ticket: int, now_ms: int) -> Iterable[FactFrame]:
        """The facts of the kind that hold for ``ticket``, whatever its state."""
        return ()

    def admitted(self, path: PathReplica, ticket: int) -> Iterable[FactFrame]:
        """What whoever is admitted with ``ticket`` is told first."""
        return ()

    def served(self, path: PathReplica, tickets: list[int]) -> None:
        """``tickets`` were admitted a moment ago."""

    def states(self, path: PathReplica, now_ms: int) -> Iterable[tuple[str, KindState]]:
        """(key, frame) of what everybody sees of the path."""
        return ()

    def changes_at(self, path: PathReplica, now_ms: int) -> int | None:
        """When, after ``now_ms`` (log's time), the states change without an event; None: never."""
        return None

    def brief(self, changed: list[tuple[list[Any], Any]]) -> KindState | None:
        """One frame that says what is new in states of one path, (all that somebody has heard last, None for nothing,
        and what is now) each; None: each is told as it is."""
        return None

    def _here(self, path: str, tickets: Iterable[int]) -> Iterator[tuple[int, Person]]:
        """Those of ``tickets`` whose owners are here, with them; they wait no more, as far as positions go."""
        seats = self._people.seats(path)
        for ticket in tickets:
            seats.drop(ticket)
            person = self._people.owner(path, ticket)
            if person is not None:
                yield ticket, person

    def _waiting_here(self, path: str) -> list[tuple[int, Person]]:
        """Everybody here who waits in ``path``, by ticket."""
        waiting = self._people.seats(path).waiting(self._replica.paths[path].roster)
        return [(ticket, Person(self._people, number)) for ticket, number in waiting]
