"""Real sockets for the lot: pairs over loopback, a clock that is set by hand, a handler that remembers."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Set

from gateway.edge.parked.limits import PRODUCT, Limits
from gateway.edge.parked.listening import listening_socket
from gateway.edge.parked.lot import Lot

WAIT_S = 20.0


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until ``condition`` holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0)


class Heard:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, str | bytes]] = []
        self.codes: list[tuple[int, int]] = []
        self.states: list[tuple[int, set[str]]] = []

    def received(self, slot: int, message: str | bytes) -> None:
        self.messages.append((slot, message))

    def closed(self, slot: int, code: int) -> None:
        self.codes.append((slot, code))

    def missed(self, slot: int, states: Set[str]) -> None:
        self.states.append((slot, set(states)))


class Ground:
    """An open lot, its clock, and how to park sockets in it."""

    def __init__(self, limits: Limits, sockets_max: int, stack: contextlib.ExitStack) -> None:
        self.now_s = 0.0
        self.heard = Heard()
        self.lot = Lot(self.heard, sockets_max, limits, clock=lambda: self.now_s)
        self._stack = stack
        self._listener = stack.enter_context(listening_socket("127.0.0.1", 0))
        self._listener.listen()

    def pair(self, receive_buffer: int | None = None) -> tuple[socket.socket, socket.socket]:
        """The client's and the server's end."""
        client = self._stack.enter_context(socket.socket())
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(self._listener.getsockname())
        client.setblocking(False)
        server, _ = self._listener.accept()
        server.setblocking(False)
        return client, server

    def park(self, first: bytes = b"", receive_buffer: int | None = None) -> tuple[socket.socket, int]:
        """A client and the slot of its socket."""
        client, server = self.pair(receive_buffer)
        slot = self.lot.park(server.fileno(), first)
        server.close()
        assert slot is not None
        return client, slot

    def at(self, now_s: float) -> None:
        """Let it be ``now_s``, one second after the other."""
        while self.now_s < now_s:
            self.now_s += 1
            self.lot.turn()

    async def read(self, client: socket.socket, count: int) -> bytes:
        """Exactly ``count`` bytes that the client is told."""
        data = b""
        async with asyncio.timeout(WAIT_S):
            while len(data) < count:
                got = await asyncio.get_running_loop().sock_recv(client, count - len(data))
                assert got, f"it ended after {data!r}"
                data += got
        return data

    async def read_to_end(self, client: socket.socket) -> bytes:
        """Everything until the other side has ended it."""
        data = b""
        async with asyncio.timeout(WAIT_S):
            while got := await asyncio.get_running_loop().sock_recv(client, 65_536):
                data += got
        return data


@contextlib.contextmanager
def ground(limits: Limits = PRODUCT, sockets_max: int = 1_000) -> Iterator[Ground]:
    """Within a running loop."""
    with contextlib.ExitStack() as stack:
        made = Ground(limits, sockets_max, stack)
        made.lot.open()
        try:
            yield made
        finally:
            made.lot.shut()
