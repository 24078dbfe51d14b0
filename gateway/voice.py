"""When something is told: facts once the entry that they come from is durable, states at once.

Without replicas of the store an entry is durable when it can be read, and nothing waits here. With them each entry says
how far the writer knows the log to be safe, and what lies behind that waits, in order.
"""

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from gateway.metrics import Metrics
from gateway.session import Socket


class Voice:
    """Tells the sockets of one room. Entries are named by their number in the log (``seq``)."""

    def __init__(self, metrics: Metrics, monotonic_ms: Callable[[], int]) -> None:
        self._metrics = metrics
        self._monotonic_ms = monotonic_ms
        self._seq = -1
        self._is_durable = True
        self._held: deque[tuple[int, Callable[[], Any]]] = deque()

    def begin(self, seq: int, durable_seq: int) -> None:
        """What follows comes from entry ``seq``; everything up to ``durable_seq`` is safe."""
        self._seq = seq
        self._is_durable = seq <= durable_seq
        while self._held and self._held[0][0] <= durable_seq:
            self._held.popleft()[1]()

    def forget(self) -> None:
        """What waits is not true any more."""
        self._held.clear()
        self._is_durable = True

    def when_durable(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call it once the present entry is durable."""
        if self._is_durable:
            call(*arguments)
        else:
            self._held.append((self._seq, partial(call, *arguments)))

    def say(self, socket: Socket, frame: bytes, state: str | None = None) -> None:
        """Tell ``frame`` once the present entry is durable; ``state`` as for `Line.tell`."""
        if self._is_durable:
            self.tell(socket, frame, state)
        else:
            self._held.append((self._seq, partial(self.tell, socket, frame, state)))

    def tell(self, socket: Socket, frame: bytes, state: str | None = None) -> None:
        """Tell ``frame`` now."""
        self._metrics.count(frame)
        socket.tell(frame, state, self._monotonic_ms())

    def tell_all(self, sockets: Iterable[Socket], frame: bytes, state: str | None) -> None:
        """Tell the same ``frame`` to each of ``sockets`` now."""
        now_ms = self._monotonic_ms()
        times = 0
        for socket in sockets:
            socket.tell(frame, state, now_ms)
            times += 1
        self._metrics.count(frame, times)
