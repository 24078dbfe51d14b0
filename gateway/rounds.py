"""The round: what is told by the clock and not by an event. Shared states that changed, positions that are due, signs
of life for sockets that have heard nothing for long.

A round never holds the event loop for long: it goes by chunks and lets others run in between. What changed meanwhile is
checked again before it is told: nobody who was admitted hears of a position afterwards.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator

from gateway import told
from gateway.board import Notice
from gateway.fanout import KEEPALIVE_MS
from gateway.people import Seats
from gateway.rooms import Room, monotonic_ms
from gateway.session import Socket, ok
from protocol import codec
from protocol.close_codes import CloseCode

ROUND_MS = 250
SWEEP_MS = 4_000
CHUNK_SOCKETS = 500
QUIET_MS = KEEPALIVE_MS - SWEEP_MS


async def tell_round(room: Room) -> None:
    """Shared states and positions of one room, as far as they are due."""
    for notice in room.board.changed(room.now_ms(), outage=room.away):
        await _tell_shared(room, notice)
    for path_id in list(room.replica.paths):
        await _tell_positions(room, path_id, room.people.seats(path_id))


async def sweep(room: Room) -> None:
    """A sign of life to every socket that has heard nothing for ``QUIET_MS``, and the end of those whose session is."""
    for chunk in _chunks(room.people.sockets):
        now_ms = monotonic_ms()
        for socket in chunk:
            if socket.expires * 1000 <= time.time_ns() // 1_000_000:
                socket.line.close(CloseCode.SESSION_OVER)
            elif now_ms - socket.told_ms >= QUIET_MS and socket.opening == 0:
                _tell_sign_of_life(room, socket)
        await asyncio.sleep(0)


async def _tell_shared(room: Room, notice: Notice) -> None:
    audience = [
        socket
        for socket in room.people.sockets
        if socket.watches(notice.path) and socket.level >= notice.level and socket.opening == 0
    ]
    for chunk in _chunks(audience):
        room.voice.tell_all(chunk, notice.frame, notice.state)
        await asyncio.sleep(0)


async def _tell_positions(room: Room, path_id: str, seats: Seats) -> None:
    path = room.replica.paths.get(path_id)
    due = [] if path is None else seats.pacing.due(path.roster, monotonic_ms())
    for start in range(0, len(due), CHUNK_SOCKETS):
        if room.replica.paths.get(path_id) is not path:
            return  # the log is being read anew, or the path is gone
        for ticket, ahead, why in due[start : start + CHUNK_SOCKETS]:
            person = seats.owners.get(ticket)
            if person is not None and ticket in seats.pacing:
                frame, state = room.position(path_id, ahead, why)
                for socket in person.sockets:
                    if socket.opening == 0 and socket.watches(path_id):
                        room.voice.tell(socket, frame, state)
        await asyncio.sleep(0)


def _tell_sign_of_life(room: Room, socket: Socket) -> None:
    now_ms = room.now_ms()
    watched = room.watched_paths(socket)
    if not watched:
        room.voice.tell(socket, ok(None, now_ms), "ok")
    for path_id in watched:
        frame = told.phase(room.replica.paths[path_id], now_ms, outage=room.away)
        room.voice.tell(socket, codec.encode_frame(frame), f"phase {path_id}")


def _chunks(sockets: Iterable[Socket]) -> Iterator[list[Socket]]:
    everybody = list(sockets)
    for start in range(0, len(everybody), CHUNK_SOCKETS):
        yield everybody[start : start + CHUNK_SOCKETS]
