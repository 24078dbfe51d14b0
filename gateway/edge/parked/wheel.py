"""One timing wheel for all sockets of a process: who is due at which tick. Pure; a tick is a second, an argument.

Every slot stands in the wheel at most once: its tick is in an array, and an entry in a bucket counts only while it
agrees with it. So a slot is moved by writing one number, an entry that is out of date is passed over when its bucket
comes up, and a slot that is closed and used again cannot be due twice. Costs 4 bytes a slot and 4 an entry.
"""

from array import array

SPAN = 64
"""Ticks that the wheel sees ahead; a power of two."""


class Wheel:
    """Slots by the tick at which they are due."""

    def __init__(self, tick: int = 0) -> None:
        self._buckets = [array("i") for _ in range(SPAN)]
        self._due = array("I")
        self._tick = tick

    def resize(self, slots: int) -> None:
        """Make room for slots below ``slots``."""
        self._due.extend([0] * (slots - len(self._due)))

    def set(self, slot: int, tick: int) -> None:
        """``slot`` is due at ``tick`` (from the next tick on, less than `SPAN` ahead), and no more at another."""
        assert 0 < tick - self._tick < SPAN, f"tick {tick} at {self._tick}"
        if self._due[slot] != tick:
            self._due[slot] = tick
            self._buckets[tick % SPAN].append(slot)

    def clear(self, slot: int) -> None:
        """``slot`` is not due at all."""
        self._due[slot] = 0

    def turn(self, tick: int) -> list[int]:
        """Go on to ``tick``: who is due up to it, each once. They are out of the wheel."""
        due: list[int] = []
        for passed in range(max(self._tick + 1, tick - SPAN + 1), tick + 1):
            bucket, self._buckets[passed % SPAN] = self._buckets[passed % SPAN], array("i")
            for slot in bucket:
                if 0 < self._due[slot] <= tick:
                    self._due[slot] = 0
                    due.append(slot)
        self._tick = max(tick, self._tick)
        return due
