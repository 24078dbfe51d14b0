"""The costlier way: a socket whose TLS ends in this process. Its bytes must go through the transport that encrypts
them, so it keeps transport, protocol and TLS state (tens of KB instead of some dozen bytes), but no task, and for the
lot it is a slot like any other: same frames, same ladder, same wheel.

A transport takes everything and keeps what the network does not; here it takes nothing more once it keeps anything, so
that states are skipped and slow sockets found as they are for bare descriptors.
"""

import asyncio

from gateway.edge.parked.backlog import Bytes
from gateway.edge.parked.lot import Lot
from gateway.edge.parked.port import Owner

CHUNK_BYTES = 16_384


class Slim(asyncio.Protocol):
    """The port of one TLS socket. ``moor`` makes it one."""

    __slots__ = ("_lot", "_paused", "_slot", "_transport")

    def __init__(self, lot: Lot, transport: asyncio.Transport) -> None:
        self._lot = lot
        self._transport: asyncio.Transport | None = transport
        self._slot: int | None = None
        self._paused = False

    def moor(self, first: bytes, owner: Owner | None) -> int:
        """Take the transport over from the protocol it has; its slot."""
        assert self._transport is not None
        self._transport.set_protocol(self)
        self._transport.set_write_buffer_limits(high=1, low=0)
        self._transport.resume_reading()
        self._slot = self._lot.moor(self, first, owner)
        return self._slot

    # Port

    def write(self, data: Bytes) -> int:
        """Take chunk after chunk until the network does not keep up."""
        taken = 0
        while taken < len(data) and not self._paused and self._transport is not None:
            chunk = data[taken : taken + CHUNK_BYTES]
            self._transport.write(chunk)
            taken += len(chunk)
        return taken

    def shut(self) -> None:
        """TLS has no half-open state: what is written goes out, then it is over."""
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        """Let go of slot and transport."""
        self._slot = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """The client said something."""
        if self._slot is not None:
            self._lot.feed(self._slot, data)

    def pause_writing(self) -> None:
        """The network takes no more."""
        self._paused = True

    def resume_writing(self) -> None:
        """The network has taken all."""
        self._paused = False
        if self._slot is not None:
            self._lot.room(self._slot)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._transport = None
        if self._slot is not None:
            self._lot.lost(self._slot)
