"""Without a socket: a stay in the room that ends with its answer, or lasts as long as an event stream.

For the room each of them is a socket like any other, whose line is an outbox. `look` is a poll, `act` a command over
HTTP, `follow` an event stream.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from gateway import conversations
from gateway.arrivals import Arrival
from gateway.edge import sse
from gateway.edge.outbox import Outbox
from gateway.hub import Hub
from gateway.outgoing import Answer
from gateway.polling import poll_after_ms
from gateway.session import Say, wish
from protocol.commands import Attach
from protocol.frames import ClientFrame
from protocol.refusals import Reason, Refusal


class Look(NamedTuple):
    """What a poll is told: frames as JSON text, and when to look again."""

    welcome: bytes
    frames: list[bytes]
    after_ms: int


async def look(hub: Hub, arrival: Arrival) -> Look | Refusal:
    """A short stay in the room, until the handshake is answered or the answer is too long in coming."""
    outbox = Outbox()
    room, socket = arrival.room, arrival.socket(outbox)
    opened = asyncio.Event()
    socket.on_open = opened.set
    conversations.enter(room, socket, arrival.commands, arrival.new_session)
    try:
        async with asyncio.timeout(hub.settings.answer_timeout_ms / 1000):
            await opened.wait()
    except TimeoutError:
        room.tell_states(socket, room.watched_paths(socket))
    finally:
        after_ms = poll_after_ms(room, socket)
        tickets = conversations.tickets(room, socket)
        room.leave(socket)
    if not room.live:
        return Refusal(Reason.ENGINE_AWAY)
    return Look(conversations.welcome(room, socket, arrival.new_session, tickets), outbox.take_all()[1:], after_ms)


async def follow(hub: Hub, arrival: Arrival) -> AsyncIterator[bytes]:
    """The pieces of an event stream, for as long as the client follows it."""
    outbox = Outbox()
    room, socket = arrival.room, arrival.socket(outbox)
    if not room.live:  # its log turned out to be another one meanwhile: the client comes back
        return
    with hub.bouncer.guest():
        conversations.enter(room, socket, arrival.commands, arrival.new_session)
        try:
            async for piece in sse.stream(outbox, lambda: room.replica.entry_id):
                yield piece
        finally:
            room.leave(socket)


async def act(hub: Hub, arrival: Arrival, frame: ClientFrame) -> bytes | Refusal:
    """Do what ``frame`` asks for; the frame that answers it, as JSON text."""
    room, socket = arrival.room, arrival.socket(Outbox())
    asked = wish(frame, socket.consumer, socket.level, room.now_ms())
    if isinstance(asked, Say):
        return asked.frame
    answered: asyncio.Future[tuple[Answer, bytes | None]] = asyncio.get_running_loop().create_future()

    def done(answer: Answer, text: bytes | None) -> None:
        if not answered.done():
            answered.set_result((answer, text))

    room.people.attend(socket)
    try:
        room.open(socket, [Attach(socket.consumer)])  # whose tickets are these? the answer comes with the command's
        conversations.carry_out(room, socket, asked, done)
        async with asyncio.timeout(hub.settings.answer_timeout_ms / 1000):
            answer, text = await answered
    except TimeoutError:
        return Refusal(Reason.ENGINE_AWAY)
    finally:
        room.leave(socket)
    if answer.refusal is not None:
        ref = {} if asked.ref is None else {"ref": asked.ref}
        return Refusal(answer.refusal.reason, {**answer.refusal.detail, "path": asked.path, **ref})
    assert text is not None, "what is not refused is answered with a frame"
    return text
