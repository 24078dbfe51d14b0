"""A reader and a writer for every part of the store that can be read at once: one in all, on a Cluster one a shard.

A node of a Cluster reads only streams of one slot at once, and the keys of a shard are in one slot. So there each shard
has a connection that waits and one that writes; which node has it is asked whenever one of them is made. What one of
them loses concerns the rooms of its shard alone.

Hands over to: `gateway.io.events_in`, `gateway.io.commands_out`.
"""

from collections.abc import Callable, Coroutine, Sequence

from gateway.io.commands_out import CommandsOut
from gateway.io.events_in import EventsIn
from gateway.io.store import Servers
from gateway.rooms import Room
from protocol.streams import shard_of

LOST_AFTER_MS = 2_000


class Link:
    """The reader and the writer of the rooms of ``shards``."""

    def __init__(self, servers: Servers, found: Callable[[str], Room], shards: Sequence[int]) -> None:
        self._rooms: dict[str, Room] = {}
        self.events = EventsIn(servers, self._rooms, found, shards)
        self.commands = CommandsOut(servers, self._rooms, shards[0])

    def add(self, room: Room) -> None:
        """Its events are read and its commands written from now on."""
        self._rooms[room.experience] = room

    @property
    def is_sure(self) -> bool:
        """Whether the store answers, and all that was in it at the first connection is read."""
        return self.events.complete and self.events.lost_since_ms is None

    def is_lost(self, now_ms: int) -> bool:
        """Whether at ``now_ms`` (our monotonic clock) the store has answered no question, or taken no write, for too
        long."""
        both = (self.events.lost_since_ms, self.commands.lost_since_ms)
        return any(since_ms is not None and now_ms - since_ms > LOST_AFTER_MS for since_ms in both)


class Links:
    """Those of one process. ``found`` is called with each experience that there is."""

    def __init__(self, url: str, found: Callable[[str], Room]) -> None:
        servers = Servers(url)
        self._every = [Link(servers, found, part) for part in servers.parts]
        self._part_of = [number for number, part in enumerate(servers.parts) for _ in part]

    def of(self, experience: str) -> Link:
        """The one that has this experience."""
        return self._every[self._part_of[shard_of(experience)]]

    def runs(self) -> list[tuple[str, Coroutine[None, None, None]]]:
        """All that is to run for ever, each with its name."""
        readers = [(f"events {number}", link.events.run()) for number, link in enumerate(self._every)]
        return readers + [(f"commands {number}", link.commands.run()) for number, link in enumerate(self._every)]

    @property
    def are_sure(self) -> bool:
        """Whether every part of the store answers, and is read."""
        return all(link.is_sure for link in self._every)

    def any_lost(self, now_ms: int) -> bool:
        """Whether a part of the store is lost at ``now_ms``."""
        return any(link.is_lost(now_ms) for link in self._every)
