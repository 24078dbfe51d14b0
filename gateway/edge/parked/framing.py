"""Frames to clients (RFC 6455 §5.2): never masked, never compressed, never fragmented. Pure.

So a text frame is the same bytes for everybody, and is made once for all who are told the same.
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


def close_frame(code: int, reason: str = "") -> bytes:
    """The close frame of ``code``; ``NO_STATUS`` makes an empty one. A reason that is too long is cut."""
    if code == NO_STATUS:
        return frame(CLOSE, b"")
    shown = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
    return frame(CLOSE, Close(code, shown).serialize())
