"""The opening handshake, server's side (RFC 6455 §4.2), as values: headers in, an offer or a fault out. Pure.

Rules. Header names come in lower case, as every ASGI server gives them; values and tokens are compared in any case, and
a list may be spread over several headers (RFC 9110 §5.3). Where one value is meant, a second one is a fault, because
two readers of the same request must never see two different ones. No extension is ever agreed to. Which subprotocol is
spoken is the app's choice among those offered.

Hands over to: `gateway.edge.parked.upgrade`, which lets the app decide.
"""

import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

Headers = Sequence[tuple[bytes, bytes]]

VERSION = b"13"
KEY_BYTES = 16
OWN_HEADERS = frozenset(
    {b"connection", b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol"}
)

_READ = frozenset(
    {
        b"host",
        b"upgrade",
        b"connection",
        b"content-length",
        b"transfer-encoding",
        b"sec-websocket-version",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
    }
)
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_ENDING_HEADERS = frozenset({b"connection", b"content-length", b"transfer-encoding"})
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
_ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "


@dataclass(frozen=True, slots=True)
class Offer:
    """A sound request: its key and the subprotocols that the client speaks, its favourite first."""

    key: bytes
    subprotocols: list[str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is no handshake: the status that answers it, a sentence, and headers that help."""

    status: HTTPStatus
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def wants_websocket(headers: Headers) -> bool:
    """Whether the request asks for a WebSocket at all; if so `check` says whether it does so properly."""
    return b"websocket" in _tokens(headers, b"upgrade") and b"upgrade" in _tokens(headers, b"connection")


def check(method: str, http_version: str, headers: Headers) -> Offer | Fault:
    """Read a request that wants a WebSocket (RFC 6455 §4.2.1)."""
    if method != "GET":
        return Fault(HTTPStatus.METHOD_NOT_ALLOWED, "A WebSocket begins with GET.", ((b"Allow", b"GET"),))
    if http_version != "1.1":
        return Fault(HTTPStatus.BAD_REQUEST, "A WebSocket begins with HTTP/1.1.")
    values = _values(headers)
    host = values.get(b"host", [])
    if len(host) != 1 or not host[0]:
        return Fault(HTTPStatus.BAD_REQUEST, "Exactly one Host is needed.")
    if b"transfer-encoding" in values or any(length != b"0" for length in values.get(b"content-length", ())):
        return Fault(HTTPStatus.BAD_REQUEST, "A handshake has no body.")
    if not (_has(values, b"upgrade", b"websocket") and _has(values, b"connection", b"upgrade")):
        return Fault(HTTPStatus.BAD_REQUEST, "Upgrade: websocket and Connection: Upgrade are needed.")
    if values.get(b"sec-websocket-version") != [VERSION]:
        return Fault(HTTPStatus.UPGRADE_REQUIRED, "Version 13 is spoken here.", ((b"Sec-WebSocket-Version", VERSION),))
    keys = values.get(b"sec-websocket-key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        return Fault(HTTPStatus.BAD_REQUEST, "Exactly one Sec-WebSocket-Key of 16 bytes is needed.")
    return _offer(keys[0], values.get(b"sec-websocket-protocol", ()))


def offer_in(headers: Headers) -> Offer | None:
    """The offer of a GET over HTTP/1.1, or None for what is none; which fault it has `check` says."""
    checked = check("GET", "1.1", headers)
    return checked if isinstance(checked, Offer) else None


def accept_key(key: bytes) -> bytes:
    """What proves to the client that its handshake was understood (RFC 6455 §4.2.2)."""
    return binascii.b2a_base64(hashlib.sha1(key + _GUID, usedforsecurity=False).digest(), newline=False)


def answer(key: bytes, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """The 101 with the app's subprotocol and headers.

    Raises:
        ValueError: a header that is none, or that is not the app's to set.
    """
    parts = [_ANSWER, accept_key(key), b"\r\n"]
    if subprotocol is not None:
        parts += (b"Sec-WebSocket-Protocol: ", subprotocol.encode(), b"\r\n")
    for name, value in headers:
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"the header {name!r} is the handshake's own")
        parts.append(header_line(name, value))
    parts.append(b"\r\n")
    return b"".join(parts)


def refusal(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A whole answer that is no 101; the connection ends with it. Raises ValueError as `answer`."""
    if not 200 <= status < 600:
        raise ValueError(f"{status} is no status of an answer")
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b""))]
    lines += [header_line(name, value) for name, value in headers if name.lower() not in _ENDING_HEADERS]
    lines.append(b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
    return b"".join([*lines, body])


def header_line(name: bytes, value: bytes) -> bytes:
    """One header. Raises ValueError for what would be more than one, or none."""
    if not (_TOKEN.match(name) and _VALUE.match(value)):
        raise ValueError(f"{name!r}: {value!r} is no header")
    return b"%b: %b\r\n" % (name, value)


def _offer(key: bytes, lists: Sequence[bytes]) -> Offer | Fault:
    if not lists:
        return Offer(key, [])
    offered = [token.strip() for value in lists for token in value.split(b",")]
    names = [token for token in offered if token]
    if not all(_TOKEN.match(name) for name in names) or len(set(names)) != len(names):
        return Fault(HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Protocol is a list of different tokens.")
    return Offer(key, [name.decode("ascii") for name in names])


def _is_key(value: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == KEY_BYTES
    except binascii.Error:
        return False


def _tokens(headers: Headers, wanted: bytes) -> set[bytes]:
    return {token.strip().lower() for name, value in headers if name == wanted for token in value.split(b",")}


def _values(headers: Headers) -> dict[bytes, list[bytes]]:
    """The values of every header that matters here, by name."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _READ:
            values.setdefault(name, []).append(value.strip())
    return values


def _has(values: dict[bytes, list[bytes]], name: bytes, wanted: bytes) -> bool:
    found = values.get(name, ())
    if len(found) == 1 and found[0].lower() == wanted:
        return True  # as nearly everybody says it
    return any(token.strip().lower() == wanted for value in found for token in value.split(b","))
