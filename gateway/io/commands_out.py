"""Commands out: the numbered batches of all rooms, written in order, one pipeline at a time.

While a pipeline is on its way, and for a moment after, the next commands gather: under load a batch holds many, and a
lone command waits for nobody. An answer that does not come leaves open what was written: everything not known to be
applied is then written again, from the first one on, over a new connection. The engine drops what it has already.
A store that can be read but takes no writes (out of memory, read-only) is noticed here alone.

Hands over to: the commands streams; `gateway.outgoing` keeps the numbers.
"""

import asyncio
from contextlib import aclosing
from itertools import islice
from typing import Any

import structlog

from gateway.io.store import STORE_ERRORS, Backoff, Direct, Servers
from gateway.outgoing import Sent
from gateway.pace import Pace
from gateway.rooms import Room, monotonic_ms
from protocol.streams import FIELD_BATCH, FIELD_NUMBER, FIELD_SENDER, commands_key

BATCHES_PER_PIPELINE = 64
GATHER_S_MIN = 0.010
GATHER_S_MAX = 0.100
"""After a pipeline the next commands gather for so long: a lone one waits for nobody, a crowd comes in batches, and in
the fewer the later this process gets its turns."""

log = structlog.get_logger()


class CommandsOut:
    """The writer of ``rooms``, which lie where ``shard`` does. ``lost_since_ms`` (our monotonic clock) is None while
    nothing fails to be written."""

    def __init__(self, servers: Servers, rooms: dict[str, Room], shard: int) -> None:
        self._servers = servers
        self._shard = shard
        self._rooms = rooms
        self._wanted = asyncio.Event()
        self.lost_since_ms: int | None = None

    def want(self) -> None:
        """There is something to write."""
        self._wanted.set()

    async def run(self) -> None:
        """Write for ever; ends by cancellation alone."""
        backoff = Backoff()
        while True:
            try:
                async with aclosing(await self._servers.direct(self._shard)) as store:
                    await self._write(store, backoff)
            except STORE_ERRORS as error:
                self._servers.look_again()
                if self.lost_since_ms is None:
                    self.lost_since_ms = monotonic_ms()
                    log.warning("store_lost", stream="commands", why=type(error).__name__)
            for room in self._rooms.values():
                room.outgoing.rewind()
            self.want()
            await asyncio.sleep(backoff.next_s())

    async def _write(self, store: Direct, backoff: Backoff) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            pace = Pace(GATHER_S_MIN, GATHER_S_MAX)
            while await self._write_some(store):
                self.lost_since_ms = None
                backoff.reset()
                await pace.rest()
            self.lost_since_ms = None  # with nothing to write, nobody waits

    async def _write_some(self, store: Direct) -> bool:
        """One pipeline; False when there was nothing to write."""
        commands: list[tuple[Any, ...]] = []
        written: list[tuple[Room, list[Sent]]] = []
        for room in list(self._rooms.values()):
            batches = room.outgoing.to_write(BATCHES_PER_PIPELINE)
            if batches:
                written.append((room, batches))
            for sent in batches:
                fields = (FIELD_SENDER, room.outgoing.sender, FIELD_NUMBER, sent.number, FIELD_BATCH, sent.payload)
                commands.append(("XADD", commands_key(room.experience), "*", *fields))
        if not written:
            return False
        entry_ids = iter([entry_id.decode() for entry_id in await store.ask(*commands)])
        for room, batches in written:
            room.outgoing.written(batches, list(islice(entry_ids, len(batches))), monotonic_ms())
        return True
