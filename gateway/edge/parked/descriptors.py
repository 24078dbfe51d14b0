"""Bare descriptors: one epoll for all of them, and which slot each belongs to. The only file that makes system calls on
parked sockets.

A descriptor here is a duplicate of the one that the server's transport has, or the only one where no transport was
made. It is watched before a byte of the answer is written: a handshake that is told 101 has a place, and one that
cannot have a place can still be told 503. What a transport then closes is its own copy. The table is cleared when a
socket is lost, and the number is given back to the system only when the turn is over, so an event of this turn never
finds a new owner.
"""

import os
import select
import socket
import struct
from array import array
from collections.abc import Iterator

from gateway.edge.parked.backlog import Bytes

EVENTS_MAX = 256
"""Events taken in one go, so that accepts and the stream's entries come in between."""
NOBODY = -1

_HEAR = select.EPOLLIN | select.EPOLLRDHUP
_HEAR_AND_TAKE = _HEAR | select.EPOLLOUT
_RESET = struct.pack("ii", 1, 0)


class Descriptors:
    """Knows no frames and no states of a socket. ``count`` says how many there are, ``files_max`` how many may be."""

    def __init__(self, files_max: int) -> None:
        self.files_max = files_max
        self.count = 0
        self._epoll = select.epoll()
        self._slot_of = array("i")

    def fileno(self) -> int:
        """Readable when `events` has some."""
        return self._epoll.fileno()

    def adopt(self, descriptor: int, *, shared: bool) -> int | None:
        """Watch ``descriptor``, or a duplicate where it is ``shared``; None when there is no room, and then it is still
        the caller's. It wants a slot: `assign`."""
        if self.count >= self.files_max or self._epoll.closed:
            return None
        try:
            file = os.dup(descriptor) if shared else descriptor
        except OSError:
            return None
        try:
            self._epoll.register(file, _HEAR)
        except OSError:
            if shared:
                os.close(file)
            return None
        self.count += 1
        return file

    def peer(self, file: int) -> str:
        """The address at the other end; "" when it is gone."""
        with socket.socket(fileno=os.dup(file)) as other:
            try:
                return str(other.getpeername()[0])
            except OSError:
                return ""

    def assign(self, file: int, slot: int) -> None:
        """Events of ``file`` are those of ``slot``."""
        missing = file + 1 - len(self._slot_of)
        if missing > 0:
            self._slot_of.extend([NOBODY] * max(missing, len(self._slot_of)))
        self._slot_of[file] = slot

    def events(self) -> Iterator[tuple[int, bool, bool]]:
        """``(slot, may have something to read, may take something)``; who is lost meanwhile is left out."""
        for file, mask in self._epoll.poll(0, EVENTS_MAX):
            slot = self._slot_of[file]
            if slot != NOBODY:
                yield slot, bool(mask & ~select.EPOLLOUT), bool(mask & select.EPOLLOUT)

    @staticmethod
    def read(file: int, count: int) -> bytes | None:
        """What has arrived; empty: nothing will any more. None: nothing yet. Raises OSError: it is broken."""
        try:
            return os.read(file, count)
        except BlockingIOError:
            return None

    @staticmethod
    def write(file: int, data: Bytes) -> int:
        """How much of ``data`` it takes now. Raises OSError: it is broken."""
        try:
            return os.write(file, data)
        except BlockingIOError:
            return 0

    def watch_room(self, file: int, wanted: bool) -> None:
        """Whether room for writing is an event."""
        self._epoll.modify(file, _HEAR_AND_TAKE if wanted else _HEAR)

    @staticmethod
    def shut(file: int) -> None:
        """Nothing more will be written. Raises OSError: it is broken."""
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, file)
        try:
            borrowed.shutdown(socket.SHUT_WR)
        finally:
            borrowed.detach()

    def lose(self, file: int, *, reset: bool) -> None:
        """No more events. ``reset``: what is unwritten need not be kept for the client."""
        self._slot_of[file] = NOBODY
        self._epoll.unregister(file)
        if reset:
            borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, file)
            borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            borrowed.detach()

    def give_back(self, file: int) -> None:
        """The number is the system's again."""
        os.close(file)
        self.count -= 1

    def close(self) -> None:
        """Nothing is adopted any more."""
        self._epoll.close()
