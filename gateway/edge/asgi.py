"""A socket held by an ordinary ASGI server: one coroutine receives, one task passes frames on. Works anywhere.

The hub knows nothing of either: it tells the outbox. Text frames are sent as text, as browsers expect JSON.
"""

import asyncio
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.edge.outbox import Outbox
from protocol.close_codes import CloseCode


async def hold(websocket: WebSocket, outbox: Outbox, heard: Callable[[str | bytes], None]) -> None:
    """Keep an accepted socket until either side ends it. ``heard`` gets every message of the client."""
    pump = asyncio.create_task(_pump(websocket, outbox))
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if outbox.closing is None:
                heard(message["bytes"] if text is None else text)
    finally:
        outbox.close(CloseCode.NORMAL)
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _pump(websocket: WebSocket, outbox: Outbox) -> None:
    """Pass frames on as the client takes them; close when the outbox says so."""
    try:
        while True:
            frame = outbox.take()
            if frame is not None:
                await websocket.send_text(frame.decode())
            elif outbox.closing is not None:
                break
            else:
                await outbox.wait()
        if websocket.application_state is WebSocketState.CONNECTED:
            await websocket.close(outbox.closing)
    except WebSocketDisconnect:
        outbox.close(CloseCode.GOING_AWAY)  # the receiving side hears of it too, and ends
