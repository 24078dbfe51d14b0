"""Gateways: the real ``gateway.outgoing.Outgoing`` as the sender, a ``protocol.replica.Replica`` as the reader.

What stands between them in a gateway process (``gateway.rooms``, ``gateway.io``) needs sockets and an event loop, so
its few rules are written again here: batches are written in order, one pipeline at a time; after an error, when a new
writer is seen and when nothing moves, everything not known to be applied is written again; a log that does not continue
is read anew, from a stored replica (by the real ``gateway.io.resync``) or its first entry; after a reconnect the last
entry is looked for.

Hands over to: ``people.py`` (whose requests these are), ``auditor.py`` (which is told what everybody was told).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any

from msgspec import Struct
from redis.exceptions import RedisError

from engine.io.streams import RawEntry
from gateway.io.resync import newest_replica
from gateway.outgoing import Answer, Outgoing, Sent
from protocol.commands import Command
from protocol.events import SENDER_BYTES, Entry, WriterChanged
from protocol.replica import Replica, ReplicaError
from protocol.streams import (
    FIELD_BATCH,
    FIELD_CHAIN,
    FIELD_ENTRY,
    FIELD_NUMBER,
    FIELD_SENDER,
    START_ID,
    commands_key,
    events_key,
)
from tests.engine.simulation.clients import WaitingClient
from tests.engine.simulation.links import Link, Network, Question
from tests.engine.simulation.outside import check_begun
from tests.engine.simulation.store import Written
from tests.engine.simulation.world import US_PER_MS, Clock, World

TEND_MS = 500
BATCHES_PER_PIPELINE = 8
ENTRIES_PER_READ = 32
BLOCK_MS = 1_000
GATHER_US_MAX = 4_000
BACKOFF_MS_MAX = 400

Told = Callable[[str, str, bytes, Entry], None]


class Request(Struct, eq=False):
    """What somebody asked for. ``then`` is called once, with the answer and the chain of the entry that it came with,
    or None when the gateway died."""

    experience: str
    command: Command
    then: Callable[[Answer | None, bytes], None]


class Room:
    """One experience at one gateway process."""

    def __init__(self, experience: str, gateway: Gateway) -> None:
        self.experience = experience
        world = gateway.world
        self.outgoing = Outgoing(lambda: world.chance.randbytes(SENDER_BYTES), gateway.clock.steady_us // US_PER_MS)
        self.replica = Replica(experience)
        self._gateway = gateway

    def receive(self, entries: list[RawEntry]) -> None:
        """The next entries of the log; one that does not continue it throws the replica away."""
        try:
            for entry_id, fields in entries:
                self._receive(entry_id, fields[FIELD_ENTRY], fields[FIELD_CHAIN])
        except ReplicaError as error:
            self.reset(str(error))

    def _receive(self, entry_id: str, payload: bytes, chain: bytes) -> None:
        entry = self.replica.follow(entry_id, payload, chain)
        settled = self.outgoing.settle(entry_id, entry, self._gateway.now_ms)
        for event in entry.events:
            self.replica.apply(event)
        self._gateway.told(self.experience, entry_id, chain, entry)
        self.end(settled)
        if any(isinstance(event, WriterChanged) for event in entry.events):
            self.outgoing.rewind()

    def end(self, settled: list[tuple[Any, Answer]]) -> None:
        for request, answer in settled:
            request.then(answer, self.replica.chain)

    def reset(self, why: str) -> None:
        """Read the log anew, from a stored replica where there is one."""
        self._gateway.world.note(self._gateway.name, f"{self.experience} is read anew: {why}")
        self.replica = Replica(self.experience)

    def resume(self, replica: Replica) -> None:
        """Begin with a stored replica: what became of our commands by then was in entries that are not read."""
        self._gateway.world.note(self._gateway.name, f"{self.experience} begins with the replica at {replica.entry_id}")
        self._gateway.resumed += 1
        self.replica = replica
        if self.outgoing.backlog:
            self.end(self.outgoing.give_up(self._gateway.now_ms))


class Gateway:
    """One gateway process after another on one machine."""

    def __init__(self, world: World, network: Network, number: int, experiences: list[str], told: Told) -> None:
        self.world = world
        self.name = f"gateway {number}"
        self.clock = Clock(world)
        self.link = Link(network)
        self.told = told
        self.rooms: dict[str, Room] = {}
        self.alive = False
        self.may_resume: Callable[[str], set[Written]] = lambda _: set()
        self.resumed = 0
        """How often a room began with a stored replica."""
        self._network = network
        self._experiences = experiences
        self._life = 0
        self._writing = False
        self._wanted = False

    @property
    def now_ms(self) -> int:
        return self.clock.steady_us // US_PER_MS

    def start(self) -> None:
        if not self.alive:
            self.world.note(self.name, "starts")
            self.alive, self._writing, self._wanted = True, False, False
            self._life += 1
            self.rooms = {experience: Room(experience, self) for experience in self._experiences}
            self._connect()
            self._tend()

    def kill(self) -> None:
        """SIGKILL: nobody hears an answer any more; another process starts after a while."""
        if self.alive:
            self.world.note(self.name, "killed")
            self.alive = False
            self._life += 1
            waiting = [request for room in self.rooms.values() for request in room.outgoing.waiting()]
            self.world.after(self.world.chance.randrange(10, 2_000) * US_PER_MS, self.start)
            for request in waiting:
                request.then(None, b"")

    def ask(self, request: Request) -> bool:
        """Send a command on its way; False when it cannot be sent from here now."""
        if not self.alive or not self.rooms[request.experience].outgoing.add(request.command, request):
            return False
        self._want_write()
        return True

    def _here(self, action: Callable[[], None]) -> Callable[[], None]:
        """``action``, unless this process has ended by then."""
        life = self._life

        def act() -> None:
            if life == self._life:
                action()

        return act

    # Writing

    def _want_write(self) -> None:
        if self._writing:
            self._wanted = True
        else:
            self._writing = True
            self.world.after(self.world.chance.randrange(GATHER_US_MAX), self._here(self._write))

    def _write(self) -> None:
        """One pipeline."""
        written = [(room, room.outgoing.to_write(BATCHES_PER_PIPELINE)) for room in self.rooms.values()]
        written = [(room, batches) for room, batches in written if batches]
        self._wanted = False
        if not written:
            self._writing = False
            return
        every = [(room, sent) for room, batches in written for sent in batches]
        entries = [(commands_key(room.experience), fields_of(room, sent)) for room, sent in every]
        store, life = self._network.store, self._life

        def answered(answer: Any, error: RedisError | None) -> None:
            if life == self._life:
                self._written(written, answer, error)

        self.link.call(lambda: [store.add(key, fields) for key, fields in entries], answered)

    def _written(self, written: list[tuple[Room, list[Sent]]], answer: Any, error: RedisError | None) -> None:
        self._writing = False
        if error is not None:
            for room in self.rooms.values():
                room.outgoing.rewind()
            self._writing = True
            self.world.after(self.world.chance.randrange(BACKOFF_MS_MAX) * US_PER_MS, self._here(self._write))
            return
        entry_ids = iter(answer)
        for room, batches in written:
            room.outgoing.written(batches, list(islice(entry_ids, len(batches))), self.now_ms)
        self._want_write()

    # Reading

    def _connect(self) -> None:
        """Over a new connection: is the last entry of every room still there?"""
        if not self._network.up:
            return self._connect_later()
        for room in self.rooms.values():
            last, chain = room.replica.entry_id, room.replica.chain
            found = self._network.store.stream(events_key(room.experience)).at(last) or {}
            if last != START_ID and found.get(FIELD_CHAIN) != chain:
                room.reset(f"the log has no such entry {last} any more")
        self._read()

    def _connect_later(self) -> None:
        self.world.after(self.world.chance.randrange(1, BACKOFF_MS_MAX) * US_PER_MS, self._here(self._connect))

    def _read(self) -> None:
        """Behind what every room has; one that has nothing begins with a stored replica first, if there is one."""
        new = [room for room in self.rooms.values() if room.replica.entry_id == START_ID]
        self._drive(self._resync(new))

    async def _resync(self, rooms: list[Room]) -> None:
        client: Any = WaitingClient(self._network.store)  # a client of the real library, as far as it is used
        for room in rooms:
            may_resume = self.may_resume(room.experience)
            replica = await newest_replica(client, room.experience, at_once)
            check_begun(room.experience, replica, may_resume | self.may_resume(room.experience))
            if replica is not None:
                room.resume(replica)

    def _drive(self, loop: Coroutine[Any, Any, None], answer: Any = None, error: RedisError | None = None) -> None:
        """Here is what was asked for; go on until the next question, and when there is none any more, read."""
        try:
            asked = loop.throw(error) if error is not None else loop.send(answer)
        except StopIteration:
            return self._ask_for_entries()
        except RedisError:
            return self._connect_later()
        life = self._life

        def answered(answer: Any, error: RedisError | None) -> None:
            if life == self._life:
                self._drive(loop, answer, error)
            else:
                loop.close()

        self.link.call(asked.effect, answered)

    def _ask_for_entries(self) -> None:
        after = {events_key(room.experience): room.replica.entry_id for room in self.rooms.values()}
        question = Question(self.link, after, ENTRIES_PER_READ, BLOCK_MS)
        question.when_answered(self._here(lambda: self._take(question)))
        self.world.after(2 * BLOCK_MS * US_PER_MS, self._here(lambda: self._give_up(question)))

    def _give_up(self, question: Question) -> None:
        if question.answer is None:
            question.forget()
            self._connect_later()

    def _take(self, question: Question) -> None:
        for room in self.rooms.values():
            entries = (question.answer or {}).get(events_key(room.experience), [])
            if entries:
                room.receive(entries)
                self._want_write()
        self._read()

    def _tend(self) -> None:
        """Is anything to be sent again?"""
        for room in self.rooms.values():
            room.end(room.outgoing.renew(self.now_ms))
            if room.outgoing.is_overdue(self.now_ms):
                room.outgoing.rewind()
                self._want_write()
        self.world.after(TEND_MS * US_PER_MS, self._here(self._tend))


async def at_once(work: Callable[[], Replica]) -> Replica:
    """There is no thread to do it in."""
    return work()


def fields_of(room: Room, sent: Sent) -> dict[bytes, bytes]:
    return {FIELD_SENDER: room.outgoing.sender, FIELD_NUMBER: b"%d" % sent.number, FIELD_BATCH: sent.payload}
