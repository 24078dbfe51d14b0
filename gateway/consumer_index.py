"""Which of the consumers who are here is this one: a hash table in arrays, 16-byte id in, number out. Pure.

An entry is the number alone (4 bytes); the ids stand once, in the order of the numbers, and are compared in full.
Events name people by the thousand, most of whom are at other gateways, so many are looked up in a few passes over
arrays.
"""

from struct import Struct as Layout

import numpy as np
from numpy.typing import NDArray

from gateway.probing import MASK, MIX, NOBODY, Probing
from protocol.events import CONSUMER_BYTES

FEW = 8

_HALF = np.dtype("<u8")
_HALVES = Layout("<QQ")

assert _HALVES.size == 2 * _HALF.itemsize == CONSUMER_BYTES


class ConsumerIndex(Probing[bytes]):
    """Numbers are given by whoever adds: small and dense. ``ids`` has the id of each."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = bytearray()

    def id_of(self, number: int) -> bytes:
        """The 16 bytes of ``number``."""
        return bytes(self.ids[number * CONSUMER_BYTES : (number + 1) * CONSUMER_BYTES])

    def find(self, consumer: bytes) -> int:
        """The number of ``consumer``, or NOBODY."""
        at = self._home(consumer)
        while (number := self._table[at]) != NOBODY:
            if self.ids[number * CONSUMER_BYTES : (number + 1) * CONSUMER_BYTES] == consumer:
                return number
            at = (at + 1) & self._last
        return NOBODY

    def find_all(self, consumers: bytes) -> NDArray[np.int32]:
        """The same for the ids that stand in ``consumers`` one behind the other."""
        count = len(consumers) // CONSUMER_BYTES
        if count <= FEW or not self._count:
            found = [self.find(consumers[at : at + CONSUMER_BYTES]) for at in range(0, len(consumers), CONSUMER_BYTES)]
            return np.array(found, np.int32)
        lows, highs = np.frombuffer(consumers, _HALF).reshape(-1, 2).T
        known_lows, known_highs = np.frombuffer(self.ids, _HALF).reshape(-1, 2).T
        table = np.frombuffer(self._table, np.int32)
        numbers = np.full(count, NOBODY, np.int32)
        open_ones, at = np.arange(count), self._homes(lows ^ highs)
        while len(open_ones) > FEW:
            here = table[at]
            somebody = (here != NOBODY).nonzero()[0]
            open_ones, at, here = open_ones[somebody], at[somebody], here[somebody]
            same = (known_lows[here] == lows[open_ones]) & (known_highs[here] == highs[open_ones])
            numbers[open_ones[same]] = here[same]
            others = (~same).nonzero()[0]
            open_ones, at = open_ones[others], (at[others] + 1) & self._last
        for index in open_ones.tolist():
            numbers[index] = self.find(consumers[index * CONSUMER_BYTES : (index + 1) * CONSUMER_BYTES])
        return numbers

    def add(self, consumer: bytes, number: int) -> None:
        """``consumer``, who is not in it, is ``number``."""
        start, end = number * CONSUMER_BYTES, (number + 1) * CONSUMER_BYTES
        if end > len(self.ids):
            self.ids = self.ids + bytes(max(end - len(self.ids), len(self.ids)))
        self.ids[start:end] = consumer
        self._insert(consumer, number)

    def _home(self, key: bytes) -> int:
        low, high = _HALVES.unpack(key)
        home: int = ((low ^ high) * MIX & MASK) >> self._shift
        return home

    def _homes(self, folded: NDArray[np.uint64]) -> NDArray[np.int64]:
        homes: NDArray[np.int64] = (folded * np.uint64(MIX) >> np.uint64(self._shift)).astype(np.int64)
        return homes

    def _key(self, number: int) -> bytes:
        return self.id_of(number)
