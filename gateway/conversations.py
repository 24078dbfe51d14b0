"""A socket's stay in its room: it comes in, speaks, and goes.

Coming in: `welcome` at once; then, when the engine has answered the commands of the handshake, the facts; then the
states of what is watched. While the engine is away the states come at once (they say so), and the handshake's commands
are sent when it is back, if the socket is still there by then: nobody joins who has left.
"""

from gateway import told
from gateway.asked import Asked, Done
from gateway.outgoing import Answer
from gateway.rooms import RETRY_AFTER_MS, Room, monotonic_ms
from gateway.session import Ask, Close, Deny, Say, Watch, Wish, hear, hear_too_much, ok
from gateway.sockets import Socket
from gateway.tries import TRIES_PER_MINUTE
from protocol import codec
from protocol.commands import Command, EnterCode, Join
from protocol.frames import TicketView
from protocol.refusals import Reason, Refusal
from protocol.sessions import Session


def enter(room: Room, slot: int, session: Session, watched: frozenset[str] | None, *, line: bool) -> Socket:
    """``slot`` of the lot (``line``: it is one) is in ``room`` from now on; `Room.open` goes on with it."""
    return room.people.attend(slot, session, watched, monotonic_ms(), line=line)


def tickets(room: Room, consumer: bytes) -> list[TicketView]:
    """The tickets of ``consumer`` that are known here by now; none while some of what is known may be lost yet."""
    person = room.people.find(consumer) if room.voice.is_durable else None
    paths = room.replica.paths
    held = {} if person is None else person.tickets
    return [TicketView(path, paths[path].state(ticket).word, ticket) for path, ticket in held.items() if path in paths]


def welcome(room: Room, session: Session, new_session: str | None, held: list[TicketView]) -> bytes:
    """The first frame. ``new_session``: the token that was made for them, if none was brought."""
    now_ms = room.now_ms()
    view = room.board.experience(session.level, now_ms, outage=room.away)
    who = told.consumer(session.consumer, session.level)
    return codec.encode_frame(told.welcome(view, who, held, now_ms, new_session))


def receive(room: Room, socket: Socket, data: str | bytes, per_second: int) -> None:
    """A message came: at most ``per_second`` of them are taken."""
    now_ms = monotonic_ms()
    if not socket.may_speak(now_ms, per_second):
        for wish in hear_too_much(per_second):
            carry_out(room, socket, wish, None)
        return
    consumer = room.people.person(socket).consumer
    carry_out(room, socket, hear(consumer, socket.level, data, room.replica, room.now_ms()), None)


def carry_out(room: Room, socket: Socket, wish: Wish, done: Done | None) -> None:
    """Do what ``socket`` asks for. ``done`` is called once, when it is answered."""
    match wish:
        case Ask(command=command, path=path, ref=ref):
            _ask(room, socket, Asked(command, socket=socket, path=path, ref=ref, done=done))
        case Watch(path=path, on=on, ref=ref):
            refusal = _watch(room, socket, path, on)
            frame = ok(ref, room.now_ms()) if refusal is None else codec.encode_frame(told.error(refusal, path, ref))
            _end(room, socket, frame, done, refusal)
            if on and refusal is None:
                room.tell_states(socket, [path])
        case Say(frame=frame):
            _end(room, socket, frame, done)
        case Deny(refusal=refusal, path=path, ref=ref):
            _end(room, socket, codec.encode_frame(told.error(refusal, path, ref)), done, refusal)
        case Close(code=code):
            socket.close(code)


def _ask(room: Room, socket: Socket, asked: Asked) -> None:
    refusal = room.unknown_path(asked) or _tries_refusal(room, socket, asked.command) or room.ask(asked)
    if refusal is not None:
        _end(room, socket, codec.encode_frame(told.error(refusal, asked.path, asked.ref)), asked.done, refusal)


def _tries_refusal(room: Room, socket: Socket, command: Command) -> Refusal | None:
    """``too_many`` for a code too many."""
    if not isinstance(command, Join | EnterCode) or command.credentials is None or not command.credentials.code:
        return None
    consumer = room.people.person(socket).consumer
    wait_ms = room.people.sockets.tries.take(consumer, socket.address, monotonic_ms())
    limit = f"at most {TRIES_PER_MINUTE} codes a minute"
    return Refusal(Reason.TOO_MANY, {"retry_after_ms": wait_ms, "detail": limit}) if wait_ms else None


def _watch(room: Room, socket: Socket, path: str, on: bool) -> Refusal | None:
    if not room.live:
        return Refusal(Reason.ENGINE_AWAY, {"retry_after_ms": RETRY_AFTER_MS})
    visible = told.visible_paths(room.replica, socket.level)
    if path not in visible:
        return Refusal(Reason.NOT_FOUND, {"detail": "no path of this experience has that id"})
    watched = socket.watched
    before = frozenset(visible) if watched is None else watched
    socket.watched = before | {path} if on else before - {path}
    return None


def _end(room: Room, socket: Socket, frame: bytes, done: Done | None, refusal: Refusal | None = None) -> None:
    room.voice.tell(socket, frame)
    if refusal is not None:
        room.count_refusal(refusal)
    if done is not None:
        done(Answer(room.replica.entry_id, refusal), frame)
