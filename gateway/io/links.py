"""A reader and a writer for every part of the store that can be read at once: one in all, on a Cluster one a shard.

A node of a Cluster reads only streams of one slot at once, and the keys of a shard are in one slot. So there each shard
has a connection that waits and one that writes; which node has it is asked whenever one of them is made.

Hands over to: `gateway.io.events_in`, `gateway.io.commands_out`.
"""

from collections.abc import Callable, Coroutine

from gateway.io.commands_out import CommandsOut
from gateway.io.events_in import EventsIn
from gateway.io.store import Servers
from gateway.rooms import Room
from protocol.streams import shard_of


class Links:
    """Those of one process. ``found`` is called with each experience that there is."""

    def __init__(self, url: str, found: Callable[[str], Room]) -> None:
        servers = Servers(url)
        parts = servers.parts
        self._part_of = [number for number, part in enumerate(parts) for _ in part]
        self._rooms: list[dict[str, Room]] = [{} for _ in parts]
        self._events = [EventsIn(servers, rooms, found, part) for rooms, part in zip(self._rooms, parts, strict=True)]
        self._commands = [CommandsOut(servers, rooms, part[0]) for rooms, part in zip(self._rooms, parts, strict=True)]

    def add(self, room: Room) -> None:
        """Its events are read and its commands written from now on."""
        self._rooms[self._part(room.experience)][room.experience] = room

    def want(self, experience: str) -> Callable[[], None]:
        """What says that there is something of this experience to write."""
        return self._commands[self._part(experience)].want

    def runs(self) -> list[tuple[str, Coroutine[None, None, None]]]:
        """All that is to run for ever, each with its name."""
        readers = [(f"events {number}", events.run()) for number, events in enumerate(self._events)]
        return readers + [(f"commands {number}", commands.run()) for number, commands in enumerate(self._commands)]

    @property
    def lost_since_ms(self) -> int | None:
        """Since when (our monotonic clock) a part of the store has not answered; None while all do."""
        return min((one.lost_since_ms for one in self._events if one.lost_since_ms is not None), default=None)

    @property
    def away_since_ms(self) -> int | None:
        """Since when (our monotonic clock) a part of the store has not answered or taken a write; None while all do."""
        unwritten = (one.lost_since_ms for one in self._commands if one.lost_since_ms is not None)
        return min((since_ms for since_ms in (self.lost_since_ms, *unwritten) if since_ms is not None), default=None)

    @property
    def complete(self) -> bool:
        """Whether all that was in the store at the first connection is read."""
        return all(events.complete for events in self._events)

    def client_id(self, experience: str) -> int | None:
        """The connection that waits for this experience, while it does."""
        return self._events[self._part(experience)].client_id

    def _part(self, experience: str) -> int:
        return self._part_of[shard_of(experience)]
