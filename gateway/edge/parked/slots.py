"""The state of the sockets of one process: a **slot** each, a dense number, and a few bytes in arrays. Pure.

A slot that is free is used again, so a number alone names nobody for ever: with every new owner its **generation** goes
up, and whoever keeps slots over a wait keeps their generations too. Arrays grow by doubling and never shrink. A numpy
view of some of them lets a fan-out of thousands of slots be sorted without a loop; it is made anew when they grow, so
nobody keeps one.
"""

from array import array

import numpy as np
from numpy.typing import NDArray

from gateway.edge.parked.wheel import Wheel

SLOTS_MIN = 1_024
NO_FILE = -1
SPOKEN_MAX = 0xFFFF

GONE = 1
"""Free, or about to be."""
LINE = 2
"""Another server holds the socket: frames go to a line."""
PORT = 4
"""Something else than a bare descriptor takes the bytes."""
SLOW = 8
"""Has a backlog."""
CLOSING = 16
"""Its close is decided: nothing more is told to it."""
CLOSE_SENT = 32
ENDED = 64
"""Our side is shut: what the client still says is thrown away."""
PINGED = 128
PLAIN_MASK = 0xFF & ~PINGED
"""No flag of these: an open, bare descriptor that keeps up."""


class Slots:
    """By slot: ``files`` descriptor, ``flags``, ``generations``, ``told`` tick of the last frame out, ``heard`` of the
    last frame in and ``spoken`` how many in that tick; ``codes`` with what a close was decided, where one was.
    ``wheel``: who is due."""

    def __init__(self) -> None:
        self.files = array("i")
        self.flags = bytearray()
        self.generations = array("I")
        self.heard = array("I")
        self.told = array("I")
        self.spoken = array("H")
        self.wheel = Wheel()
        self.codes: dict[int, int] = {}
        self._free = array("i")
        self.used = 0
        self._grow()

    @property
    def capacity(self) -> int:
        """How many slots there are, free or not."""
        return len(self.flags)

    def take(self, file: int, flags: int, tick: int) -> int:
        """A slot for a new socket."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.files[slot] = file
        self.flags[slot] = flags
        self.generations[slot] = (self.generations[slot] + 1) & 0xFFFF_FFFF
        self.heard[slot] = self.told[slot] = tick
        self.spoken[slot] = 0
        self.used += 1
        return slot

    def free(self, slot: int) -> None:
        """The socket of ``slot`` is gone; nobody knows its number any more."""
        assert self.flags[slot] & GONE
        self.files[slot] = NO_FILE
        self.codes.pop(slot, None)
        self.wheel.clear(slot)
        self._free.append(slot)
        self.used -= 1

    def stamps(self, slots: NDArray[np.int32]) -> NDArray[np.uint32]:
        """The generations of ``slots``: kept with them over a wait, they tell who is still the same."""
        return self._generations[slots]

    def same(self, slots: NDArray[np.int32], stamps: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of ``slots`` still have the owner they had when ``stamps`` were taken."""
        same: NDArray[np.bool_] = self._generations[slots] == stamps
        return same

    def spoken_in(self, slot: int, tick: int) -> int:
        """How many frames ``slot`` has said in ``tick``."""
        return self.spoken[slot] if self.heard[slot] == tick else 0

    def count_spoken(self, slot: int, frames: int, tick: int) -> None:
        """``slot`` has said so many more frames in ``tick``."""
        self.spoken[slot] = min(self.spoken_in(slot, tick) + frames, SPOKEN_MAX)
        self.heard[slot] = tick

    def plain(self, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of ``slots`` are open bare descriptors that keep up."""
        plain: NDArray[np.bool_] = (self._flags[slots] & PLAIN_MASK) == 0
        return plain

    def files_of(self, slots: NDArray[np.int32]) -> list[int]:
        """The descriptors of ``slots``."""
        files: list[int] = self._files[slots].tolist()
        return files

    def mark_told(self, slots: NDArray[np.int32], tick: int) -> None:
        """Each of ``slots`` was told a frame at ``tick``."""
        self._told[slots] = tick

    def _grow(self) -> None:
        before, after = len(self.flags), max(2 * len(self.flags), SLOTS_MIN)
        # An array that lends its memory to a view cannot grow: new ones are made.
        self.files = self.files[:] + array("i", [NO_FILE]) * (after - before)
        self.flags = self.flags + bytes([GONE]) * (after - before)
        self.generations = self.generations[:] + array("I", [0]) * (after - before)
        self.told = self.told[:] + array("I", [0]) * (after - before)
        self.heard.extend([0] * (after - before))
        self.spoken.extend([0] * (after - before))
        self.wheel.resize(after)
        self._free.extend(range(after - 1, before - 1, -1))
        self._files = np.frombuffer(self.files, np.int32)
        self._flags = np.frombuffer(self.flags, np.uint8)
        self._generations = np.frombuffer(self.generations, np.uint32)
        self._told = np.frombuffer(self.told, np.uint32)
