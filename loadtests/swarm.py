"""The swarm: one client process that holds thousands of sockets in a few MB, joins, listens, and checks what it hears.

A client socket is a bare descriptor and a few bytes in arrays; the handshake is canned; every frame is read, and if it
is text, its few fields that matter are checked: nothing before ``welcome``, no ``position`` before ``joined``, no
position that rises but for a forgiven missed turn, no instant that is older than the one before. Pings are answered,
and who is told to come back comes back. Source addresses 127.0.x.y give it more ports than one address has. It only
ever visits this machine.

As a library: `Swarm.connect`, `Swarm.listen`, `Swarm.drop`; what has been seen is in `Swarm.seen`. As a command:
``python -m loadtests.swarm ws://127.0.0.1:8000/v1/experiences/demo/live --sockets 10000 --join general``.
"""

from __future__ import annotations

import errno
import heapq
import os
import resource
import select
import socket
import struct
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec
import typer

from loadtests.swarm_seen import Seen
from loadtests.swarm_target import Target

FILES_KEPT = 64
SOCKETS_PER_SOURCE = 2_000
"""Few enough that the kernel finds a free port at once."""
SOURCES_MAX = 60_000
READ_BYTES = 65_536
EVENTS_MAX = 1_024
POLL_S = 0.05
RETURN_MS = 100
RETURN_DOUBLED_MAX = 5
"""After which a swarm whose clients return does so, if it was not told when; each failure doubles it, so many times."""
NO_FILE = -1
NO_PORT_YET = 24
"""IP_BIND_ADDRESS_NO_PORT: the port is chosen at connect, so that only the pair must be unique."""
ATTACH_FILTER = 26
BPF_RETURN = 6
"""A socket filter of this one instruction, with 0: keep no byte of any packet."""

CLOSED, ASKED, OPEN = range(3)
TEXT, CLOSE, PING = 0x81, 0x88, 0x89
PONG = b"\x8a\x80\x00\x00\x00\x00"
_HEAR = select.EPOLLIN | select.EPOLLRDHUP
_ASK = _HEAR | select.EPOLLOUT


class Swarm:
    """``sockets`` clients of ``target``. ``session`` gives the token of each; ``returning``: who is sent away with a
    ``reconnect``, or loses its socket, comes back; ``first_source``: the first of its source addresses, so that swarms
    beside each other do not share their ports; ``receive_bytes``: the receive buffer asked of the kernel."""

    def __init__(
        self,
        target: Target,
        sockets: int,
        *,
        session: Callable[[int], str] | None = None,
        returning: bool = False,
        checking: bool = True,
        first_source: int = 0,
        receive_bytes: int | None = None,
    ) -> None:
        self.seen = Seen(sockets, joining=target.join is not None)
        self.open = 0
        self._target = target
        self._session = session
        self._returning = returning
        self._checking = checking
        self._first_source = first_source
        self._receive_bytes = receive_bytes
        self._deaf = False
        self._files = array("i", [NO_FILE]) * sockets
        self._states = bytearray(sockets)
        self._failures = bytearray(sockets)
        self._who = array("i")
        self._partial: dict[int, bytes] = {}
        self._after_ms: dict[int, int] = {}
        self._due: list[tuple[float, int]] = []
        self._asked = 0
        self._epoll = select.epoll()

    def connect(self, *, at_once: int = 256, timeout_s: float = 60.0, patient: bool = True) -> None:
        """Open every socket that is not, ``at_once`` in flight, until each is answered. ``patient``: refusals with
        ``Retry-After`` are obeyed. Raises TimeoutError."""
        waiting = [who for who in range(len(self._files)) if self._states[who] == CLOSED]
        waiting.reverse()
        deadline = time.monotonic() + timeout_s
        while waiting or self._asked or (patient and self._due):
            while waiting and self._asked < at_once:
                self._ask(waiting.pop())
            self._turn(0.0 if waiting and self._asked < at_once else POLL_S)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.open} of {len(self._files)} sockets are open after {timeout_s} s")

    def listen(self, until: Callable[[], bool], timeout_s: float) -> None:
        """Hear everybody until ``until`` says so. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not until():
            self._turn(POLL_S)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so after {timeout_s} s")

    def turn(self) -> None:
        """Hear whoever has something to say, for at most ``POLL_S``."""
        self._turn(POLL_S)

    def stop_reading(self) -> None:
        """From now on nobody reads; who is thrown out notices."""
        self._deaf = True
        for file in self._files:
            if file != NO_FILE:
                self._epoll.modify(file, 0)

    def cut_off(self) -> None:
        """From now on every packet to us is dropped, as if the cables were cut: nothing is acknowledged."""
        nothing = array("H", [BPF_RETURN, 0, 0, 0])
        program = struct.pack("HxxxxxxQ", 1, nothing.buffer_info()[0])
        for file in self._files:
            if file != NO_FILE:
                with socket.socket(fileno=os.dup(file)) as one:
                    one.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)

    def drop(self, *, reset: bool = False) -> None:
        """Leave without a word, all at once. ``reset``: the other side is told by a reset."""
        for who, file in enumerate(self._files):
            if file != NO_FILE:
                self._forget(who, reset=reset)
        self._due.clear()

    # One socket

    def _ask(self, who: int) -> None:
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_IP, NO_PORT_YET, 1)
        if self._receive_bytes is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        made.bind((source_address(self._first_source + who // SOCKETS_PER_SOURCE), 0))
        failed = made.connect_ex(self._target.address)
        if failed not in (0, errno.EINPROGRESS):
            made.close()
            raise OSError(failed, os.strerror(failed))
        file = made.detach()
        self._files[who] = file
        self._states[who] = ASKED
        self._asked += 1
        if file >= len(self._who):
            self._who.extend([NO_FILE] * (file + 1))
        self._who[file] = who
        self._epoll.register(file, _HEAR if self._send_request(who) else _ASK)

    def _send_request(self, who: int) -> bool:
        request = self._target.request(None if self._session is None else self._session(who))
        try:
            return os.write(self._files[who], request) == len(request)
        except OSError:
            return False  # not connected yet, or refused: epoll will say which

    def _turn(self, wait_s: float) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            self._ask(heapq.heappop(self._due)[1])
        for file, mask in self._epoll.poll(wait_s, EVENTS_MAX):
            who = self._who[file]
            if mask & select.EPOLLOUT and self._states[who] == ASKED and not mask & select.EPOLLERR:
                self._send_request(who)
                self._epoll.modify(file, _HEAR)
            if self._deaf and self._states[who] == OPEN:
                self._lost(who)
            elif mask & ~select.EPOLLOUT:
                self._hear(who, file)

    def _hear(self, who: int, file: int) -> None:
        try:
            data = os.read(file, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(who)
            return
        partial = self._partial.pop(who, None)
        data = data if partial is None else partial + data
        if self._states[who] == ASKED:
            answered = self._answered(who, data)
            if answered is None:
                return
            data = answered
        self._read(who, data)

    def _answered(self, who: int, data: bytes) -> bytes | None:
        """What follows the answer's head, or None while there is none, or if it is a no."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._partial[who] = data
            return None
        if not self._target.is_yes(data[:end]):
            self.seen.refused += 1
            self._after_ms[who] = self._target.retry_after_ms(data[:end])
            self._lost(who)
            return None
        self._states[who] = OPEN
        self._failures[who] = 0
        self._asked -= 1
        self.open += 1
        self.seen.opened += 1
        return data[end + 4 :]

    def _read(self, who: int, data: bytes) -> None:
        taken = 0
        for first, payload, end in frames(data):
            taken = end
            if first == TEXT:
                self._told(who, payload)
            elif first == PING:
                self._say(who, PONG)
            elif first == CLOSE:
                self.seen.close_codes[int.from_bytes(payload[:2], "big")] += 1
                self._lost(who)
                return
        if taken < len(data):
            self._partial[who] = data[taken:]

    def _told(self, who: int, text: bytes) -> None:
        if not self._checking:
            self.seen.count(text)
            return
        told = self.seen.check(who, text)
        if told.type == "reconnect":
            self._after_ms[who] = told.after_ms
        elif told.type == "welcome" and self._session is None and self._target.join is not None:
            self._say(who, self._target.join_frame)

    def _say(self, who: int, frame: bytes) -> None:
        try:
            os.write(self._files[who], frame)
        except OSError:
            self.seen.unsaid += 1

    def _lost(self, who: int) -> None:
        if self._states[who] == OPEN:
            self.seen.lost += 1
        else:
            self._failures[who] = min(self._failures[who] + 1, RETURN_DOUBLED_MAX)
        self._forget(who)
        after_ms = self._after_ms.pop(who, RETURN_MS << self._failures[who] if self._returning else 0)
        if after_ms:
            heapq.heappush(self._due, (time.monotonic() + after_ms / 1_000, who))

    def _forget(self, who: int, *, reset: bool = False) -> None:
        if self._states[who] == OPEN:
            self.open -= 1
        else:
            self._asked -= 1
        file, self._files[who] = self._files[who], NO_FILE
        self._states[who] = CLOSED
        self._partial.pop(who, None)
        self.seen.begin(who)
        gone = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, file)
        if reset:
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()


def frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The whole frames at the beginning of ``data``: first byte, payload, and where it ends in ``data``."""
    at, length = 0, len(data)
    while at + 2 <= length:
        size, head = data[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        end = at + head + size
        if at + head > length or end > length:
            return
        yield data[at], data[at + head : end], end
        at = end


def sources_of(sockets: int) -> int:
    """How many source addresses a swarm of so many takes."""
    return -(-sockets // SOCKETS_PER_SOURCE)


def source_address(number: int) -> str:
    """The loopback address of that number."""
    source = 256 + number % SOURCES_MAX
    return f"127.0.{source >> 8}.{source & 255}"


def raise_file_limit(sockets: int) -> None:
    """Let this process have so many sockets. Raises ValueError when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if sockets + FILES_KEPT > hard:
        raise ValueError(f"{sockets} sockets need a file limit of {sockets + FILES_KEPT}; it is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, sockets + FILES_KEPT), hard))


def main(
    url: Annotated[str, typer.Argument(help="ws://127.0.0.1:PORT/PATH")],
    sockets: Annotated[int, typer.Option(min=1, max=1_000_000)] = 1_000,
    seconds: Annotated[float, typer.Option(min=0.0, max=3_600.0, help="How long to listen.")] = 10.0,
    join: Annotated[str | None, typer.Option(help="Path to join; empty: by priority.")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=100_000, help="Handshakes in flight.")] = 256,
    returning: Annotated[bool, typer.Option(help="Come back when a socket is lost.")] = False,
    checking: Annotated[bool, typer.Option(help="Look into frames; without, they are only counted.")] = True,
    timeout_s: Annotated[float, typer.Option(min=1.0, help="For all to connect.")] = 120.0,
) -> None:
    """Hold sockets, and print what they saw as one line of JSON."""
    raise_file_limit(sockets)
    swarm = Swarm(Target.of(url, join), sockets, returning=returning, checking=checking)
    begun, cpu = time.monotonic(), time.process_time()
    swarm.connect(at_once=at_once, timeout_s=timeout_s)
    figures = {"connect_s": round(time.monotonic() - begun, 3), "connect_cpu_s": round(time.process_time() - cpu, 3)}
    end = time.monotonic() + seconds
    swarm.listen(lambda: time.monotonic() >= end, seconds + timeout_s)
    sys.stdout.write(msgspec.json.encode({"open": swarm.open, **figures, **swarm.seen.figures()}).decode() + "\n")


if __name__ == "__main__":
    typer.run(main)
