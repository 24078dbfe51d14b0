"""How often a process does what it does again and again.

Whoever gets its turn late is on a machine that has more to do than it can, and the less often it asks for a turn, the
more is done in one: a read brings many entries, a round tells all that has changed since.
"""

import asyncio

LATE_S = 0.100
"""Well below it is what others' turns take; from there on it is a lack of turns."""


def pause_s(least_s: float, most_s: float, late_s: float) -> float:
    """How long to wait for the next turn after one that came ``late_s`` late: with the square of that, so that a little
    counts for nothing; as long as it was late where that is ``LATE_S``. Between ``least_s`` and ``most_s``."""
    return min(max(least_s, late_s * late_s / LATE_S), most_s)


class Pace:
    """The pauses between the turns of one task: each is as long as `pause_s` says of how late the last one was."""

    def __init__(self, least_s: float, most_s: float) -> None:
        self._bounds = (least_s, most_s)
        self._late_s = 0.0

    async def rest(self) -> float:
        """Wait for the next turn; by how many seconds it came late."""
        loop = asyncio.get_running_loop()
        seconds = pause_s(*self._bounds, self._late_s)
        due_s = loop.time() + seconds
        await asyncio.sleep(seconds)
        self._late_s = max(0.0, loop.time() - due_s)
        return self._late_s
