"""The hub: all rooms of this process and what keeps them going. It decides nothing and waits for no socket.

Five tasks serve every room: one reads events, one writes commands (on a Cluster each a shard), one goes the rounds, one
tells announcements, one states that are prompt. A room is there for each experience that the store knows; one that is
asked for and not known yet is looked up once.

Hands over to: `gateway.rooms` (one experience), `gateway.io` (the store), `gateway.rounds` (what the clock tells).
"""

import asyncio
import re
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import structlog

from gateway import conversations
from gateway.asked import Asked
from gateway.budgets import BURST_SECONDS
from gateway.drain import drain
from gateway.edge.bouncer import Door
from gateway.edge.parked.limits import Limits
from gateway.edge.parked.lot import Lot
from gateway.io.links import Links
from gateway.io.lookups import Lookups
from gateway.io.store import STORE_ERRORS
from gateway.metrics import Metrics
from gateway.outgoing import Answer
from gateway.pace import Pace
from gateway.pass_keys import PassKeys
from gateway.proofs import Proofs
from gateway.rooms import RETRY_AFTER_MS, Room, monotonic_ms
from gateway.rounds import (
    PROMPT_MS,
    ROUND_MS,
    ROUND_MS_MAX,
    SWEEP_MS,
    sweep,
    tell_announcements,
    tell_prompt,
    tell_round,
)
from gateway.settings import GatewaySettings
from gateway.sockets import Sockets
from protocol.commands import Command
from protocol.refusals import Reason, Refusal

REACHED_WITHIN_MS = 200
CANCEL_AGAIN_S = 2.0
UNKNOWN_MS = 1_000
UNKNOWN_IDS_MAX = 1_024

__all__ = ["Hub", "Outcome", "Room"]

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")

log = structlog.get_logger()


class Outcome(msgspec.Struct, frozen=True):
    """How a command ended: in which event entry ("" when none is known), refused or not, and what it answers."""

    entry: str
    refusal: Refusal | None
    answer: dict[str, Any]


class Hub:
    """One per process: `start`, then anything, then `drain` and `stop`."""

    def __init__(self, settings: GatewaySettings, keys: PassKeys, sockets_max: int) -> None:
        self.settings = settings
        self.keys = keys
        self.metrics = Metrics()
        self.bouncer = Door(settings.handshakes_max, sockets_max)
        frames_per_second = (BURST_SECONDS + 1) * settings.frames_per_second_max
        self.lot = Lot(self, sockets_max, Limits(frames_per_second_max=frames_per_second))
        self.sockets = Sockets(self.lot, settings.trusted_networks)
        self.draining = False
        self.failed = False
        self._rooms: dict[str, Room] = {}
        self._by_number: dict[int, Room] = {}
        self._unknown: dict[str, int] = {}
        self._proofs = Proofs(keys, settings.session_key_bytes, settings.token_issuer)
        self._links = Links(settings.redis_url, self._found)
        self._lookups = Lookups(settings.redis_url)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to read, to write and to go the rounds; `ready` says when all that was in the log is read."""
        self.lot.open()
        self.bouncer.open()
        runs = {
            **dict(self._links.runs()),
            "rounds": self._go_rounds(),
            "announcements": self._announce(),
            "prompts": self._prompt(),
        }
        self._tasks = [asyncio.create_task(run, name=name) for name, run in runs.items()]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End the tasks, and let go of every socket."""
        running = set(self._tasks)
        while running:  # one that is cancelled in the instant in which the store answers may not notice
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)
        await self._lookups.close()
        self.bouncer.shut()
        self.lot.shut()

    def received(self, slot: int, message: str | bytes) -> None:
        """A socket of the lot has said ``message``."""
        room = self._by_number.get(self.sockets.room_of(slot))
        if room is not None:
            conversations.receive(room, self.sockets.at(slot), message, self.settings.frames_per_second_max)

    def closed(self, slot: int, code: int) -> None:
        """A socket of the lot is gone."""
        room = self._by_number.get(self.sockets.room_of(slot))
        if room is not None:
            room.leave(self.sockets.at(slot))

    def missed(self, slot: int, states: Set[str]) -> None:
        """A socket of the lot keeps up again, and did not hear the latest of ``states``."""
        room = self._by_number.get(self.sockets.room_of(slot))
        if room is not None:
            with self._fault_of(room):
                room.tell_missed(self.sockets.at(slot), states)

    async def drain(self) -> None:
        """Send every socket away, spread over the drain time; returns when all are gone."""
        self.draining = True
        await drain([room for room in self._rooms.values() if room.sockets], self.settings.drain_ms)

    def ready(self) -> bool:
        """Whether the store answers, all that was in it is read, and we are not about to end."""
        return self._links.are_sure and not (self.draining or self.failed)

    def room_ids(self) -> list[str]:
        """The experiences that are known and caught up."""
        return sorted(experience for experience, room in self._rooms.items() if room.live)

    def all_rooms(self) -> list[Room]:
        """The rooms that are known and caught up."""
        return [room for room in self._rooms.values() if room.live]

    async def room(self, experience: str) -> Room | None:
        """The caught-up room of ``experience``; None when there is none or it cannot be known now (`absence`)."""
        room = self._rooms.get(experience)
        if room is not None and room.live:
            return room
        await asyncio.sleep(0)  # what follows asks for its task, and a handshake has one only once it has waited
        if room is None and await self._exists(experience):
            room = self._found(experience)
            await self._interrupt(experience)
        return room if room is None or room.live or await self._catches_up(room) else None

    def absence(self, experience: str) -> Refusal:
        """Why `room` gave None: there is no such experience, or nobody can say at the moment."""
        sure = self._links.of(experience).is_sure and experience not in self._rooms
        return Refusal(Reason.NOT_FOUND) if sure else _away()

    async def create(self, experience: str) -> Room:
        """Make the experience known to everybody, before its first ``Configure``. Raises a store error."""
        await self._lookups.create(experience)
        room = self._found(experience)
        await self._interrupt(experience)
        await self._catches_up(room)
        return room

    async def perform(self, experience: str, command: Command) -> Outcome:
        """Send ``command``, wait until an entry shows that it is applied, and say how it ended."""
        room = await self.room(experience)
        if room is None:
            return Outcome("", self.absence(experience), {})
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(answer: Answer, _frame: bytes | None) -> None:
            if not answered.done():
                answered.set_result(answer)

        refusal = room.ask(Asked(command, done=done))
        if refusal is not None:
            return Outcome("", refusal, {})
        try:
            async with asyncio.timeout(self.settings.answer_timeout_ms / 1000):
                answer = await answered
        except TimeoutError:
            return Outcome("", _away(), {})
        return Outcome(answer.entry, answer.refusal, answer.content)

    async def reached(self, room: Room, entry: str) -> None:
        """Wait, for ``REACHED_WITHIN_MS`` at most, until the replica is at ``entry``. Raises ValueError for no ID."""
        there = asyncio.Event()
        room.at_entry(entry, there.set)
        try:
            async with asyncio.timeout(REACHED_WITHIN_MS / 1000):
                await there.wait()
        except TimeoutError:
            log.info("entry_not_reached", experience=room.experience, entry=entry)
        finally:
            room.waiters.forget(there.set)

    def _found(self, experience: str) -> Room:
        room = self._rooms.get(experience)
        if room is None:
            link = self._links.of(experience)
            room = Room(experience, self.sockets, self._proofs, self.metrics, link.commands.want)
            link.add(room)
            self._rooms[experience] = self._by_number[room.people.room] = room
            self._unknown.pop(experience, None)
        return room

    async def _exists(self, experience: str) -> bool:
        """Ask the store, unless it said no a moment ago."""
        now_ms = monotonic_ms()
        if _ID.fullmatch(experience) is None or self._unknown.get(experience, 0) > now_ms:
            return False
        try:
            known = await self._lookups.exists(experience)
        except STORE_ERRORS as error:
            log.warning("store_lost", stream="experiences", why=type(error).__name__)
            return False
        if not known:
            if len(self._unknown) >= UNKNOWN_IDS_MAX:
                self._unknown.clear()
            self._unknown[experience] = now_ms + UNKNOWN_MS
        return known

    async def _interrupt(self, experience: str) -> None:
        """There is a room more to read: its reader need not wait for its time."""
        try:
            client_id = self._links.of(experience).events.client_id
            if client_id is not None:
                await self._lookups.unblock(experience, client_id)
        except STORE_ERRORS as error:
            log.warning("store_lost", stream="events", why=type(error).__name__)

    async def _catches_up(self, room: Room) -> bool:
        """Wait until ``room`` is live, as long as a request may wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.answer_timeout_ms / 1000):
                await room.went_live.wait()
        return room.live

    async def _go_rounds(self) -> None:
        swept_ms, pace = monotonic_ms(), Pace(ROUND_MS / 1000, ROUND_MS_MAX / 1000)
        while True:
            self.metrics.loop_lag.observe(await pace.rest())
            now_ms = monotonic_ms()
            sweeping = now_ms - swept_ms >= SWEEP_MS
            swept_ms = now_ms if sweeping else swept_ms
            if sweeping:
                self.sockets.budgets.sweep(now_ms)
                self.sockets.tries.sweep(now_ms)
            self.metrics.store_lost.set(self._links.any_lost(now_ms))
            for room in list(self._rooms.values()):
                with self._fault_of(room):
                    room.tend(now_ms, store_lost=self._links.of(room.experience).is_lost(now_ms))
                    if room.live and room.replica.document is not None:
                        await tell_round(room)
                        if sweeping:
                            await sweep(room)
                self._measure(room)

    async def _announce(self) -> None:
        while True:
            await self.sockets.announced.wait()
            self.sockets.announced.clear()
            for room in list(self._rooms.values()):
                with self._fault_of(room):
                    await tell_announcements(room)

    async def _prompt(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self.sockets.prompted.wait()
            self.sockets.prompted.clear()
            next_s = loop.time() + PROMPT_MS / 1000
            for room in list(self._rooms.values()):
                with self._fault_of(room):
                    if room.live and room.board.is_prompted:
                        await tell_prompt(room)
            await asyncio.sleep(max(0.0, next_s - loop.time()))

    @contextmanager
    def _fault_of(self, room: Room) -> Iterator[None]:
        """What goes wrong in one room costs no other."""
        try:
            yield
        except Exception:
            log.exception("room_failed", experience=room.experience)
            room.count_fault()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """None of the tasks ends by itself, unless by a fault of ours: better another process than half of this one."""
        if not task.cancelled():
            self.failed = True
            log.error("task_failed", task=task.get_name(), exc_info=task.exception())

    def _measure(self, room: Room) -> None:
        self.metrics.sockets.labels(room.experience).set(room.sockets)
        self.metrics.replica_lag.labels(room.experience).set(room.lag_ms() / 1000)
        self.metrics.unapplied.labels(room.experience).set(room.outgoing.backlog)


def _away() -> Refusal:
    return Refusal(Reason.ENGINE_AWAY, {"retry_after_ms": RETRY_AFTER_MS})
