"""The lottery: an order by chance that is weighted, in integers alone, and that anyone can repeat in any language.

A ticket has hats, lots in the hat (one byte a ticket; 0 for one that left, which has no place). The key of ticket t is
the smallest, over lots j < hats(t), of SHA-256(seed ‖ t as 8 bytes ‖ j as 1 byte), big-endian; the order is ascending
by key, ties by t. The smallest of h uniform draws lies below x with probability 1 - (1 - x)^h, so the order is exactly
the one of weighted sampling without replacement (Efraimidis and Spirakis, 2006), with no logarithm and no float.

Nobody can steer it: the secret is committed to before anybody joins, the hats are fixed by the root at the close, and
a beacon, if one is named, is known to nobody before. ``seed = SHA-256(secret ‖ beacon ‖ root)``.

A million keys take seconds, so an order is drawn in slices: a ``Drawing`` is advanced until it is done. Only the first
8 bytes of each key are kept; keys that agree in them are computed again, whole.

Hands over to: ``protocol.proof`` (the document that shows it), ``protocol.beacons`` (where the beacon comes from).
"""

from array import array
from collections.abc import Callable, Collection
from hashlib import sha256
from struct import Struct as Packing
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

RULE: Final = "stanchion-lottery-1"
HATS_MAX: Final = 255
"""What one byte holds."""

_NUMBER: Final = Packing(">Q")
_LOTS: Final = tuple(bytes([lot]) for lot in range(HATS_MAX))
_HEAD_BYTES: Final = 8
_SORTS: Final = 4

Order: TypeAlias = "array[int]"
"""Tickets, the luckiest first; 4 bytes each, so a million can be kept, cut and snapshotted as they are."""


def commitment(secret: bytes) -> bytes:
    """What is published of ``secret`` (32 random bytes) with the path's first configuration."""
    return sha256(secret).digest()


def roster_root(hats: bytes) -> bytes:
    """What is published at the close: the count of tickets and the hats of each, fixed."""
    return sha256(_NUMBER.pack(len(hats)) + hats).digest()


def in_the_hat(hats: bytes | bytearray, states: bytes | bytearray, waiting: int) -> bytes:
    """The hats of those whose state is ``waiting``, one byte a ticket; any other has none."""
    entered = np.frombuffer(bytes(states), dtype=np.uint8) == waiting
    return bytes(np.frombuffer(bytes(hats), dtype=np.uint8) * entered)


def passed_over(hats: bytes, states: bytes | bytearray, waiting: int) -> list[int]:
    """Tickets that have ``hats`` and whose state is not ``waiting``, in order. There may be later ones without."""
    entered = np.frombuffer(hats, dtype=np.uint8) > 0
    gone = np.frombuffer(bytes(states[: len(hats)]), dtype=np.uint8) != waiting
    found: list[int] = np.flatnonzero(entered & gone).tolist()
    return found


def seed_of(secret: bytes, beacon: bytes, root: bytes) -> bytes:
    """The seed of the order; ``beacon`` is the randomness of the named round, empty where none was named."""
    return sha256(secret + beacon + root).digest()


def key_of(seed: bytes, ticket: int, hats: int) -> bytes:
    """The key (32 bytes) of a ticket with at least one hat."""
    start = seed + _NUMBER.pack(ticket)
    return min([sha256(start + lot).digest() for lot in _LOTS[:hats]])


def order_digest(order: Order) -> bytes:
    """SHA-256 over the whole order, 8 bytes big-endian a ticket."""
    return sha256(np.frombuffer(order, dtype=np.uintc).astype(">u8").tobytes()).digest()


def packed(order: Order) -> bytes:
    """The order as bytes, 4 little-endian a ticket."""
    return np.frombuffer(order, dtype=np.uintc).astype("<u4").tobytes()


def unpacked(data: bytes) -> Order:
    """The order of these bytes."""
    return array("I", np.frombuffer(data, dtype="<u4").astype(np.uintc).tobytes())


def everybody(order: Order, tickets: int) -> Order:
    """``order`` with the others of ``tickets`` behind it, by number: a place for each."""
    absent = np.ones(tickets, dtype=np.bool_)
    absent[np.frombuffer(order, dtype=np.uintc)] = False
    return order + array("I", np.flatnonzero(absent).astype(np.uintc).tobytes())


def inverse(order: Order) -> Order:
    """The place of each ticket, where ``order`` has the tickets from 0 on, each once."""
    places = np.empty(len(order), dtype=np.uintc)
    places[np.frombuffer(order, dtype=np.uintc)] = np.arange(len(order), dtype=np.uintc)
    return array("I", places.tobytes())


def winners_of(order: Order, skipped: Collection[int], count: int) -> list[int]:
    """The first ``count`` of ``order`` (fewer if there are no more) that are not in ``skipped``."""
    passed_over = frozenset(skipped)
    return [ticket for ticket in order[: count + len(passed_over)] if ticket not in passed_over][:count]


class Drawing:
    """An order being drawn: ``advance`` until it says that it is done. Equal seed and hats give an equal order.

    A snapshot keeps ``heads`` (8 bytes a ticket hashed so far) and ``passes``; a drawing made from them goes on where
    this one stands and needs as many slices as this one.
    """

    def __init__(self, seed: bytes, hats: bytes, heads: bytes = b"", passes: int = 0) -> None:
        self.seed = seed
        self.hats = hats
        self.heads = bytearray(heads)
        self.passes = 0
        self.order: Order | None = None
        self._most = max(hats, default=1) or 1
        self._sorted: NDArray[np.uintc] = np.zeros(0, dtype=np.uintc)
        for _ in range(passes):
            self._pass()

    @property
    def hashed(self) -> int:
        """How many tickets have their key."""
        return len(self.heads) // _HEAD_BYTES

    def advance(self, lots: int) -> bool:
        """Take one slice: hash at most ``lots`` lots (but at least one ticket), or one of the four passes of sorting
        (a million in less than 0.1 s), or the last look at equal keys. Whether ``order`` is there now."""
        if self.hashed < len(self.hats):
            self._hash(self.hashed, max(1, lots // self._most))
        elif self.order is None:
            self._pass()
        return self.order is not None

    def _hash(self, first: int, tickets: int) -> None:
        """The loop that a draw consists of: a SHA-256 a lot."""
        seed, pack, none = self.seed, _NUMBER.pack, bytes(_HEAD_BYTES)
        heads = self.heads
        for ticket, hats in enumerate(self.hats[first : first + tickets], first):
            start = seed + pack(ticket)
            if hats == 1:
                heads += sha256(start + _LOTS[0]).digest()[:_HEAD_BYTES]
            elif hats:
                heads += min([sha256(start + lot).digest() for lot in _LOTS[:hats]])[:_HEAD_BYTES]
            else:
                heads += none

    def _pass(self) -> None:
        self.passes += 1
        if self.passes <= _SORTS:
            self._sort()
        else:
            self.order = _settled(self._sorted, self.heads, lambda ticket: key_of(self.seed, ticket, self.hats[ticket]))

    def _sort(self) -> None:
        """One pass of a radix sort over the heads: stable, by 16 bits, the least significant first."""
        if self.passes == 1:
            self._sorted = np.flatnonzero(np.frombuffer(self.hats, dtype=np.uint8)).astype(np.uintc)
        digit = np.frombuffer(bytes(self.heads), dtype=">u2")[_SORTS - self.passes :: _SORTS]
        self._sorted = self._sorted[np.argsort(digit[self._sorted].astype(np.uint16), kind="stable")]


def draw(seed: bytes, hats: bytes) -> Order:
    """The whole order at once, for those who may take their time."""
    drawing = Drawing(seed, hats)
    while not drawing.advance(len(hats) * HATS_MAX):
        continue
    assert drawing.order is not None
    return drawing.order


def _settled(tickets: NDArray[np.uintc], heads: bytes | bytearray, key: Callable[[int], bytes]) -> Order:
    """The order of ``tickets``, which are sorted by their heads, and by ticket where these are equal: there ``key``
    decides."""
    ascending = np.frombuffer(bytes(heads), dtype=">u8")[tickets]
    order = array("I", tickets.tobytes())
    for start, end in _runs(ascending):
        order[start:end] = array("I", sorted(order[start:end], key=key))
    return order


def _runs(ascending: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Where equal values stand beside each other: first place, and the one after the last."""
    ends = np.append(np.flatnonzero(ascending[1:] != ascending[:-1]) + 1, len(ascending))
    starts = np.concatenate(([0], ends[:-1]))
    several = ends - starts > 1
    return [(int(start), int(end)) for start, end in zip(starts[several], ends[several], strict=True)]
