"""One entry, told to those who are here: its facts, the answers to what they asked for, the first positions.

Order matters to a page, so it is fixed here: the facts in order of the events (an answer among them), then what no fact
answered, then first positions, then the states of whoever has just come. Facts go out once their entry is durable;
states may run ahead of it, but a position never overtakes the `joined` that it belongs to.

Hands over to: `gateway.voice`, which keeps what must wait for durability.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from msgspec import structs

from gateway import told
from gateway.asked import Asked
from gateway.fact import Fact
from gateway.outgoing import Answer
from gateway.people import Person
from gateway.session import ok
from gateway.sockets import Socket
from protocol import codec
from protocol.commands import Attach, EnterCode, Join
from protocol.events import AnyEvent, Attached, Holding, Joined, NoticePosted, Returned
from protocol.frame_base import Ref
from protocol.kind_events import BookingCancelled, CheckoutAsked, HoldEnded
from protocol.states import LIVE, TicketState

if TYPE_CHECKING:
    from gateway.rooms import Room

_WAITS = Joined | Returned | HoldEnded | BookingCancelled | CheckoutAsked
"""What makes a ticket wait, or wait again."""


class Telling:
    """The work of one live entry."""

    def __init__(self, room: Room, settled: list[tuple[Asked, Answer]], now_ms: int) -> None:
        self._room = room
        self._voice = room.voice
        self._now_ms = now_ms
        self._settled = settled
        self._asked: dict[tuple[Socket, type[object], str], list[Asked]] = {}
        self._seeking: dict[Socket, list[Asked]] = {}
        self._held: dict[int, list[Holding]] = {}
        self._answers: dict[Asked, bytes] = {}
        self._joined: set[tuple[Socket, str]] = set()
        self._waiting: dict[str, dict[int, list[Socket]]] = {}
        self._returned: dict[str, set[int]] = {}
        self._new_paths: dict[Socket, list[str]] = {}
        self._refused: set[Socket] = set()
        self._opened: list[Socket] = []
        for asked, answer in settled:
            asked.answered = False  # it may have been before, by an entry that was lost
            if asked.socket is not None and asked.socket.here and answer.refusal is None:
                self._asked.setdefault((asked.socket, type(asked.command), asked.path), []).append(asked)
                if asked.opening or isinstance(asked.command, Join):
                    self._seeking.setdefault(asked.socket, []).append(asked)

    def forget(self, paths: Set[str]) -> None:
        """These paths are gone: nothing more is told of them, nor of others that come in their place."""
        for path in paths:
            self._waiting.pop(path, None)
            self._returned.pop(path, None)
        if paths:
            self._held.clear()
            self._joined = {(socket, path) for socket, path in self._joined if path not in paths}
            self._new_paths = {
                socket: [path for path in news if path not in paths] for socket, news in self._new_paths.items()
            }

    def hear(self, event: AnyEvent) -> None:
        """The replica has applied ``event``."""
        if isinstance(event, Attached):
            self._attached(event)
        elif isinstance(event, NoticePosted):
            frame = codec.encode_frame(told.notice(event, self._now_ms))
            self._voice.when_durable(self._room.announce, frame)
        else:
            for fact in self._room.facts.of(event, self._now_ms):
                self._fact(fact, event)

    def finish(self) -> None:
        """After the last event of the entry."""
        for fact in self._room.facts.at_end():
            self._fact(fact, None)
        for asked, answer in self._settled:
            if asked.socket is not None and asked.socket.here:
                self._answer(asked, answer)
            if asked.done is not None:
                self._voice.when_durable(asked.done, answer, self._answers.get(asked))
        for path, tickets in self._waiting.items():
            returned = self._returned.get(path, ())
            self._voice.when_durable(self._room.seat, self._room.replica.paths[path], tickets, returned)
        for socket, paths in self._new_paths.items():
            self._room.tell_states(socket, paths)
        for socket in self._opened:
            self._room.openings.opened(socket)

    def _fact(self, fact: Fact, event: AnyEvent | None) -> None:
        frame, path = fact.frame, fact.frame.path
        plain = codec.encode_frame(frame)
        sockets = fact.person.sockets
        for socket in sockets:
            asked = self._asked_by(socket, path, fact)
            text = plain
            if asked is not None:
                asked.answered = True
                text = plain if asked.ref is None else codec.encode_frame(structs.replace(frame, ref=asked.ref))
                self._answers[asked] = text
            self._voice.say(socket, text)
            if isinstance(event, Joined):
                self._joined.add((socket, path))
                self._watch(socket, path)
        if isinstance(event, _WAITS):
            ticket = self._room.people.seats(path).ticket_of(fact.person.number)
            self._waiting.setdefault(path, {})[ticket] = sockets
            if isinstance(event, Returned):
                self._returned.setdefault(path, set()).add(ticket)

    def _asked_by(self, socket: Socket, path: str, fact: Fact) -> Asked | None:
        """The first of what ``socket`` asked for that ``fact`` answers: in its path, else in any."""
        for command in fact.answers:
            for where in (path, ""):
                waiting = self._asked.get((socket, command, where), ())
                for asked in waiting:
                    if not asked.answered and fact.id in ("", getattr(asked.command, "id", "")):
                        return asked
        return None

    def _attached(self, event: Attached) -> None:
        """Hundreds may say the same of one consumer: those who asked are looked for once."""
        person = self._room.people.find(event.consumer)
        if person is None or self._held.get(person.number) == event.holdings:
            return
        self._held[person.number] = event.holdings
        for holding in event.holdings:
            if holding.path in self._room.replica.paths:
                person.hold(holding.path, holding.ticket)
                self._sit(person, holding)
        self._room.tell_lost(person, {holding.path: holding.ticket for holding in event.holdings})
        for socket in person.sockets:
            seeking = self._seeking.pop(socket, None)
            if seeking is not None:
                self._seeking[socket] = self._seek(person, socket, seeking, event.holdings)

    def _seek(self, person: Person, socket: Socket, seeking: list[Asked], holdings: list[Holding]) -> list[Asked]:
        """Tell what was found to those of ``seeking`` whom it answers, and return the others."""
        if any(asked.opening for asked in seeking):
            self._holdings(person, socket, holdings, None)
        for asked in seeking:
            if not asked.opening and not asked.answered:
                self._found(person, socket, asked, holdings)
        return [asked for asked in seeking if asked.opening or not asked.answered]

    def _sit(self, person: Person, holding: Holding) -> None:
        """A waiting ticket that this gateway learns of late is told its position from now on."""
        seats = self._room.people.seats(holding.path)
        if holding.state == TicketState.WAITING and not seats.paces(holding.ticket):
            self._waiting.setdefault(holding.path, {}).setdefault(holding.ticket, [])

    def _found(self, person: Person, socket: Socket, asked: Asked, holdings: list[Holding]) -> None:
        """A join found the ticket that lives already: in the path it names, or the first by priority."""
        live = [one for one in holdings if one.state in LIVE and asked.path in ("", one.path)]
        if live:
            paths = self._room.replica.paths
            first = max(live, key=lambda one: paths[one.path].settings.priority)
            self._holdings(person, socket, [first], asked)

    def _holdings(self, person: Person, socket: Socket, holdings: list[Holding], asked: Asked | None) -> None:
        for holding in holdings:
            told_already = asked is None and (socket, holding.path) in self._joined
            if told_already or holding.path not in self._room.replica.paths:
                continue
            self._joined.add((socket, holding.path))
            ref: Ref | None = None if asked is None else asked.ref
            for number, frame in enumerate(self._room.facts.of_holding(person, holding, self._now_ms)):
                answers = number == 0 and asked is not None
                text = codec.encode_frame(structs.replace(frame, ref=ref) if answers and ref is not None else frame)
                if asked is not None and answers:
                    asked.answered = True
                    self._answers[asked] = text
                self._voice.say(socket, text)
            if holding.state == TicketState.WAITING:
                self._waiting.setdefault(holding.path, {}).setdefault(holding.ticket, []).append(socket)
            if holding.state in LIVE:
                self._watch(socket, holding.path)

    def _watch(self, socket: Socket, path: str) -> None:
        """The path of a ticket is watched."""
        if not socket.watches(path):
            socket.watched = (socket.watched or frozenset()) | {path}
            if not socket.opening:
                self._new_paths.setdefault(socket, []).append(path)

    def _answer(self, asked: Asked, answer: Answer) -> None:
        """What no fact has answered; and once the handshake's last answer is there, the states."""
        socket = asked.socket
        assert socket is not None, "only sockets are answered with frames"
        if answer.refusal is not None:
            self._room.count_refusal(answer.refusal)
            self._reply(asked, codec.encode_frame(told.error(answer.refusal, asked.path, asked.ref)))
        elif isinstance(asked.command, EnterCode):
            self._reply(asked, codec.encode_frame(told.code_result(answer.content, asked.ref)))
        elif not asked.answered and not asked.opening:
            self._reply(asked, self._standing(asked) or ok(asked.ref, self._now_ms))
        if not asked.opening:
            return
        socket.opening -= 1
        if answer.refusal is not None and not isinstance(asked.command, Attach):
            self._refused.add(socket)
        if socket.opening == 0 and socket in self._refused:
            self._room.openings.open(socket, [Attach(self._room.people.person(socket).consumer)])
        elif socket.opening == 0:
            self._opened.append(socket)

    def _standing(self, asked: Asked) -> bytes | None:
        """The fact that stands already, where a command was one that was sent before."""
        assert asked.socket is not None, "only sockets are answered with frames"
        person = self._room.people.person(asked.socket)
        frame = self._room.facts.of_repeated(person, asked.command, self._now_ms)
        if frame is None:
            return None
        return codec.encode_frame(frame if asked.ref is None else structs.replace(frame, ref=asked.ref))

    def _reply(self, asked: Asked, frame: bytes) -> None:
        assert asked.socket is not None, "only sockets are answered with frames"
        self._answers[asked] = frame
        self._voice.say(asked.socket, frame)
