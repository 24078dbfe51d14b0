"""Without a socket: a stay in the room that ends with its answer, or lasts as long as an event stream.

For the room each of them is a socket like any other, whose line is an outbox. `look` is a poll, `act` a command over
HTTP, `follow` an event stream.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from gateway import conversations
from gateway.arrivals import Arrival
from gateway.edge import sse
from gateway.edge.outbox import Outbox
from gateway.hub import Hub
from gateway.outgoing import Answer
from gateway.polling import poll_after_ms
from gateway.session import Ask, Deny, Say, Watch, wish
from gateway.sockets import Socket
from protocol.commands import Attach
from protocol.frames import ClientFrame
from protocol.refusals import Reason, Refusal


class Look(NamedTuple):
    """What a poll is told: frames as JSON text, and when to look again."""

    welcome: bytes
    frames: list[bytes]
    after_ms: int


@contextmanager
def _stay(hub: Hub, arrival: Arrival, outbox: Outbox) -> Iterator[Socket]:
    """A slot of the lot for as long as this lasts."""
    slot = hub.lot.add_line(outbox)
    socket = conversations.enter(arrival.room, slot, arrival.identity.session, arrival.watched, line=True)
    arrival.room.people.sockets.addresses[slot] = arrival.address
    try:
        yield socket
    finally:
        arrival.room.leave(socket)
        hub.lot.lost(slot)


async def look(hub: Hub, arrival: Arrival) -> Look | Refusal:
    """A short stay in the room, until the handshake is answered or the answer is too long in coming."""
    outbox = Outbox()
    room, session = arrival.room, arrival.identity.session
    opened = asyncio.Event()
    with _stay(hub, arrival, outbox) as socket:
        socket.when_open(opened.set)
        room.openings.open(socket, arrival.commands)
        try:
            async with asyncio.timeout(hub.settings.answer_timeout_ms / 1000):
                await opened.wait()
        except TimeoutError:
            room.tell_states(socket, room.watched_paths(socket))
        after_ms = poll_after_ms(room, session.consumer)
        tickets = conversations.tickets(room, session.consumer)
    if not room.live:
        return Refusal(Reason.ENGINE_AWAY)
    return Look(conversations.welcome(room, session, arrival.new_session, tickets), outbox.take_all(), after_ms)


async def follow(hub: Hub, arrival: Arrival) -> AsyncIterator[bytes]:
    """The pieces of an event stream, for as long as the client follows it."""
    outbox = Outbox()
    room, session = arrival.room, arrival.identity.session
    if not room.live:  # its log turned out to be another one meanwhile: the client comes back
        return
    outbox.tell(
        conversations.welcome(room, session, arrival.new_session, conversations.tickets(room, session.consumer))
    )
    with _stay(hub, arrival, outbox) as socket:
        room.openings.open(socket, arrival.commands)
        async for piece in sse.stream(outbox, lambda: room.replica.entry_id):
            yield piece


async def act(hub: Hub, arrival: Arrival, frame: ClientFrame) -> bytes | Refusal:
    """Do what ``frame`` asks for; the frame that answers it, as JSON text."""
    room, session = arrival.room, arrival.identity.session
    asked = wish(frame, session.consumer, session.level, room.replica, room.now_ms())
    if isinstance(asked, Say):
        return asked.frame
    if isinstance(asked, Deny):
        room.count_refusal(asked.refusal)
        return _refused(asked.refusal, asked)
    answered: asyncio.Future[tuple[Answer, bytes | None]] = asyncio.get_running_loop().create_future()

    def done(answer: Answer, text: bytes | None) -> None:
        if not answered.done():
            answered.set_result((answer, text))

    with _stay(hub, arrival, Outbox()) as socket:
        try:
            room.openings.open(socket, [Attach(session.consumer)])  # whose tickets are these? the answers come together
            conversations.carry_out(room, socket, asked, done)
            async with asyncio.timeout(hub.settings.answer_timeout_ms / 1000):
                answer, text = await answered
        except TimeoutError:
            return Refusal(Reason.ENGINE_AWAY)
    if answer.refusal is not None:
        return _refused(answer.refusal, asked)
    return Refusal(Reason.ENGINE_AWAY) if text is None else text  # None: done, but the log is being read anew


def _refused(refusal: Refusal, asked: Ask | Watch | Deny) -> Refusal:
    """``refusal`` with what an ``error`` frame says of the frame that it answers."""
    ref = {} if asked.ref is None else {"ref": asked.ref}
    return Refusal(refusal.reason, {**refusal.detail, "path": asked.path, **ref})
