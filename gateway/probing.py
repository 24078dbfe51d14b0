"""A hash table of small dense numbers in one array, 4 bytes an entry: the key of a number stands elsewhere, once. Pure.

Linear probing; whoever is taken out closes the gap behind them (Knuth, TAOCP 3, §6.4, algorithm R), so that nobody is
searched for too far. At most half of the table is full.

Hands over to: `gateway.consumer_index` and `gateway.ticket_index`, which know their keys.
"""

from abc import ABC, abstractmethod
from array import array
from typing import Generic, TypeVar

NOBODY = -1
SIZE_MIN = 64
MIX = 0x9E37_79B9_7F4A_7C15
"""2^64 divided by the golden ratio: multiplying by it spreads keys over the high bits (Fibonacci hashing)."""
MASK = (1 << 64) - 1

Key = TypeVar("Key")


class Probing(ABC, Generic[Key]):
    """Numbers are given by whoever adds. A finder goes from ``_home(key)`` up by one, until it is NOBODY there."""

    def __init__(self) -> None:
        self._count = 0
        self._lay(SIZE_MIN)

    def __len__(self) -> int:
        return self._count

    @abstractmethod
    def _home(self, key: Key) -> int:
        """Where the search for ``key`` begins: a hash of 64 bits, shifted right by ``_shift``."""

    @abstractmethod
    def _key(self, number: int) -> Key:
        """The key of a number that is in the table."""

    def remove(self, number: int) -> None:
        """``number``, which is in it, is nobody any more; its key still stands."""
        at = self._home(self._key(number))
        while self._table[at] != number:
            at = (at + 1) & self._last
        self._count -= 1
        gap = at
        while True:
            at = (at + 1) & self._last
            other = self._table[at]
            if other == NOBODY:
                break
            home = self._home(self._key(other))
            if ((at - home) & self._last) >= ((at - gap) & self._last):
                self._table[gap] = other
                gap = at
        self._table[gap] = NOBODY

    def _insert(self, key: Key, number: int) -> None:
        if 2 * (self._count + 1) > len(self._table):
            self._grow()
        self._put(key, number)
        self._count += 1

    def _put(self, key: Key, number: int) -> None:
        at = self._home(key)
        while self._table[at] != NOBODY:
            at = (at + 1) & self._last
        self._table[at] = number

    def _grow(self) -> None:
        numbers = [number for number in self._table if number != NOBODY]
        self._lay(2 * len(self._table))
        for number in numbers:
            self._put(self._key(number), number)

    def _lay(self, size: int) -> None:
        self._table = array("i", [NOBODY]) * size
        self._last = size - 1
        self._shift = MASK.bit_length() - self._last.bit_length()
