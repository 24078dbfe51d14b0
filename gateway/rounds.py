"""The round: what is told by the clock and not by an event. Shared states that changed, positions that are due, signs
of life for sockets that have heard nothing for long. Prompt states (`gateway.kinds.base`) have a round of their own: at
once after a change, and the next one ``PROMPT_MS`` later at the earliest; while none of them changes there is none.

A round never holds the event loop for long: it goes by chunks and lets others run in between. What changed meanwhile is
checked again before it is told: nobody who was admitted hears of a position afterwards.
"""

import asyncio
import time
from collections.abc import Sequence

from gateway import told
from gateway.board import News
from gateway.edge.parked.lot import Stamps
from gateway.fanout import KEEPALIVE_MS, Due
from gateway.people import Seats
from gateway.rooms import Room, monotonic_ms, position_state
from gateway.session import ok
from gateway.sockets import Slots32
from protocol.close_codes import CloseCode

ROUND_MS = 250
ROUND_MS_MAX = 1_000
PROMPT_MS = 100
SWEEP_MS = 1_000
CHUNK_SOCKETS = 500
CHUNK_POSITIONS = 100
"""Frames of one's own cost more, and come while entries that admit somebody are to be read."""
QUIET_S = KEEPALIVE_MS // 1_000 + 1


async def tell_round(room: Room) -> None:
    """Shared states and positions of one room, as far as they are due."""
    await _tell_changes(room)
    for path_id in list(room.replica.paths):
        await _tell_positions(room, path_id, room.people.seats(path_id))


async def tell_prompt(room: Room) -> None:
    """What does not wait for the round: states that everybody is to know at once, and prompt ones."""
    if room.board.pressing:
        await _tell_changes(room)
    for news in room.board.changed_promptly(room.now_ms()):
        await _tell_news(room, news)


async def tell_announcements(room: Room) -> None:
    """What everybody in the room is to be told."""
    for slots, stamps, frame in room.announcements():
        await _tell_shared(room, slots, stamps, [frame], [(frame, None)])


async def sweep(room: Room) -> None:
    """A sign of life to every socket that has heard nothing for ``QUIET_S``, and the end of those whose session is."""
    sockets = room.people.sockets
    slots = room.people.everybody()
    over = sockets.expires.all[slots] <= time.time_ns() // 1_000_000_000
    for slot in slots[over].tolist():
        sockets.at(slot).close(CloseCode.SESSION_OVER)
    quiet = sockets.told.all[slots] + QUIET_S <= monotonic_ms() // 1_000
    quiet &= ~over & (sockets.opening.all[slots] == 0)
    await _tell_signs_of_life(room, slots[quiet])


async def _tell_changes(room: Room) -> None:
    """The shared states that have changed, to all who watch them."""
    async with room.board.turn:
        for news in room.board.changed(room.now_ms(), outage=room.away):
            await _tell_news(room, news)


async def _tell_news(room: Room, news: News) -> None:
    slots = room.people.everybody()
    slots = slots[room.people.sockets.open_ones(slots, news.path, news.level)]
    await _tell_shared(room, slots, room.people.sockets.lot.stamps(slots), news.frames, news.states)


async def _tell_shared(
    room: Room, slots: Slots32, stamps: Stamps, frames: Sequence[bytes], states: Sequence[tuple[bytes, str | None]]
) -> None:
    for start in range(0, len(slots), CHUNK_SOCKETS):
        chunk = slice(start, start + CHUNK_SOCKETS)
        room.voice.tell_slots(slots[chunk], frames, stamps[chunk], states)
        await asyncio.sleep(0)


async def _tell_positions(room: Room, path_id: str, seats: Seats) -> None:
    path = room.replica.paths.get(path_id)
    if path is None or not told.shows_places(path):
        return  # it may be gone since the round began
    for due in seats.pacing.due(path.roster, monotonic_ms()):
        for start in range(0, len(due.persons), CHUNK_POSITIONS):
            chunk = slice(start, start + CHUNK_POSITIONS)
            if room.replica.paths.get(path_id) is not path:
                return  # the log is being read anew, or the path is gone
            _tell_chunk(room, path_id, seats, Due(due.why, due.persons[chunk], due.tickets[chunk], due.aheads[chunk]))
            await asyncio.sleep(0)


def _tell_chunk(room: Room, path_id: str, seats: Seats, due: Due) -> None:
    """Nobody who was admitted or has gone meanwhile is told."""
    sockets, still = room.people.sockets, seats.pacing.still(due)
    persons, aheads = due.persons[still], due.aheads[still]
    slots, whose = room.people.slots_of_all(persons)
    open_ones = sockets.open_ones(slots, path_id)
    slots, aheads = slots[open_ones], aheads[whose[open_ones]]
    if len(slots):
        frames = room.board.positions(path_id, aheads, room.now_ms(), due.why, outage=room.away)
        room.voice.tell_each(slots, frames, position_state(path_id))


async def _tell_signs_of_life(room: Room, slots: Slots32) -> None:
    """The phase of the first path that each watches; who watches none is told that all is well."""
    sockets, now_ms = room.people.sockets, room.now_ms()
    stamps = sockets.lot.stamps(slots)
    for path_id in list(room.replica.paths):
        if path_id not in room.replica.paths:
            continue  # it is gone since the sweep began
        watching = sockets.open_ones(slots, path_id, room.board.level_of(path_id))
        if watching.any():
            (phase,) = room.board.of_path(path_id, now_ms, outage=room.away, only={f"phase {path_id}"})
            await _tell_shared(room, slots[watching], stamps[watching], [phase.frame], [(phase.frame, phase.state)])
        slots, stamps = slots[~watching], stamps[~watching]
    frame = ok(None, now_ms)
    await _tell_shared(room, slots, stamps, [frame], [(frame, "ok")])
