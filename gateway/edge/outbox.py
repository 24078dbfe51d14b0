"""An outbox: the line of a client that fetches what it was told, one frame after another or all at once.

A client for whom more than ``FACTS_MAX`` facts wait is too slow to be held on to.

Hands over to: whoever takes frames out of it (`gateway.edge.parked.fallback`, `gateway.edge.sse`, `gateway.stays`).
"""

import asyncio

from gateway.edge.untold import Untold
from protocol.close_codes import CloseCode

FACTS_MAX = 256


class Outbox:
    """Frames that one client has not taken yet. ``closing`` is the close code once it is to end, else None."""

    __slots__ = ("_untold", "_waiter", "closing")

    def __init__(self) -> None:
        self._untold = Untold()
        self._waiter: asyncio.Future[None] | None = None
        self.closing: int | None = None

    def tell(self, frame: bytes, state: str | None = None) -> None:
        """Keep ``frame`` until it is taken; nothing more after ``close``."""
        if self.closing is not None:
            return
        self._untold.add(frame, state)
        if self._untold.facts > FACTS_MAX:
            self._untold.clear()
            self.closing = CloseCode.SLOW_CONSUMER
        self._wake()

    def close(self, code: int) -> None:
        """Nothing more is taken in; what waits is still handed out."""
        if self.closing is None:
            self.closing = code
            self._wake()

    def take(self) -> bytes | None:
        """The oldest frame that waits, or None."""
        return self._untold.take()

    def take_all(self) -> list[bytes]:
        """Everything that waits, in order."""
        return list(iter(self._untold.take, None))

    async def wait(self) -> None:
        """Return once there is something to take or the outbox is closing. For one waiter at a time."""
        if len(self._untold) or self.closing is not None:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
