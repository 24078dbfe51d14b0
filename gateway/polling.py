"""When somebody without a socket should look again: often when something is near, seldom when it is far."""

from gateway.rooms import Room
from protocol.roster import NO_PLACE

POLL_MS_MIN = 2_000
POLL_MS_MAX = 15_000
POLL_MS_IDLE = 5_000
POLLS_PER_WAIT = 10


def poll_after_ms(room: Room, consumer: bytes) -> int:
    """Milliseconds until ``consumer`` should ask again: a tenth of the shortest wait that is left."""
    person = room.people.find(consumer)
    waits = []
    for path_id, ticket in ({} if person is None else person.tickets).items():
        path = room.replica.paths.get(path_id)
        if path is not None and path.roster.waits(ticket):
            ahead = path.roster.ahead(ticket)
            interval = None if ahead == NO_PLACE else room.board.wait(path_id, ahead, room.now_ms())
            waits.append(POLL_MS_MAX if interval is None else interval[0] * 1000 // POLLS_PER_WAIT)
    return max(POLL_MS_MIN, min(POLL_MS_MAX, *waits)) if waits else POLL_MS_IDLE
