"""What one gets without any of this: stock uvicorn and Starlette, websockets-sansio, no compression. It only accepts.

Each socket has a task that waits for a message, as every ordinary ASGI app has. A frame is sent with
``WebSocket.send_text``, one socket after another.

``python -m loadtests.floors.stock --port N`` prints what `loadtests.floors.epoll_floor` prints.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from loadtests.floors.measuring import Ticker, frame_now, listening_socket

FRAME_HEAD_BYTES = 2


class Stock:
    """The app and its sockets."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._sockets: set[WebSocket] = set()
        self.app = Starlette(routes=[WebSocketRoute("/{path:path}", self._live)], lifespan=self._run)

    async def _live(self, socket: WebSocket) -> None:
        await socket.accept()
        self._sockets.add(socket)
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            self._sockets.discard(socket)

    @asynccontextmanager
    async def _run(self, app: Starlette) -> AsyncIterator[None]:
        telling = asyncio.create_task(Ticker(lambda: len(self._sockets), silent=self._silent).run(self._tell_all))
        yield
        telling.cancel()

    async def _tell_all(self) -> None:
        text = frame_now()[FRAME_HEAD_BYTES:].decode()
        for socket in list(self._sockets):
            try:
                await socket.send_text(text)
            except WebSocketDisconnect:
                self._sockets.discard(socket)


def main(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1.")] = 9003,
    silent: Annotated[bool, typer.Option(help="Only hold sockets.")] = False,
) -> None:
    """Hold sockets as everybody does."""
    config = uvicorn.Config(
        Stock(silent=silent).app,
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        loop="uvloop",
        access_log=False,
        proxy_headers=False,
        log_level="error",
    )
    uvicorn.Server(config).run(sockets=[listening_socket(port)])


if __name__ == "__main__":
    typer.run(main)
