"""Who may ever have taken a ticket in an experience: a filter over the consumer ids of its log. Pure.

Most who come to the door are new, and of somebody new there is nothing to ask the engine. A gateway forgets the ids of
people who are not its own, so what is kept is a Bloom filter (Bloom 1970, "Space/time trade-offs in hash coding with
allowable errors"): whoever took a ticket is always found, and about one in eighty of the others is taken for a holder,
who is then asked about in vain. Nobody is ever taken out: a superset is as good.

Consumer ids are 16 random bytes, so their four words are the hashes. A filter that has as many ids as it was made for
is followed by one that is ``GROWTH`` times as large; a million ids need three, 1.3 MiB in all.
"""

from __future__ import annotations

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
    """``bits`` of them, a power of two; ``room`` for so many ids more."""

    __slots__ = ("_bytes", "_last", "_seen", "bits", "room")

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.room = bits // BITS_PER_ID
        self._last = bits - 1
        self._bytes = bytearray(bits // 8)
        self._seen = np.frombuffer(self._bytes, np.uint8)

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


class TicketHolders:
    """The filters of one experience, the newest last."""

    def __init__(self) -> None:
        self._filters: list[_Filter] = []

    def add(self, consumers: bytes) -> None:
        """Each of ``consumers``, 16 bytes each, took a ticket."""
        if not self._filters:
            self._filters.append(_Filter(BITS_MIN))
        elif self._filters[-1].room <= 0:
            self._filters.append(_Filter(min(self._filters[-1].bits * GROWTH, BITS_MAX)))
        self._filters[-1].add(consumers)

    def may_hold(self, consumer: bytes) -> bool:
        """False: ``consumer`` never took a ticket. True: they may have."""
        words = _WORDS.unpack(consumer)
        return any(one.has(words) for one in self._filters)
