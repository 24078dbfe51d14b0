"""A registered reader, as the worker is one: it reads a log at its own pace and says how far it is done.

As long as it is registered nothing that it has not read may be trimmed. One that is too far behind is struck out, and
begins anew where the log begins then; so does one whose last entry a failover has lost.

Hands over to: ``links.py``.
"""

from __future__ import annotations

from redis.exceptions import RedisError

from protocol import codec
from protocol.streams import (
    FIELD_CHAIN,
    FIELD_ENTRY,
    GENESIS_CHAIN,
    START_ID,
    events_key,
    parse_entry_id,
    readers_key,
)
from tests.engine.simulation.clients import set_field
from tests.engine.simulation.links import Link, Network
from tests.engine.simulation.store import SimulatedStore, Stream
from tests.engine.simulation.world import US_PER_MS, Broken, World

NAME = "archive"
ENTRIES_MAX = 12
PACES_MS = (40, 200, 1_500)


class Archive:
    """Reads one experience."""

    def __init__(self, world: World, network: Network, experience: str) -> None:
        self.struck = 0
        self._world = world
        self._link = Link(network)
        self._experience = experience
        self._place, self._chain = START_ID, GENESIS_CHAIN
        self._pace_ms = world.chance.choice(PACES_MS)

    def start(self) -> None:
        self._link.call(lambda: self._read(self._link.network.store), self._rest)

    def _rest(self, _: None, error: RedisError | None) -> None:
        self._world.after(self._pace_ms * US_PER_MS, self.start)

    def _read(self, store: SimulatedStore) -> None:
        """In one piece at the store: the next entries, and that they are read."""
        stream = store.stream(events_key(self._experience))
        registered = NAME.encode() in store.hash(readers_key(self._experience))
        if not registered or not self._is_in(stream):
            self.struck += self._place != START_ID
            self._begin(store)
        for entry_id, fields in stream.behind(self._place, ENTRIES_MAX):
            follows = parse_entry_id(entry_id)[1] == (
                0 if self._place == START_ID else parse_entry_id(self._place)[1] + 1
            )
            chain = codec.next_chain(self._chain, fields[FIELD_ENTRY])
            if not follows or chain != fields[FIELD_CHAIN]:
                raise Broken(f"readers: {entry_id} does not continue {self._place}")
            self._place, self._chain = entry_id, chain
        set_field(store, readers_key(self._experience), NAME, self._place.encode())

    def _is_in(self, stream: Stream) -> bool:
        """Whether the log is still the one that was read: another history may have an entry of the same ID."""
        if self._place == START_ID:
            return True
        found = stream.at(self._place)
        return found is not None and found[FIELD_CHAIN] == self._chain

    def _begin(self, store: SimulatedStore) -> None:
        entries = store.stream(events_key(self._experience)).entries
        self._place, self._chain = START_ID, GENESIS_CHAIN
        if entries and parse_entry_id(entries[0][0])[1] > 0:
            self._place, self._chain = entries[0][0], entries[0][1][FIELD_CHAIN]
