"""Who may ever have taken a ticket in an experience: a filter over the consumer ids of its log. Pure.

Most who come to the door are new, and of somebody new there is nothing to ask the engine. A gateway forgets the ids of
people who are not its own, so what is kept is a Bloom filter (Bloom 1970, "Space/time trade-offs in hash coding with
allowable errors"): whoever took a ticket is always found, and about one in eighty of the others is taken for a holder,
who is then asked about in vain. Nobody is ever taken out: a superset is as good.

Where it is not known who took the tickets so far (``everybody``), everybody may hold one: nobody is ever missed.

Consumer ids are 16 random bytes, so their four words are the hashes. A filter that has as many ids as it was made for
is followed by one that is ``GROWTH`` times as large; a million ids need three, 1.3 MiB in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct as Layout

import numpy as np

from protocol.events import CONSUMER_BYTES

HASHES = 4
BITS_MIN = 1 << 19
GROWTH = 4
BITS_MAX = BITS_MIN * GROWTH**5
BITS_PER_ID = 10

_WORDS = Layout(f"<{HASHES}I")
_WORD = np.dtype("<u4")

assert _WORDS.size == CONSUMER_BYTES
assert BITS_MAX <= 1 << 32, "a word of an id reaches every bit"


class _Filter:
    """``bits`` of them, a power of two, in as many bytes as that takes; ``room`` for so many ids more."""

    __slots__ = ("_bytes", "_last", "_seen", "bits", "room")

    def __init__(self, image: bytearray, room: int) -> None:
        self.bits = 8 * len(image)
        self.room = room
        self._last = self.bits - 1
        self._bytes = image
        self._seen = np.frombuffer(self._bytes, np.uint8)

    def image(self) -> tuple[int, int, bytes]:
        """(bits, room, the bytes that hold them)."""
        return self.bits, self.room, bytes(self._bytes)

    def has(self, words: tuple[int, ...]) -> bool:
        """Whether all bits of an id are set."""
        for word in words:
            bit = word & self._last
            if not self._bytes[bit >> 3] >> (bit & 7) & 1:
                return False
        return True

    def add(self, consumers: bytes) -> None:
        """Set the bits of ids that stand one behind the other."""
        bits = np.frombuffer(consumers, _WORD) & np.uint32(self._last)
        np.bitwise_or.at(self._seen, bits >> 3, np.left_shift(1, bits & 7, dtype=np.uint8, casting="unsafe"))
        self.room -= len(consumers) // CONSUMER_BYTES


def _empty(bits: int) -> _Filter:
    return _Filter(bytearray(bits // 8), bits // BITS_PER_ID)


class TicketHolders:
    """The filters of one experience, the newest last. ``everybody``: it is not known who took the tickets so far, so
    everybody may hold one, for good."""

    def __init__(self, *, everybody: bool = False) -> None:
        self.everybody = everybody
        self._filters: list[_Filter] = []

    @classmethod
    def of(cls, images: Iterable[tuple[int, int, bytes]]) -> TicketHolders:
        """Those of whom ``images`` was the answer. Raises ValueError where it is none."""
        holders = cls()
        for bits, room, image in images:
            if bits.bit_count() != 1 or bits != 8 * len(image):
                raise ValueError(f"a filter of {bits} bits in {len(image)} bytes")
            holders._filters.append(_Filter(bytearray(image), room))
        return holders

    def images(self) -> Iterator[tuple[int, int, bytes]]:
        """(bits, room, bytes) of each filter: all there is to know, but for ``everybody``."""
        return (one.image() for one in self._filters)

    def add(self, consumers: bytes) -> None:
        """Each of ``consumers``, 16 bytes each, took a ticket."""
        if self.everybody:
            return
        if not self._filters:
            self._filters.append(_empty(BITS_MIN))
        elif self._filters[-1].room <= 0:
            self._filters.append(_empty(min(self._filters[-1].bits * GROWTH, BITS_MAX)))
        self._filters[-1].add(consumers)

    def may_hold(self, consumer: bytes) -> bool:
        """False: ``consumer`` never took a ticket. True: they may have."""
        if self.everybody:
            return True
        words = _WORDS.unpack(consumer)
        return any(one.has(words) for one in self._filters)
