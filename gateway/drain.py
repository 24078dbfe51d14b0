"""Leaving in order: every socket is told when to come back, then closed as its time comes.

The times are spread, so that those who come back do not come at once; few sockets need little time.
"""

import asyncio
import random
from collections.abc import Iterable

from gateway.rooms import Room
from gateway.sockets import Socket
from protocol import codec
from protocol.close_codes import CloseCode
from protocol.frames import ReconnectFrame

RECONNECTS_PER_SECOND = 500
RETURN_MS_MIN = 100
RETURN_MS_MAX = 500
STEP_MS = 50
CHUNK_SOCKETS = 500
FAREWELL_MS_MAX = 2_000
"""How long a slow client may take to hear the last words."""


async def drain(rooms: Iterable[Room], drain_ms: int) -> None:
    """Tell all sockets of ``rooms`` to come back, and close them over at most ``drain_ms``; return when they are gone,
    or ``FAREWELL_MS_MAX`` later."""
    sockets = [(room, socket) for room in rooms for socket in room.sockets_now()]
    random.shuffle(sockets)
    span_ms = min(drain_ms, len(sockets) * 1000 // RECONNECTS_PER_SECOND)
    due: list[tuple[int, Socket]] = []
    for index, (room, socket) in enumerate(sockets):
        due_ms = span_ms * index // len(sockets)
        after_ms = due_ms + random.randint(RETURN_MS_MIN, RETURN_MS_MAX)
        room.voice.tell(socket, codec.encode_frame(ReconnectFrame(after_ms)))
        due.append((due_ms, socket))
        if index % CHUNK_SOCKETS == CHUNK_SOCKETS - 1:
            await asyncio.sleep(0)
    passed_ms = 0
    for due_ms, socket in due:
        while passed_ms < due_ms:
            await asyncio.sleep(STEP_MS / 1000)
            passed_ms += STEP_MS
        socket.close(CloseCode.RESTARTING)
    while any(room.sockets for room, _ in sockets) and passed_ms < span_ms + FAREWELL_MS_MAX:
        await asyncio.sleep(STEP_MS / 1000)
        passed_ms += STEP_MS
