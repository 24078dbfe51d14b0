"""How an app parks its socket, wherever it runs: the last thing that it does with one that it has accepted.

Under the parked edge that is one message and the app ends. Under any other ASGI server the socket gets a line in the
same lot, and the app stays: one task that receives, one that sends. The rest of the gateway sees no difference, but
what a server does itself (pings, the closing handshake, bytes that are no frames) is then that server's.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.edge.outbox import Outbox
from gateway.edge.parked.asgi import PARK
from gateway.edge.parked.framing import BROKEN
from gateway.edge.parked.lot import Lot
from protocol.close_codes import CloseCode

Message = dict[str, Any]


async def park(scope: Message, receive: Any, send: Any, lot: Lot, parked: Callable[[int], None]) -> None:
    """Leave an accepted socket to ``lot``; ``parked`` gets its slot. Returns when the app may end."""
    if PARK in scope.get("extensions", {}):
        await send({"type": PARK, "parked": parked})
    else:
        await _Guest(receive, send, lot, parked).stay()


class _Guest:
    """A socket that another server holds."""

    def __init__(self, receive: Any, send: Any, lot: Lot, parked: Callable[[int], None]) -> None:
        self._receive = receive
        self._send = send
        self._lot = lot
        self._outbox = Outbox()
        self._slot = lot.add_line(self._outbox)
        parked(self._slot)

    async def stay(self) -> None:
        """Until either side has closed."""
        code = BROKEN
        sending = asyncio.create_task(self._tell())
        try:
            code = await self._listen()
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            self._lot.lost(self._slot, code)
        failure = None if sending.cancelled() else sending.exception()
        if failure is not None and not isinstance(failure, OSError):  # that is how a server says that the client went
            raise failure

    async def _listen(self) -> int:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return int(message.get("code", CloseCode.NORMAL))
            text = message.get("text")
            self._lot.hear(self._slot, message["bytes"] if text is None else text)

    async def _tell(self) -> None:
        while True:
            await self._outbox.wait()
            for frame in self._outbox.take_all():
                await self._send({"type": "websocket.send", "text": frame.decode()})
            if self._outbox.closing is not None:
                await self._send({"type": "websocket.close", "code": self._outbox.closing})
                return
