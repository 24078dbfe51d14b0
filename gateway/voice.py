"""When something is told: facts once the entry that they come from is durable, states at once.

Without replicas of the store an entry is durable when it can be read, and nothing waits here. With them each entry says
how far the writer knows the log to be safe, and what lies behind that waits, in order. An entry that says nothing (the
writer makes such ones to say how far it is) need not be durable itself.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.metrics import Metrics
from gateway.sockets import Slots32, Socket, Sockets


class Voice:
    """Tells the sockets of one room. Entries are named by their number in the log (``seq``)."""

    def __init__(self, sockets: Sockets, metrics: Metrics, monotonic_ms: Callable[[], int]) -> None:
        self._sockets = sockets
        self._metrics = metrics
        self._monotonic_ms = monotonic_ms
        self._seq = -1
        self._is_durable = True
        self._together: dict[Socket, list[tuple[bytes, str | None]]] | None = None
        self._held: deque[tuple[int, int, Callable[[], Any]]] = deque()

    @property
    def is_durable(self) -> bool:
        """Whether all that was said is durable: nothing waits."""
        return self._is_durable

    def waits_since_ms(self) -> int | None:
        """Since when (our monotonic clock) the first of what waits does; None while nothing does."""
        return self._held[0][1] if self._held else None

    def begin(self, seq: int, durable_seq: int, *, tells: bool) -> None:
        """What follows comes from entry ``seq``, which says something (``tells``) or nothing; everything up to
        ``durable_seq`` is safe."""
        self._seq = seq if tells else self._seq
        while self._held and self._held[0][0] <= durable_seq:
            self._held.popleft()[-1]()  # what that says in its turn waits in line
        self._is_durable = self._seq <= durable_seq

    def forget(self) -> None:
        """What waits is not true any more."""
        self._held.clear()
        self._seq, self._is_durable = -1, True

    def when_durable(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call it once the present entry is durable."""
        if self._is_durable:
            call(*arguments)
        else:
            self._hold(partial(call, *arguments))

    def say(self, socket: Socket, frame: bytes, state: str | None = None) -> None:
        """Tell ``frame`` once the present entry is durable; ``state`` as for `Line.tell`."""
        if self._is_durable:
            self.tell(socket, frame, state)
        else:
            self._hold(partial(self.tell, socket, frame, state))

    def _hold(self, call: Callable[[], Any]) -> None:
        self._held.append((self._seq, self._monotonic_ms(), call))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """What is told to one socket while this lasts goes out together at its end: one write for many frames."""
        self._together = {}
        try:
            yield
        finally:
            together, self._together = self._together, None
            now_ms = self._monotonic_ms()
            for socket, frames in together.items():
                socket.tell_together(frames, now_ms)

    def tell(self, socket: Socket, frame: bytes, state: str | None = None) -> None:
        """Tell ``frame`` now."""
        self._metrics.count(frame)
        if self._together is None:
            socket.tell(frame, state, self._monotonic_ms())
        else:
            self._together.setdefault(socket, []).append((frame, state))

    def tell_all(self, sockets: Iterable[Socket], frame: bytes, state: str | None) -> None:
        """Tell the same ``frame`` to each of ``sockets`` now."""
        for socket in sockets:
            self.tell(socket, frame, state)

    def tell_slots(
        self,
        slots: Slots32,
        frames: Sequence[bytes],
        stamps: NDArray[np.uint32],
        states: Sequence[tuple[bytes, str | None]],
    ) -> None:
        """Tell the same ``frames`` now to those of ``slots`` who are still whom `Lot.stamps` named; ``states``, each
        with its key, to those who may not have taken all that was told before."""
        if len(slots):
            self._sockets.told.all[slots] = self._monotonic_ms() // 1_000
            self._sockets.lot.tell_all(slots, frames, states, stamps)
            for frame in frames:
                self._metrics.count(frame, len(slots))

    def tell_each(self, slots: Slots32, frames: Sequence[bytes], state: str) -> None:
        """Tell each of ``slots`` its own of ``frames`` now; they are all of one type."""
        if len(slots):
            self._sockets.told.all[slots] = self._monotonic_ms() // 1_000
            self._sockets.lot.tell_each(slots, frames, state)
            self._metrics.count(frames[0], len(slots))
