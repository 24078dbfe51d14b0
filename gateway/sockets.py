"""The sockets of this process, by their slot in the lot: whose they are, what they may see, how far their handshake is.

All of it stands in columns, so a socket that waits costs some forty bytes here and no object. A `Socket` is a view that
is made when somebody has something to do with one, and forgotten after; it carries the stamp of its slot's owner, and
once that has gone it tells nobody anything. Several sockets of one consumer are equals: each knows the next.

Hands over to: `gateway.people` (whose they are), `gateway.edge.parked.lot` (the way to them).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.budgets import Budgets
from gateway.columns import Column
from gateway.edge.parked.framing import text_frame
from gateway.edge.parked.lot import Lot
from gateway.tries import Network, Tries
from gateway.watchings import Watchings
from protocol.sessions import Session

NO_ROOM = 0
NONE = -1
STAMP_MASK = 0xFFFF_FFFF
TOGETHER_BYTES_MAX = 16_384
"""Of one write. States beyond it are told one by one, so that what a slow socket keeps of them is bounded."""

Slots32 = NDArray[np.int32]


class Sockets:
    """By slot: ``rooms`` (NO_ROOM: nobody's), ``persons`` in that room, ``nexts`` of the same consumer (NONE: the
    last), ``levels``, ``watched`` (see `Watchings`), ``opening`` (answers of the handshake still to come),
    ``lines`` (whether it is a line), ``expires`` of the session (epoch seconds), ``told`` (second of our
    monotonic clock in which it was last told anything). ``addresses`` of those lines that say one. ``announced``: set
    when a room has something for everybody; ``prompted``: when a state has changed that does not wait for the round."""

    def __init__(self, lot: Lot, trusted: Sequence[Network] = ()) -> None:
        self.lot = lot
        self.watchings = Watchings()
        self.budgets = Budgets()
        self.tries = Tries(trusted)
        self.addresses: dict[int, str] = {}
        self.announced = asyncio.Event()
        self.prompted = asyncio.Event()
        self.on_open: dict[int, Callable[[], None]] = {}
        self.rooms = Column("I", NO_ROOM)
        self.persons = Column("i", NONE)
        self.nexts = Column("i", NONE)
        self.levels = Column("B")
        self.watched = Column("I")
        self.opening = Column("B")
        self.lines = Column("B")
        self.expires = Column("I")
        self.told = Column("I")
        self.stamps = Column("I")
        self._rooms = NO_ROOM

    def number_room(self) -> int:
        """The number of a new room."""
        self._rooms += 1
        return self._rooms

    def take(
        self, slot: int, room: int, session: Session, watched: frozenset[str] | None, now_ms: int, *, line: bool
    ) -> Socket:
        """``slot`` is in ``room`` from ``now_ms`` (our monotonic clock) on; whose it is `gateway.people` says."""
        if slot >= len(self.rooms.one):
            for column in self._columns():
                column.reach(slot)
        self.rooms.one[slot] = room
        self.nexts.one[slot] = self.persons.one[slot] = NONE
        self.levels.one[slot] = session.level
        self.watched.one[slot] = self.watchings.take(watched)
        self.opening.one[slot] = 0
        self.lines.one[slot] = line
        self.expires.one[slot] = session.expires
        self.told.one[slot] = now_ms // 1_000
        self.stamps.one[slot] = (self.stamps.one[slot] + 1) & STAMP_MASK
        return Socket(self, slot, self.stamps.one[slot])

    def free(self, slot: int) -> None:
        """``slot`` is in no room any more."""
        self.rooms.one[slot] = NO_ROOM
        self.watchings.free(self.watched.one[slot])
        self.stamps.one[slot] = (self.stamps.one[slot] + 1) & STAMP_MASK
        self.on_open.pop(slot, None)
        self.addresses.pop(slot, None)
        self.budgets.forget(slot)

    def at(self, slot: int) -> Socket:
        """The socket of ``slot`` as it is now."""
        return Socket(self, slot, self.stamps.one[slot])

    def room_of(self, slot: int) -> int:
        """The number of its room, or NO_ROOM."""
        return self.rooms.one[slot] if slot < len(self.rooms.one) else NO_ROOM

    def in_room(self, room: int) -> Slots32:
        """The slots of everybody in ``room``."""
        return np.flatnonzero(self.rooms.all == room).astype(np.int32)

    def open_ones(self, slots: Slots32, path: str, level: int = 0) -> NDArray[np.bool_]:
        """Which of ``slots`` have their handshake behind them, watch ``path`` and are of at least ``level``."""
        watching = self.watchings.watching(path)[self.watched.all[slots]]
        chosen: NDArray[np.bool_] = watching & (self.opening.all[slots] == 0) & (self.levels.all[slots] >= level)
        return chosen

    def _columns(self) -> tuple[Column, ...]:
        whose = (self.rooms, self.persons, self.nexts, self.stamps)
        return (*whose, self.levels, self.watched, self.opening, self.lines, self.expires, self.told)


class Socket:
    """A view of one socket. Two are equal when they are of the same owner of the same slot."""

    __slots__ = ("_all", "slot", "stamp")

    def __init__(self, sockets: Sockets, slot: int, stamp: int) -> None:
        self._all = sockets
        self.slot = slot
        self.stamp = stamp

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Socket) and (other.slot, other.stamp) == (self.slot, self.stamp)

    def __hash__(self) -> int:
        return hash((self.slot, self.stamp))

    @property
    def here(self) -> bool:
        """Whether it is still in its room."""
        return self._all.stamps.one[self.slot] == self.stamp

    @property
    def person(self) -> int:
        """The number of its consumer in the room."""
        return self._all.persons.one[self.slot]

    @property
    def level(self) -> int:
        """Of its session."""
        return self._all.levels.one[self.slot]

    @property
    def opening(self) -> int:
        """How many answers of its handshake are still to come."""
        return self._all.opening.one[self.slot] if self.here else 0

    @opening.setter
    def opening(self, count: int) -> None:
        if self.here:
            self._all.opening.one[self.slot] = count

    @property
    def watched(self) -> frozenset[str] | None:
        """The paths whose states it is told; None: every one that it may see."""
        return self._all.watchings.paths(self._all.watched.one[self.slot])

    @watched.setter
    def watched(self, paths: frozenset[str] | None) -> None:
        watchings, before = self._all.watchings, self._all.watched.one[self.slot]
        self._all.watched.one[self.slot] = watchings.take(paths)
        watchings.free(before)

    def watches(self, path: str) -> bool:
        """Whether it is told the states of ``path``."""
        watched = self.watched
        return watched is None or path in watched

    def tell(self, frame: bytes, state: str | None, now_ms: int) -> None:
        """Tell it ``frame``, JSON text, at ``now_ms`` of our monotonic clock; ``state`` as for `Line.tell`."""
        if self.here:
            self._all.told.one[self.slot] = now_ms // 1_000
            self._all.lot.tell(self.slot, frame, state)

    def tell_together(self, frames: list[tuple[bytes, str | None]], now_ms: int) -> None:
        """The same for several at once, each with its state's key: one write where nothing stands in the way, for
        facts of any length and for the states among and behind them as far as they are short."""
        lot, slot = self._all.lot, self.slot
        if len(frames) == 1 or not self.here or self._all.lines.one[slot] or not lot.keeps_up(slot):
            for frame, state in frames:
                self.tell(frame, state, now_ms)
            return
        count = _together(frames)
        self._all.told.one[slot] = now_ms // 1_000
        lot.put(slot, b"".join([text_frame(frame) for frame, _ in frames[:count]]))
        for frame, state in frames[count:]:
            self.tell(frame, state, now_ms)

    def close(self, code: int) -> None:
        """End it once everything told before is through. Idempotent."""
        if self.here:
            self._all.lot.close(self.slot, code)

    @property
    def address(self) -> str:
        """Where it comes from, as far as we see it; "" where that is not known."""
        return self._all.addresses.get(self.slot) or self._all.lot.peer(self.slot)

    def when_open(self, then: Callable[[], None]) -> None:
        """Call ``then`` once its handshake is answered."""
        self._all.on_open[self.slot] = then

    def may_speak(self, now_ms: int, per_second: int) -> bool:
        """Take one frame of its budget."""
        return self._all.budgets.take(self.slot, now_ms, per_second)


def _together(frames: list[tuple[bytes, str | None]]) -> int:
    """How many of ``frames``, from the first on, go out in one write."""
    size = count = 0
    for number, (frame, state) in enumerate(frames, 1):
        size += len(frame)
        if state is None or size <= TOGETHER_BYTES_MAX:
            count = number
    return count
