"""Frames to clients (RFC 6455 §5.2): never masked, never compressed, never fragmented. Pure.

So a text frame is the same bytes for everybody, and is made once for all who are told the same. What clients say is
read in `inbound`; the plainest of it, one whole short text frame, here.
"""

from websockets.frames import Close

PING = b"\x89\x00"
TEXT = 0x81
BINARY = 0x82
CLOSE = 0x88
PONG = 0x8A
NO_STATUS = 1005
BROKEN = 1006
"""The codes that are never on the wire: the client's close frame had none; there was no close frame."""
INTERNAL_ERROR = 1011
REASON_BYTES_MAX = 123
_MASKED = 0x80
_MASK_BYTES = 4
_SHORT_BYTES_MAX = 125


def frame(first: int, payload: bytes) -> bytes:
    """The frame of ``payload``; ``first`` is its first byte: FIN and the opcode."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65_536:
        return bytes((first, 126, length >> 8, length & 255)) + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload


def text_frame(text: bytes) -> bytes:
    """The frame of ``text``, which is UTF-8."""
    return frame(TEXT, text)


def whole_text(data: bytes) -> str | None:
    """The text that ``data`` says, if it is one whole text frame of a client (masked, §5.3) of at most 125 bytes, and
    nothing else; None for anything else, right or wrong."""
    size = len(data) - 2 - _MASK_BYTES
    if not 0 <= size <= _SHORT_BYTES_MAX or data[0] != TEXT or data[1] != _MASKED | size:
        return None
    mask = data[2 : 2 + _MASK_BYTES] * (size // _MASK_BYTES + 1)
    masked = int.from_bytes(data[2 + _MASK_BYTES :], "big")
    try:
        return (masked ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big").decode()
    except UnicodeDecodeError:
        return None


def close_frame(code: int, reason: str = "") -> bytes:
    """The close frame of ``code``; ``NO_STATUS`` makes an empty one. A reason that is too long is cut."""
    if code == NO_STATUS:
        return frame(CLOSE, b"")
    shown = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
    return frame(CLOSE, Close(code, shown).serialize())
