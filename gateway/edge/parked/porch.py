"""Where connections are accepted: by ourselves, because most that come in a storm need no transport.

A connection begins as a bare socket in a `Doorway`, and its first words are heard as such: at once where it has said
them by the time it is accepted, on the threshold where it has not. An accept that fails for want of files is tried
again a little later, as the loop's own servers do.

Hands over to: `threshold`, and `knock`.
"""

import asyncio
import logging
import os
import socket

import uvicorn

from gateway.edge.parked.doorway import Doorway
from gateway.edge.parked.knock import Knock
from gateway.edge.parked.threshold import Threshold

ACCEPTS_AT_ONCE = 64
"""After so many the loop goes on with its other work."""
ACCEPT_AGAIN_S = 0.5

logger = logging.getLogger("stanchion.edge")


class Porch:
    """``ear`` hears the first words of everybody."""

    def __init__(self, ear: Knock) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._making: set[asyncio.Task[None]] = set()
        self._threshold = Threshold(ear.bouncer, ear.hear)

    def open(self, listening: socket.socket, backlog: int) -> None:
        """Let in who comes to ``listening``, a bound socket."""
        listening.setblocking(False)
        listening.listen(backlog)
        self._listening.append(listening)
        self._loop.add_reader(listening.fileno(), self._accept_some, listening)

    def shut(self) -> None:
        """Let in whoever is connected already and there is a file for, then nobody: what is left in a queue is reset.
        Idempotent."""
        while self._listening:
            listening = self._listening.pop()
            self._loop.remove_reader(listening.fileno())
            try:
                while self._accept(listening):
                    continue
            except OSError as error:
                logger.warning("not all who were connected can be let in: %s", error)
            listening.close()

    def clear(self) -> None:
        """Drop whoever was let in and has not said a word. Idempotent."""
        self._threshold.shut()

    def _accept_some(self, listening: socket.socket) -> None:
        try:
            for _ in range(ACCEPTS_AT_ONCE):
                if not self._accept(listening):
                    return
        except OSError as error:
            logger.warning("nobody can be let in for %s s: %s", ACCEPT_AGAIN_S, error)
            self._loop.remove_reader(listening.fileno())
            self._loop.call_later(ACCEPT_AGAIN_S, self._try_again, listening)

    def _try_again(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening.fileno(), self._accept_some, listening)

    def _accept(self, listening: socket.socket) -> bool:
        """Let in one; False when nobody is there. Raises OSError when there is no file for them.

        A bare descriptor is taken, not a socket object, which would cost two system calls and as much again."""
        try:
            file, peer = listening._accept()  # type: ignore[attr-defined]  # noqa: SLF001  # what `socket.accept` is made of
        except (BlockingIOError, ConnectionAbortedError):
            return False
        os.set_blocking(file, False)
        self._threshold.enter(Doorway(file, peer[:2], self._loop, self._making))
        return True


class ParkingServer(uvicorn.Server):
    """uvicorn's server with a porch before it. Where TLS ends in the process, uvicorn accepts itself."""

    porch: Porch | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen at ``sockets``."""
        if sockets is None or self.config.is_ssl:
            await super().startup(sockets)
            return
        await super().startup([])
        self.porch = Porch(self._knock())
        for listening in sockets:
            self.porch.open(listening, self.config.backlog)

    def shut_door(self, sockets: list[socket.socket]) -> None:
        """Let nobody in any more who comes to ``sockets``. Idempotent."""
        if self.porch is not None:
            self.porch.shut()
        for server in self.servers:
            server.close()
        for listening in sockets:
            listening.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, then end as uvicorn does."""
        self.shut_door(sockets or [])
        if self.porch is not None:
            self.porch.clear()
        await super().shutdown([])

    def _knock(self) -> Knock:
        protocol: type[Knock] = self.config.http_protocol_class  # type: ignore[assignment]
        return protocol(self.config, self.server_state, self.lifespan.state)
