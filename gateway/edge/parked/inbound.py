"""What one client says, bytes in, messages and replies out (RFC 6455 §5 and §7). Sans-I/O.

It exists only while there is something that must not be forgotten: a frame or a message that is not whole yet, a close
that is on its way. Once `forgettable` it is dropped, and the next byte makes a new one, so a client that says nothing
costs nothing. Frames are parsed by `websockets`; messages, their bounds and the close are put together here, because
only so is it known where a frame ends.

Rules. A control frame between fragments is answered before the message that it interrupts (§5.4). Text that is no
UTF-8 ends it with 1007 at the fragment where it goes wrong, an unmasked frame with 1002, more bytes or fragments than
a message may have with 1009. After its end nothing more is read.

Hands over to: `gateway.edge.parked.lot`, which passes messages on and writes replies.
"""

import codecs
from collections.abc import Generator, Iterator
from typing import NamedTuple

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close, Frame, Opcode

from gateway.edge.parked.framing import CLOSE, NO_STATUS, PONG, close_frame, frame
from gateway.edge.parked.limits import Limits
from protocol.close_codes import CloseCode

CONTROL_BYTES_MAX = 125

Message = str | bytes
_utf8 = codecs.getincrementaldecoder("utf-8")


class Reply(NamedTuple):
    """A frame that the protocol itself wants to be written."""

    frame: bytes


class Inbound:
    """The unfinished business of one client. ``ended`` is the close code once it has said its last word, else None."""

    __slots__ = ("_buffer", "_decoder", "_fragments", "_limits", "_parser", "_parts", "_size", "ended", "frames")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._parser: Generator[None, None, Frame] | None = None
        self._parts: list[str] | list[bytes] | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._size = self._fragments = 0
        self.frames = 0
        self.ended: int | None = None

    @property
    def forgettable(self) -> bool:
        """Nothing is half said."""
        return self._parser is None and self._parts is None and not self._buffer and self.ended is None

    def feed(self, data: bytes) -> Iterator[Message | Reply]:
        """Take in ``data``; yield messages and replies in order. The last reply of one that ended is its close."""
        self._buffer += data
        while self.ended is None and (self._buffer or self._parser is not None):
            try:
                whole = self._next_frame()
                if whole is None:
                    return
                yield from self._take(whole)
            except PayloadTooBig:
                yield self._fail(CloseCode.TOO_BIG, "message too big")
            except UnicodeDecodeError:
                yield self._fail(CloseCode.BAD_DATA, "not UTF-8")
            except ProtocolError as error:
                yield self._fail(CloseCode.PROTOCOL_ERROR, str(error))
        if self.ended is not None:
            self._buffer.clear()

    def _next_frame(self) -> Frame | None:
        if self._parser is None:
            room = max(self._limits.message_bytes_max - self._size, CONTROL_BYTES_MAX)
            self._parser = Frame.parse(self._exactly, mask=True, max_size=room)
        try:
            next(self._parser)
        except StopIteration as done:
            self._parser = None
            self.frames += 1
            whole: Frame = done.value
            return whole
        return None

    def _exactly(self, count: int) -> Generator[None, None, bytearray]:
        while len(self._buffer) < count:
            yield
        taken = self._buffer[:count]
        del self._buffer[:count]
        return taken

    def _take(self, whole: Frame) -> Iterator[Message | Reply]:
        if whole.opcode is Opcode.PING:
            yield Reply(frame(PONG, bytes(whole.data)))
        elif whole.opcode is Opcode.CLOSE:
            yield self._closed(bytes(whole.data))
        elif whole.opcode is not Opcode.PONG:
            yield from self._take_data(whole)

    def _closed(self, payload: bytes) -> Reply:
        self.ended = Close.parse(payload).code
        return Reply(frame(CLOSE, payload[:2]))

    def _take_data(self, whole: Frame) -> Iterator[Message]:
        if (whole.opcode is Opcode.CONT) != (self._parts is not None):
            raise ProtocolError("a fragment out of place")
        self._size += len(whole.data)
        self._fragments += 1
        if self._size > self._limits.message_bytes_max or self._fragments > self._limits.fragments_max:
            raise PayloadTooBig(self._size, self._limits.message_bytes_max)
        if self._parts is None:
            self._parts = []
            self._decoder = _utf8() if whole.opcode is Opcode.TEXT else None
        data = bytes(whole.data)
        part = data if self._decoder is None else self._decoder.decode(data, whole.fin)
        self._parts.append(part)  # type: ignore[arg-type]  # all of one message are of one kind
        if whole.fin:
            yield self._message()

    def _message(self) -> Message:
        parts = self._parts
        assert parts is not None
        empty: Message = b"" if self._decoder is None else ""
        self._parts = self._decoder = None
        self._size = self._fragments = 0
        return empty.join(parts)  # type: ignore[arg-type]

    def _fail(self, code: CloseCode, reason: str) -> Reply:
        self.ended = code
        self._parser = None
        return Reply(close_frame(code, reason))


assert NO_STATUS == Close.parse(b"").code, "an empty close frame has no status"
