"""A small TCP proxy between two parts, which can be told to be a bad network: the chaos bench has one in every link.

It reads one word a line and answers each with itself as soon as it is so:

| word | what becomes of the connections |
| --- | --- |
| ``flow`` | bytes pass, in order, both ways; what was held back arrives now |
| ``cut`` | all are reset, and nobody listens any more |
| ``stall`` | nothing passes either way, and nobody is told; who connects is accepted and then hears nothing |
| ``mute`` | what is asked arrives, the answers are held back; a ``cut`` behind it loses them |

A side that is read too slowly slows the other down, so no more than two buffers of a connection are ever held.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
import sys
from typing import Any, cast

import uvloop

HOST = "127.0.0.1"
BACKLOG = 4_096
LINGER_NEVER = struct.pack("ii", 1, 0)
WORDS = ("flow", "cut", "stall", "mute")


class Side(asyncio.Protocol):
    """One end of a connection: the one that asked, or the one that ``answers``."""

    def __init__(self, link: Link, *, answers: bool) -> None:
        self._link = link
        self._answers = answers
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._kept: list[bytes] = []
        self.full = False
        self.other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._link.sides[self] = None
        if not self._answers:
            self._link.reach_for(self)
        elif self._waiting:
            self._transport.write(b"".join(self._waiting))
        self.obey()

    def data_received(self, data: bytes) -> None:
        self._kept.append(data)
        self.obey()  # a connection that has just begun is read from though it was told not to be

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.sides.pop(self, None)
        self._transport = None
        if self.other is not None:
            self.other.end()

    def pause_writing(self) -> None:
        self.full = True
        if self.other is not None:
            self.other.obey()

    def resume_writing(self) -> None:
        self.full = False
        if self.other is not None:
            self.other.obey()

    def write(self, data: bytes) -> None:
        """Pass ``data`` on, once there is a connection."""
        if self._transport is None:
            self._waiting.append(data)
        elif not self._transport.is_closing():
            self._transport.write(data)

    def obey(self) -> None:
        """Pass on what was read and read on, or do neither for now."""
        if self._transport is None or self._transport.is_closing() or self.other is None:
            return  # one that was closed hears so only in the loop's next turn
        held = self._link.word == "stall" or (self._link.word == "mute" and self._answers)
        if held or self.other.full:
            self._transport.pause_reading()
            return
        self._transport.resume_reading()
        if self._kept:
            kept, self._kept = b"".join(self._kept), []
            self.other.write(kept)

    def end(self) -> None:
        """The other end is gone: end too, once all is written."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Gone at once, and the other side is told by a reset."""
        if self._transport is None:
            return
        if not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NEVER)
        self._transport.abort()


class Link:
    """From ``port`` to ``target``. ``shared``: others listen on the same port; the kernel deals out who connects."""

    def __init__(self, port: int, target: int, *, shared: bool) -> None:
        self.word = "flow"
        self.sides: dict[Side, None] = {}
        self._port, self._target, self._shared = port, target, shared
        self._server: asyncio.Server | None = None
        self._reaching: set[asyncio.Task[None]] = set()

    async def become(self, word: str) -> None:
        """Be so from now on."""
        self.word = word
        if word == "cut":
            await self._hang_up()
        elif self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Side(self, answers=False), HOST, self._port, backlog=BACKLOG, reuse_port=self._shared
            )
        for side in list(self.sides):
            side.obey()

    def reach_for(self, asker: Side) -> None:
        """Connect to the target for ``asker``."""
        answerer = Side(self, answers=True)
        answerer.other, asker.other = asker, answerer
        task = asyncio.get_running_loop().create_task(self._reach(asker, answerer))
        self._reaching.add(task)
        task.add_done_callback(self._reaching.discard)

    async def _reach(self, asker: Side, answerer: Side) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: answerer, HOST, self._target)
        except OSError:
            asker.reset()
            return
        if asker not in self.sides:  # it left meanwhile
            answerer.reset()

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._reaching):
            task.cancel()
        for side in list(self.sides):
            side.reset()


async def serve(port: int, target: int, *, shared: bool) -> None:
    """Pass on, and be what standard input says, until it ends."""
    loop = asyncio.get_running_loop()
    words = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    link = Link(port, target, shared=shared)
    word = "flow"
    while word in WORDS:
        await link.become(word)
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()
        word = (await words.readline()).decode().strip()


def main(port: str, target: str, shared: str) -> None:
    """One link; ``shared`` is 1 or 0."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(serve(int(port), int(target), shared=shared == "1"))


if __name__ == "__main__":
    arguments: list[Any] = sys.argv[1:]
    main(*arguments)
