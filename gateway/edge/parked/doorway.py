"""A connection that has no transport yet, for whoever expects one: a bare socket, whose first bytes may be known.

Most that come in a storm never need more: their app accepts, says its first frames and parks in one go, and the lot
takes the descriptor. Whatever else is asked of it (an answer that is no 101, an app that waits, a client that says
nothing yet) makes the loop's own transport. What was asked until then is done before the transport reads a byte.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("stanchion.edge")

Order = Callable[[asyncio.Transport], None]


class Doorway(asyncio.Transport):
    """``file``: the descriptor of the socket, which does not block; ``peer``: whose it is. ``making``: the tasks that
    make transports, kept by somebody."""

    __slots__ = ("_file", "_gone", "_loop", "_making", "_orders", "_peer", "_real")

    def __init__(self, file: int, peer: Any, loop: asyncio.AbstractEventLoop, making: set[asyncio.Task[None]]) -> None:
        self._file = file
        self._peer = peer
        self._loop = loop
        self._making = making
        self._orders: list[Order] | None = None
        self._real: asyncio.Transport | None = None
        self._gone = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``peername``, and what the transport knows once there is one: a bare socket has nothing else to tell."""
        if name == "peername":
            return self._peer
        return default if self._real is None else self._real.get_extra_info(name, default)

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but the socket yet, and nothing is being made of it."""
        return self._orders is None and not self._gone

    def fileno(self) -> int:
        """The descriptor."""
        return self._file

    def first_words(self, most: int) -> bytes | None:
        """What the client of a bare socket has said, ``most`` bytes of it: none when it is gone, None when it is yet to
        say something."""
        try:
            return os.read(self._file, most)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def give_away(self) -> None:
        """The descriptor of a bare socket is somebody else's from now on."""
        self._gone = True

    def is_closing(self) -> bool:
        """Whether nothing can be said any more."""
        return self._gone or (self._real is not None and self._real.is_closing())

    def abort(self) -> None:
        """Let go of the socket at once; a duplicate of it may be in the lot."""
        if self._orders is not None:
            self.order(lambda transport: transport.abort())
        elif not self._gone:
            self._gone = True
            os.close(self._file)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Say ``data``."""
        self.order(lambda transport: transport.write(data))

    def close(self) -> None:
        """Close when all is said."""
        self.order(lambda transport: transport.close())

    def pause_reading(self) -> None:
        """Hear nothing more."""
        self.order(lambda transport: transport.pause_reading())

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Whose the connection is from now on."""
        self.order(lambda transport: transport.set_protocol(protocol))

    def order(self, what: Order) -> None:
        """Do ``what`` with the real transport once there is one, before it reads anything."""
        if self._real is not None:
            what(self._real)
        elif not self._gone:
            if self._orders is None:
                self._orders = []
                task = self._loop.create_task(self._make())
                self._making.add(task)
                task.add_done_callback(self._making.discard)
            self._orders.append(what)

    async def _make(self) -> None:
        accepted = socket.socket(fileno=self._file)
        accepted.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(lambda: _Arrival(self._made), accepted)
        except OSError as error:
            logger.debug("a client was gone before it was answered: %s", error)
            self._gone = True
            self._orders = []
            accepted.close()

    def _made(self, transport: asyncio.Transport) -> None:
        assert self._orders is not None, "somebody ordered it"
        self._real = transport
        orders, self._orders = self._orders, []  # they may hold on to this object
        for what in orders:
            what(transport)


class _Arrival(asyncio.Protocol):
    """Says when the transport is there."""

    def __init__(self, made: Order) -> None:
        self.connection_made = made  # type: ignore[method-assign,assignment]
