"""Events in: one blocking read over the events of all rooms, and over the wake streams that announce new ones.

Each room begins with the newest stored replica (`gateway.io.resync`) and continues behind the last entry it has; one
that does not continue, because of a gap, a trimmed log or another one, is reset and begins anew, and if that does not
hold together either it rests for a while, so that one broken log never costs the other rooms. A lost connection is made
again for as long as it takes; sockets stay meanwhile. After a reconnect each room's last entry is looked up: a log that
has lost it was replaced, and is read anew.

Hands over to: `gateway.rooms` (`receive`, `caught_up`, `reset`).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

import structlog

from gateway.io.resync import resync
from gateway.io.store import STORE_ERRORS, Backoff, Direct, Servers, Store
from gateway.pace import Pace
from gateway.rooms import Room, monotonic_ms
from protocol.replica import ReplicaError
from protocol.streams import (
    FIELD_CHAIN,
    FIELD_ENTRY,
    FIELD_EXPERIENCE,
    START_ID,
    events_key,
    experiences_key,
    wake_key,
)

ENTRIES_PER_READ = 128
BLOCK_MS = 1_000
WAKES_EVERY_MS = 1_000
"""So often the wake streams are read along with entries; naming all of them each time would cost more than the rest.
Who asks for an experience that is not known here yet has it looked up at once."""
GATHER_S_MIN = 0.010
GATHER_S_MAX = 0.500
"""After a read that brought entries the next ones gather for so long: a lone entry waits for nobody, and of a crowd's a
read brings many. A process that gets its turn late reads the less often for it, unless more is there already."""

REST_MS_MIN = 500
REST_MS_MAX = 30_000

log = structlog.get_logger()


class _Rest(NamedTuple):
    """A room whose log did not hold together is read again after ``until_ms``; each time the pause doubles."""

    until_ms: int
    pause_ms: int


class Read(NamedTuple):
    """An entry of a stream, not decoded yet."""

    entry_id: str
    fields: dict[bytes, bytes]


class EventsIn:
    """The reader of ``rooms``, which are those of ``shards``.

    ``lost_since_ms`` (our monotonic clock) is None while the store answers; ``complete``: all that was in the store at
    the first connection is read; ``client_id`` names the connection that blocks, for whoever must end its wait.
    """

    def __init__(
        self, servers: Servers, rooms: dict[str, Room], found: Callable[[str], Room], shards: Sequence[int]
    ) -> None:
        self._servers = servers
        self._shards = shards
        self._rooms = rooms
        self._found = found
        self.client_id: int | None = None
        self._resting: dict[str, _Rest] = {}
        self.lost_since_ms: int | None = monotonic_ms()
        self.complete = False

    async def run(self) -> None:
        """Read for ever; ends by cancellation alone."""
        backoff = Backoff()
        while True:
            try:
                async with (
                    aclosing(await self._servers.connect(self._shards[0])) as reader,
                    aclosing(await self._servers.direct(self._shards[0])) as ear,
                ):
                    await self._follow(reader, ear, backoff)
            except STORE_ERRORS as error:
                self._servers.look_again()
                if self.lost_since_ms is None:
                    self.lost_since_ms = monotonic_ms()
                    log.warning("store_lost", stream="events", why=type(error).__name__)
            finally:
                self.client_id = None
            await asyncio.sleep(backoff.next_s())

    async def _follow(self, reader: Store, ear: Direct, backoff: Backoff) -> None:
        (client_id,) = await ear.ask(("CLIENT", "ID"))
        wakes = await _last_wakes(reader, self._shards)
        for experience in await _experiences(reader, self._shards):
            self._found(experience)
        await self._check_tails(reader)
        if self.lost_since_ms is not None and self.complete:
            log.info("store_back", stream="events")
        self.client_id = client_id
        heard_ms, pace = monotonic_ms() - WAKES_EVERY_MS, Pace(GATHER_S_MIN, GATHER_S_MAX)
        while True:
            known = len(self._rooms)
            rooms = {name: room for name, room in self._rooms.items() if not self._rests(name)}
            await resync(reader, rooms.values())
            if len(self._rooms) != known:
                continue  # one that came meanwhile begins like the others
            streams = {events_key(name): room.replica.entry_id for name, room in rooms.items()}
            waits = self.lost_since_ms is None and all(room.live for room in rooms.values())
            left_ms = heard_ms + WAKES_EVERY_MS - monotonic_ms()
            awake = left_ms > 0 and bool(streams)
            heard_ms = heard_ms if awake else monotonic_ms()
            block_ms = left_ms if awake else BLOCK_MS
            read = await _read(ear, streams if awake else streams | wakes, block_ms if waits else None)
            self.lost_since_ms = None
            backoff.reset()
            self._take(rooms, wakes, read)
            more = any(len(entries) == ENTRIES_PER_READ for entries in read.values())
            if waits and not more and read.keys() - wakes.keys():
                await pace.rest()
            self.complete = self.complete or all(room.live or self._rests(name) for name, room in self._rooms.items())

    def _take(self, rooms: dict[str, Room], wakes: dict[str, str], read: dict[str, list[Read]]) -> None:
        for key in wakes.keys() & read.keys():
            wakes[key] = read[key][-1].entry_id
            for one in read[key]:
                self._found(one.fields[FIELD_EXPERIENCE].decode())
        for name, room in rooms.items():
            entries = read.get(events_key(name), [])
            room.behind = len(entries) == ENTRIES_PER_READ
            if self._receive(room, entries) and room.live:
                self._resting.pop(name, None)

    def _rests(self, name: str) -> bool:
        """Whether the log of this room was found broken a moment ago: reading it again at once would tell the same."""
        return name in self._resting and monotonic_ms() < self._resting[name].until_ms

    def _receive(self, room: Room, entries: list[Read]) -> bool:
        """False when the entries do not hold together, or could not be told: the room was reset."""
        try:
            for entry_id, fields in entries:
                room.receive(entry_id, fields[FIELD_ENTRY], fields[FIELD_CHAIN])
            if not room.live and len(entries) < ENTRIES_PER_READ:
                room.caught_up()
        except ReplicaError as error:
            log.error("replica_discarded", experience=room.experience, why=str(error))
            self._discard(room)
            return False
        except Exception:  # a fault of ours in one room must not cost the others
            log.exception("room_failed", experience=room.experience)
            room.count_fault()
            self._discard(room)
            return False
        return True

    def _discard(self, room: Room) -> None:
        room.reset()
        before = self._resting.get(room.experience)
        pause_ms = 0 if before is None else min(max(2 * before.pause_ms, REST_MS_MIN), REST_MS_MAX)
        self._resting[room.experience] = _Rest(monotonic_ms() + pause_ms, pause_ms)

    async def _check_tails(self, reader: Store) -> None:
        for name, room in list(self._rooms.items()):
            last, chain = room.replica.entry_id, room.replica.chain
            if last == START_ID:
                continue
            found = await reader.xrange(events_key(name), last, last) or []
            if [fields and fields.get(FIELD_CHAIN) for _, fields in found] != [chain]:
                log.error("replica_discarded", experience=name, why=f"the log has no such entry {last} any more")
                room.reset()


async def _read(ear: Direct, after: dict[str, str], block_ms: int | None) -> dict[str, list[Read]]:
    """What stands in each stream behind the ID in ``after``, waited for as long as ``block_ms`` if there is nothing."""
    block = () if block_ms is None else ("BLOCK", block_ms)
    (answer,) = await ear.ask(("XREAD", "COUNT", ENTRIES_PER_READ, *block, "STREAMS", *after.keys(), *after.values()))
    return {key.decode(): [_entry(*entry) for entry in entries] for key, entries in answer or ()}


def _entry(entry_id: bytes, fields: list[bytes]) -> Read:
    return Read(entry_id.decode(), dict(zip(fields[::2], fields[1::2], strict=True)))


async def _last_wakes(reader: Store, shards: Sequence[int]) -> dict[str, str]:
    """The key of every wake stream of ``shards`` with its last entry's ID."""
    pipeline = reader.pipeline(transaction=False)
    keys = [wake_key(shard) for shard in shards]
    for key in keys:
        pipeline.xrevrange(key, count=1)
    answers = await pipeline.execute()
    return {key: answer[0][0].decode() if answer else START_ID for key, answer in zip(keys, answers, strict=True)}


async def _experiences(reader: Store, shards: Sequence[int]) -> list[str]:
    """The ids of all experiences of ``shards``."""
    pipeline = reader.pipeline(transaction=False)
    for shard in shards:
        pipeline.smembers(experiences_key(shard))
    return sorted(member.decode() for members in await pipeline.execute() for member in members)
