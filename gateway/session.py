"""One consumer's conversation over one socket, without any I/O: a client's frame in, what it asks for out.

A `Socket` is all that the gateway keeps of a connection: who it belongs to, which paths it watches, its line, and two
integers that limit how often it may speak. Several sockets of one consumer are equals. What is asked for is a value
(`Ask`, `Watch`, `Say`, `Close`); the room carries it out.

Hands over to: `gateway.rooms`.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from gateway import told
from gateway.edge.line import Line
from protocol import codec
from protocol.close_codes import CloseCode
from protocol.commands import Attach, Decline, Join, Leave, Rejoin
from protocol.frames import (
    ClientFrame,
    DeclineFrame,
    JoinFrame,
    LeaveFrame,
    OkFrame,
    PingFrame,
    Ref,
    RejoinFrame,
    UnwatchFrame,
    WatchFrame,
)
from protocol.refusals import Reason, Refusal
from protocol.sessions import Session

BURST_SECONDS = 2
MILLI = 1_000


FrameCommand = Join | Leave | Decline | Rejoin
ArrivalCommand = Join | Attach


class _AnyFrame(msgspec.Struct):
    """What every frame may have, whatever its type."""

    ref: Ref | UnsetType = UNSET


_any_frame = msgspec.json.Decoder(_AnyFrame)


class Ask(NamedTuple):
    """Send ``command`` to the engine; its answer repeats ``ref``."""

    command: FrameCommand
    path: str
    ref: Ref | None


class Watch(NamedTuple):
    """Begin or end to tell the states of ``path``."""

    path: str
    on: bool
    ref: Ref | None


class Say(NamedTuple):
    """Tell ``frame`` to this socket alone."""

    frame: bytes


class Close(NamedTuple):
    """End the socket."""

    code: int


Wish = Ask | Watch | Say | Close


class Socket:
    """One connection of ``consumer``, whose session ends at ``expires`` (epoch seconds).

    ``watched`` None: every path that it may see. ``opening``: how many answers of its handshake are still to come;
    ``on_open`` is called when they have. ``told_ms``: when it was last told anything (our monotonic clock).
    """

    __slots__ = (
        "_budget",
        "_budget_at_ms",
        "consumer",
        "expires",
        "level",
        "line",
        "on_open",
        "opening",
        "told_ms",
        "watched",
    )

    def __init__(self, session: Session, line: Line, watched: frozenset[str] | None) -> None:
        self.consumer = session.consumer
        self.level = session.level
        self.expires = session.expires
        self.line = line
        self.watched = watched
        self.opening = 0
        self.on_open: Callable[[], None] | None = None
        self.told_ms = 0
        self._budget = -1
        self._budget_at_ms = 0

    def watches(self, path: str) -> bool:
        """Whether it is told the states of ``path``."""
        return self.watched is None or path in self.watched

    def tell(self, frame: bytes, state: str | None, now_ms: int) -> None:
        """Tell it ``frame``; ``state`` as for `Line.tell`."""
        self.told_ms = now_ms
        self.line.tell(frame, state)

    def may_speak(self, now_ms: int, per_second: int) -> bool:
        """Take one frame of its budget: ``per_second``, and ``BURST_SECONDS`` of them at once."""
        full = per_second * BURST_SECONDS * MILLI
        earned = (now_ms - self._budget_at_ms) * per_second
        self._budget = full if self._budget < 0 else min(full, self._budget + earned)
        self._budget_at_ms = now_ms
        if self._budget < MILLI:
            return False
        self._budget -= MILLI
        return True


def hear(socket: Socket, data: str | bytes, monotonic_ms: int, log_ms: int, per_second: int) -> list[Wish]:
    """What a message of the client asks for. Text is a frame; bytes are refused; too many end the socket."""
    if not socket.may_speak(monotonic_ms, per_second):
        limit = f"at most {per_second} frames a second"
        return [Say(_error(Refusal(Reason.TOO_MANY, {"detail": limit}))), Close(CloseCode.TOO_MANY_FRAMES)]
    if isinstance(data, bytes):
        return [Say(_error(Refusal(Reason.BAD_FRAME, {"detail": "frames are JSON text, not binary"})))]
    try:
        frame = codec.decode_client_frame(data)
    except (codec.DecodeError, RecursionError) as error:
        return [Say(_error(Refusal(Reason.BAD_FRAME, {"detail": str(error)}), _ref_of(data)))]
    return [wish(frame, socket.consumer, socket.level, log_ms)]


def wish(frame: ClientFrame, consumer: bytes, level: int, log_ms: int) -> Ask | Watch | Say:
    """What a client's frame asks for."""
    ref = None if frame.ref is UNSET else frame.ref
    match frame:
        case JoinFrame(path=path):
            return Ask(Join(consumer, path, level=level), path, ref)
        case LeaveFrame(path=path):
            return Ask(Leave(consumer, path), path, ref)
        case DeclineFrame(path=path):
            return Ask(Decline(consumer, path), path, ref)
        case RejoinFrame(path=path):
            return Ask(Rejoin(consumer, path, level=level), path, ref)
        case WatchFrame(path=path):
            return Watch(path, True, ref)
        case UnwatchFrame(path=path):
            return Watch(path, False, ref)
        case PingFrame():
            return Say(ok(ref, log_ms))


def ok(ref: Ref | None, log_ms: int) -> bytes:
    """The frame that answers what no other frame answers."""
    return codec.encode_frame(OkFrame(log_ms, UNSET if ref is None else ref))


def _ref_of(data: str) -> Ref | None:
    """The ``ref`` of a frame that is wrong otherwise, so that whoever sent it learns which one was."""
    try:
        ref = _any_frame.decode(data).ref
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
    return None if ref is UNSET else ref


def _error(refusal: Refusal, ref: Ref | None = None) -> bytes:
    return codec.encode_frame(told.error(refusal, ref=ref))
