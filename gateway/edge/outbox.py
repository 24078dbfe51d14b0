"""An outbox: the line of a client that fetches what it was told, one frame after another or all at once.

It is a dict in order of telling. A newer state leaves the older one's place and goes to the end, so that a ``position``
never overtakes the ``joined`` before it. A client for whom ``FACTS_MAX`` facts wait is too slow to be held on to.

Hands over to: whoever takes frames out of it (`gateway.edge.parked.fallback`, `gateway.edge.sse`, `gateway.stays`).
"""

import asyncio

from protocol.close_codes import CloseCode

FACTS_MAX = 256


class Outbox:
    """Frames that one client has not taken yet. ``closing`` is the close code once it is to end, else None."""

    __slots__ = ("_facts", "_frames", "_number", "_waiter", "closing")

    def __init__(self) -> None:
        self._frames: dict[str | int, bytes] = {}
        self._number = 0
        self._facts = 0
        self._waiter: asyncio.Future[None] | None = None
        self.closing: int | None = None

    def tell(self, frame: bytes, state: str | None = None) -> None:
        """Keep ``frame`` until it is taken; nothing more after ``close``."""
        if self.closing is not None:
            return
        if state is None:
            self._number += 1
            self._facts += 1
            self._frames[self._number] = frame
        else:
            self._frames.pop(state, None)
            self._frames[state] = frame
        if self._facts > FACTS_MAX:
            self._frames.clear()
            self.closing = CloseCode.SLOW_CONSUMER
        self._wake()

    def close(self, code: int) -> None:
        """Nothing more is taken in; what waits is still handed out."""
        if self.closing is None:
            self.closing = code
            self._wake()

    def take(self) -> bytes | None:
        """The oldest frame that waits, or None."""
        if not self._frames:
            return None
        key = next(iter(self._frames))
        if isinstance(key, int):
            self._facts -= 1
        return self._frames.pop(key)

    def take_all(self) -> list[bytes]:
        """Everything that waits, in order."""
        frames = list(self._frames.values())
        self._frames.clear()
        self._facts = 0
        return frames

    async def wait(self) -> None:
        """Return once there is something to take or the outbox is closing. For one waiter at a time."""
        if self._frames or self.closing is not None:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
