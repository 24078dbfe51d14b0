"""The floor: the least that a Python process can do to hold WebSockets and write one frame to each of them.

uvloop accepts, httptools reads the head, the answer is canned, and then a bare descriptor waits in an epoll. Nothing is
validated, nothing that a client says is understood, and who does not listen is not waited for: no product could do so.
The listening socket has the same options as ours, or a frame would not cost the kernel the same.

``python -m loadtests.floors.epoll_floor --port N`` prints a JSON line a second while there are sockets: sockets,
microseconds per frame, bytes of memory per socket.
"""

import asyncio
import base64
import hashlib
import os
import select
from array import array
from typing import Annotated

import httptools
import typer
import uvloop

from loadtests.floors.measuring import Ticker, frame_now, listening_socket

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
READ_BYTES = 4_096
EVENTS_MAX = 1_024


class Parked:
    """The descriptors."""

    def __init__(self) -> None:
        self.files = array("i")
        self._epoll = select.epoll()

    def open(self) -> None:
        """Reap in the running loop."""
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._reap)

    def park(self, transport: asyncio.Transport, key: bytes) -> None:
        """Answer, and take the descriptor away from the loop."""
        accepted = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        transport.write(ANSWER + accepted + b"\r\n\r\n")
        file = os.dup(transport.get_extra_info("socket").fileno())
        self.files.append(file)
        self._epoll.register(file, select.EPOLLIN | select.EPOLLRDHUP)
        transport.abort()

    async def tell_all(self) -> None:
        """Write one frame to every descriptor."""
        write, frame = os.write, frame_now()
        for file in self.files:
            try:
                write(file, frame)
            except OSError:
                continue

    def _reap(self) -> None:
        for file, _ in self._epoll.poll(0, EVENTS_MAX):
            try:
                alive = os.read(file, READ_BYTES)
            except OSError:
                alive = b""
            if not alive:
                self._epoll.unregister(file)
                self.files.remove(file)
                os.close(file)


class Handshake(asyncio.Protocol):
    """One connection until it is parked."""

    def __init__(self, parked: Parked) -> None:
        self._parked = parked
        self._key = b""
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody knocks."""
        self._transport = transport

    def on_header(self, name: bytes, value: bytes) -> None:
        """The one header that matters."""
        if name.lower() == b"sec-websocket-key":
            self._key = value

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._parked.park(self._transport, self._key)
            self._parser = None


async def serve(port: int, silent: bool) -> None:
    """Until interrupted."""
    parked = Parked()
    parked.open()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Handshake(parked), sock=listening_socket(port))
    await Ticker(lambda: len(parked.files), silent=silent).run(parked.tell_all)


def main(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1.")] = 9002,
    silent: Annotated[bool, typer.Option(help="Only hold sockets.")] = False,
) -> None:
    """Hold sockets and write a frame a second to each."""
    uvloop.run(serve(port, silent))


if __name__ == "__main__":
    typer.run(main)
