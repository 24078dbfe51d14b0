"""What single TCP sockets hold in the kernel, as the kernel itself counts it, asked by netlink.

Every socket is told with its ``skmem`` (linux/sock_diag.h: bytes with the kernel's own overhead, both directions),
which is what `ss -m` shows; IPv4 only, like the crowds.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_AND_DUMP = 0x301
DONE, FAILED = 3, 2
SKMEMINFO = 7
ALL_STATES = 0xFFFF_FFFF
HELD = (0, 4, 5, 6, 7)
"""Of ``skmem``: taken to read, kept ahead, queued to write, options, backlog. The rest are limits and counts."""
DATAGRAM_BYTES = 1 << 20

_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI48x")
_ANSWER = struct.Struct("=4x4x16s16s12x20x")
_ATTRIBUTE = struct.Struct("=HH")
_SKMEM = struct.Struct("=9I")


def held_bytes(addresses: Iterable[str]) -> int:
    """What the sockets hold of which one end is at one of ``addresses``, both ends of a loopback pair together.

    Raises OSError when the kernel does not tell.
    """
    wanted = {ipaddress.IPv4Address(address).packed.ljust(16, b"\0") for address in addresses}
    return sum(held for source, target, held in _sockets() if source in wanted or target in wanted)


def _sockets() -> Iterable[tuple[bytes, bytes, int]]:
    question = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 1 << (SKMEMINFO - 1), ALL_STATES)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(_HEADER.pack(_HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, REQUEST_AND_DUMP, 1, 0) + question)
        while True:
            data = kernel.recv(DATAGRAM_BYTES)
            while data:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                if kind == DONE:
                    return
                if kind == FAILED:
                    raise OSError("the kernel does not tell of its sockets")
                yield _socket(data[_HEADER.size : length])
                data = data[_aligned(length) :]


def _socket(told: bytes) -> tuple[bytes, bytes, int]:
    source, target = _ANSWER.unpack_from(told)
    at, held = _ANSWER.size, 0
    while at + _ATTRIBUTE.size <= len(told):
        length, kind = _ATTRIBUTE.unpack_from(told, at)
        if kind == SKMEMINFO:
            memory = _SKMEM.unpack_from(told, at + _ATTRIBUTE.size)
            held = sum(memory[which] for which in HELD)
        at += _aligned(length)
    return source, target, held


def _aligned(length: int) -> int:
    return -(-length // 4) * 4
