"""A room: one experience as this gateway sees it. Its replica is fed by the events; its people are told.

Entries come in order (`receive`); what they say is told to who is here, once it is durable. While the room catches up
(`live` False) it only learns. When the log turns out not to be what was read, the replica is thrown away and read anew;
the sockets stay, and are told afresh what holds, and what was told them and is lost.

Hands over to: `gateway.telling` (one entry), `gateway.openings` (handshakes), `gateway.conversations` (one socket),
`gateway.outgoing` (commands on their way), `gateway.rounds` (pacing), `gateway.hub` (all rooms).
"""

import asyncio
import os
import time
from collections.abc import Callable, Container, Mapping, Set

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from gateway import told
from gateway.asked import Asked
from gateway.board import Board
from gateway.facts import Facts
from gateway.fanout import RETURNED, aheads
from gateway.kinds import Kinds
from gateway.log_clock import LogClock
from gateway.losses import Losses
from gateway.metrics import Metrics
from gateway.openings import Openings
from gateway.outgoing import Answer, Outgoing, durable_seq
from gateway.people import People, Person
from gateway.probing import NOBODY
from gateway.proofs import Proofs
from gateway.sockets import Slots32, Socket, Sockets
from gateway.telling import Telling
from gateway.voice import Voice
from gateway.waiters import Waiters
from gateway.wishes import explained
from protocol import codec
from protocol.commands import Attach, EnterCode, Join
from protocol.events import SENDER_BYTES, AnyEvent, Configured, Entry, Joined, WriterChanged
from protocol.path_replica import PathReplica
from protocol.refusals import Reason, Refusal
from protocol.replica import Replica
from protocol.states import Phase, TicketState
from protocol.streams import parse_entry_id

AWAY_AFTER_MS = 3_000
_PATHLESS = Join | Attach | EnterCode
RETRY_AFTER_MS = 2_000


def monotonic_ms() -> int:
    """Our monotonic clock in milliseconds."""
    return time.monotonic_ns() // 1_000_000


def position_state(path: str) -> str:
    """The key of the state that a position in ``path`` is."""
    return f"position {path}"


class Room:
    """One experience: ``replica`` (what the log says), ``people`` (who is here), ``outgoing`` (what was asked).

    ``went_live`` is set while all that was in the log is read; ``behind``: then more came than was read at once.
    ``away``: the engine or the store does not answer.
    """

    def __init__(
        self,
        experience: str,
        sockets: Sockets,
        proofs: Proofs,
        metrics: Metrics,
        want_write: Callable[[], None],
    ) -> None:
        now_ms = monotonic_ms()
        self.experience = experience
        self.people = People(sockets)
        self.losses = Losses(self.people)
        self.outgoing = Outgoing(lambda: os.urandom(SENDER_BYTES), now_ms)
        self.voice = Voice(sockets, metrics, monotonic_ms)
        self.openings = Openings(self)
        self.waiters = Waiters()
        self.went_live = asyncio.Event()
        self.behind = False
        self.away = False
        self._proofs = proofs
        self._metrics = metrics
        self._want_write = want_write
        self._clock = LogClock(time.time_ns() // 1_000_000, now_ms)
        self._entry_at_ms = now_ms
        self._announcements: list[tuple[Slots32, NDArray[np.uint32], bytes]] = []
        self._unseen = False
        self._begin(Replica(experience))

    def _begin(self, replica: Replica) -> None:
        self.replica = replica
        kinds = Kinds(self.replica, self.people)
        self.facts = Facts(self.replica, self.people, self._proofs, kinds)
        self.board = Board(self.replica, self.people, kinds)
        self.went_live.clear()

    @property
    def live(self) -> bool:
        """Whether all that was in the log is read."""
        return self.went_live.is_set()

    @property
    def sockets(self) -> int:
        """How many sockets of this process are in the room."""
        return self.people.count

    @property
    def as_of(self) -> tuple[str, bool]:
        """What the states depend on: as long as it is the same, so are they."""
        return self.replica.entry_id, self.away

    def sockets_now(self) -> list[Socket]:
        """A view of each."""
        return [self.people.sockets.at(slot) for slot in self.people.everybody().tolist()]

    def now_ms(self) -> int:
        """The log's time now: what consumers are told."""
        return self._clock.now_ms(monotonic_ms())

    def lag_ms(self) -> int:
        """How long the replica may already be behind the log; 0 when nothing says that it is."""
        if self.away:
            return monotonic_ms() - self._entry_at_ms
        return max(0, self.now_ms() - self.replica.now_ms) if self.behind else 0

    def seems_away(self, now_ms: int) -> bool:
        """Whether the engine should have spoken by now (our monotonic ``now_ms``): a command waits for too long, what
        it said is not durable for too long, or a deadline is pending, with which come an entry every second."""
        for since_ms in (self.outgoing.waits_since_ms(), self.voice.waits_since_ms()):
            if since_ms is not None and now_ms - since_ms > AWAY_AFTER_MS:
                return True
        return self.live and now_ms - self._entry_at_ms > AWAY_AFTER_MS and self._expects_entries()

    def _expects_entries(self) -> bool:
        paths = self.replica.paths.values()
        return any(path.windows or (path.phase == Phase.SCHEDULED and path.opens_at is not None) for path in paths)

    # The log.

    def receive(self, entry_id: str, payload: bytes, chain: bytes) -> None:
        """The next entry of the log. Raises ReplicaError if it is not."""
        entry = self.replica.follow(entry_id, payload, chain)
        now_ms = self._entry_at_ms = monotonic_ms()
        self._metrics.entries.labels(self.experience).inc()
        if self.live:
            self._clock.seen(entry.now_ms, now_ms)
        _, seq = parse_entry_id(entry_id)
        self.voice.begin(seq, durable_seq(entry_id, entry), tells=bool(entry.events or entry.applied))
        answered = self.outgoing.settle(entry_id, entry, now_ms)
        settled = [one if one[1].refusal is None else self._explained(*one, one[1].refusal) for one in answered]
        if self.live:
            self._tell(entry, settled)
        else:
            self._learn(entry, settled)
        if any(isinstance(event, WriterChanged) for event in entry.events):
            self.outgoing.rewind()
        if self.outgoing.unwritten:
            self._want_write()
        self.waiters.wake(entry_id)

    def _explained(self, asked: Asked, answer: Answer, refusal: Refusal) -> tuple[Asked, Answer]:
        return asked, structs.replace(answer, refusal=explained(refusal, asked.command, asked.path, self.replica))

    def _tell(self, entry: Entry, settled: list[tuple[Asked, Answer]]) -> None:
        with self.voice.turn():
            self._tell_turn(entry, Telling(self, settled, entry.now_ms))

    def _tell_turn(self, entry: Entry, telling: Telling) -> None:
        self.facts.begin(entry)
        for event in entry.events:
            self.facts.before(event)
            telling.forget(self._apply(event, entry.now_ms))
            telling.hear(event)
        telling.finish()
        if self.board.is_prompted:
            self.people.sockets.prompted.set()

    def _learn(self, entry: Entry, settled: list[tuple[Asked, Answer]]) -> None:
        self.losses.follows(self.replica)
        for event in entry.events:
            self._apply(event, entry.now_ms)
            if isinstance(event, Joined):
                self.facts.learn_joined(event)
        self.voice.when_durable(self._end, settled)

    def _apply(self, event: AnyEvent, now_ms: int) -> set[str]:
        """The ids of the paths that are no more: nothing is known of what was held there."""
        self.board.before(event, now_ms)
        before = self.replica.paths
        self.replica.apply(event)
        if not isinstance(event, Configured):
            return set()
        gone = before.keys() - self.replica.paths.keys()
        self.people.forget_paths(gone)
        return gone

    def _end(self, settled: list[tuple[Asked, Answer]]) -> None:
        """These are answered while nothing can be told of the tickets; `caught_up` tells the rest."""
        for asked, answer in settled:
            frame = None
            if asked.socket is not None and answer.refusal is not None:
                self.count_refusal(answer.refusal)
                frame = codec.encode_frame(told.error(answer.refusal, asked.path, asked.ref))
                self.voice.tell(asked.socket, frame)
            if asked.socket is not None and asked.opening:
                self.openings.answered(asked.socket)
            if asked.done is not None:
                asked.done(answer, frame)

    def reset(self) -> None:
        """What was read cannot be trusted: read it anew, from a stored replica (`resume`) or the first entry on."""
        self._metrics.resyncs.labels(self.experience).inc()
        if self.voice.is_durable:  # else all that was told is durable, and will be there
            self.losses.remember(self.replica, self.facts.tells_more)
        self.outgoing.take_back()
        self.people.forget_tickets()
        self.voice.forget()
        self._unseen = False
        self._begin(Replica(self.experience))
        self.openings.count_anew()

    def tell_lost(self, person: Person, held: Mapping[str, int]) -> None:
        """``person`` holds the tickets ``held`` by path: of what else was told them, the log knows nothing."""
        for frame in self.losses.frames(self.replica, person, held, self.facts.tells_more):
            for socket in person.sockets:
                self.voice.say(socket, frame)

    def resume(self, replica: Replica) -> None:
        """Begin with a replica that was stored, instead of the first entry. Who holds what and what became of our
        commands by then was in entries that are not read: both must be asked for."""
        self._unseen = True
        self._begin(replica)
        self.losses.begins(replica)
        self._end(self.outgoing.give_up(monotonic_ms()) if self.outgoing.backlog else [])
        self.openings.count_anew()

    def caught_up(self) -> None:
        """Everything that was in the log is read: tell those who are here already what holds."""
        self.went_live.set()
        for person in self.people.holders():
            if not self._unseen:
                self.tell_lost(person, person.tickets)
            for path, ticket in person.tickets.items():
                if path in self.replica.paths:
                    self._tell_again(person, path, ticket)
        self.openings.caught_up(unseen=self._unseen)

    def _tell_again(self, person: Person, path: str, ticket: int) -> None:
        now_ms = self.now_ms()
        holding = told.holding(self.replica, path, ticket)
        for frame in self.facts.of_holding(person, holding, now_ms):
            text = codec.encode_frame(frame)
            for socket in person.sockets:
                self.voice.say(socket, text)
        if holding.state == TicketState.WAITING:
            self.voice.when_durable(self.seat, self.replica.paths[path], {ticket: person.sockets})

    def at_entry(self, entry_id: str, then: Callable[[], None]) -> None:
        """Call ``then`` once the replica is at ``entry_id`` or later. Raises ValueError if that is no entry ID."""
        self.waiters.add(entry_id, then)
        self.waiters.wake(self.replica.entry_id)

    def tend(self, now_ms: int, *, store_lost: bool) -> None:
        """Every so often, at ``now_ms`` (our monotonic clock): is anybody there, is anything to be sent again?"""
        self.away = store_lost or self.seems_away(now_ms)
        self._end(self.outgoing.renew(now_ms))
        if self.outgoing.is_overdue(now_ms):
            self.outgoing.rewind()
            self._want_write()
        if self.live and not self.away:
            self.openings.go_on()

    # Commands and states.

    def ask(self, asked: Asked) -> Refusal | None:
        """Send a command on its way, or say why it cannot be sent now."""
        reason = None
        if self.away or not self.live:
            reason = Reason.ENGINE_AWAY
        elif not self.outgoing.add(asked.command, asked):
            reason = Reason.BUSY
        if reason is not None:
            return Refusal(reason, {"retry_after_ms": RETRY_AFTER_MS})
        self._want_write()
        return None

    def unknown_path(self, asked: Asked) -> Refusal | None:
        """``not_found`` for a path that is none of the experience's; a join may name no path at all."""
        known = asked.path in self.replica.paths or (asked.path == "" and isinstance(asked.command, _PATHLESS))
        if known or not self.live:
            return None
        return Refusal(Reason.NOT_FOUND, {"detail": "no path of this experience has that id"})

    def count_refusal(self, refusal: Refusal) -> None:
        """Somebody was told ``refusal``."""
        self._metrics.refusals.labels(refusal.reason).inc()

    def count_fault(self) -> None:
        """Something went wrong here that should not have."""
        self._metrics.faults.labels(self.experience).inc()

    def seat(self, path: PathReplica, tickets: dict[int, list[Socket]], returned: Container[int] = ()) -> None:
        """The sockets of those of ``tickets`` that wait are told their position, and their owners from now on as it
        changes; ``returned`` are those that came back to the line."""
        path_id = path.settings.id
        if self.replica.paths.get(path_id) is not path:
            return
        seats, shown = self.people.seats(path_id), told.shows_places(path)
        waiting = [ticket for ticket in tickets if path.roster.waits(ticket)]
        for ticket, ahead in zip(waiting, aheads(path.roster, waiting), strict=True):
            owner = seats.owner(ticket)
            if owner != NOBODY:
                seats.pacing.add(owner, ahead, monotonic_ms())
            for socket in tickets[ticket] if shown else ():
                why = RETURNED if ticket in returned else None
                self.voice.tell(socket, *self.position(path_id, ahead, why))

    def position(self, path: str, ahead: int, why: str | None) -> tuple[bytes, str]:
        """The position frame for one with ``ahead`` before them, and its state's key."""
        return self.board.position(path, ahead, self.now_ms(), why, outage=self.away), position_state(path)

    def leave(self, socket: Socket) -> None:
        """``socket`` is gone. Idempotent."""
        self.people.leave(socket)
        self.openings.forget(socket)

    def watched_paths(self, socket: Socket) -> list[str]:
        """The paths whose states ``socket`` is told, in document order."""
        visible = told.visible_paths(self.replica, socket.level)
        watched = socket.watched
        return visible if watched is None else [path for path in self.replica.paths if path in watched]

    def announce(self, frame: bytes) -> None:
        """``frame`` is a fact for everybody who is here now; `gateway.rounds` tells it at once, in chunks."""
        slots = self.people.everybody()
        self._announcements.append((slots, self.people.sockets.lot.stamps(slots), frame))
        self.people.sockets.announced.set()

    def announcements(self) -> list[tuple[Slots32, NDArray[np.uint32], bytes]]:
        """What was announced since the last time, and to whom."""
        taken, self._announcements = self._announcements, []
        return taken

    def tell_states(self, socket: Socket, paths: list[str]) -> None:
        """Tell ``socket`` how ``paths`` stand once all that was said to it is told: as they are by then, for what
        changes meanwhile may be told before."""
        self.voice.when_durable(self._tell_states, socket, paths)

    def _tell_states(self, socket: Socket, paths: list[str]) -> None:
        for path in paths:
            if path in self.replica.paths:
                for notice in self.board.of_path(path, self.now_ms(), outage=self.away):
                    self.voice.tell(socket, notice.frame, notice.state)

    def tell_missed(self, socket: Socket, states: Set[str]) -> None:
        """Tell ``socket`` how those of ``states``, by their keys, stand that everybody sees alike."""
        for path in self.watched_paths(socket) if self.live else ():
            for notice in self.board.of_path(path, self.now_ms(), outage=self.away, only=states):
                self.voice.tell(socket, notice.frame, notice.state)

    def first_states(self, level: int, watched: frozenset[str] | None) -> list[bytes]:
        """The same for a socket that is not in the room yet, and is told them as its first frames."""
        visible = told.visible_paths(self.replica, level) if watched is None else self.replica.paths
        paths = [path for path in visible if watched is None or path in watched]
        notices = [one for path in paths for one in self.board.of_path(path, self.now_ms(), outage=self.away)]
        for notice in notices:
            self._metrics.count(notice.frame)
        return [notice.frame for notice in notices]
