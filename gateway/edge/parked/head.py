"""The head of a GET as its bytes, read in one go: for the ten thousand who ask for a WebSocket at once. Pure.

Only what is beyond doubt is read here: one whole head in origin form (RFC 9112 §3.2.1) with ordinary fields, no line
folded, no byte that a stricter reader might refuse. Whatever else there is, is left to the server's own parser, so
there is never a request that two readers understand differently.

Hands over to: `handshake`, which says whether it is a sound request for a WebSocket.
"""

import re
from typing import NamedTuple

_HEAD = re.compile(
    rb"GET (/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)
_LINE_END = b"\r\n"
_BLANK = b" \t"


class Head(NamedTuple):
    """``end``: where it ends in the bytes that were read. Names of ``headers`` are in lower case."""

    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    end: int


def read(data: bytes) -> Head | None:
    """The head that ``data`` begins with, or None if it is not one of the plain ones."""
    match = _HEAD.match(data)
    if match is None:
        return None
    path, query, lines = match.groups()
    headers = []
    for line in lines.split(_LINE_END)[:-1]:
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip(_BLANK)))
    return Head(path, query or b"", headers, match.end())
