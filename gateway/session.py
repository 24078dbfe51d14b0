"""One consumer's conversation over one socket, without any I/O: a client's frame in, what it asks for out.

What is asked for is a value (`Ask`, `Watch`, `Say`, `Deny`, `Close`); the room carries it out.

Hands over to: `gateway.conversations`.
"""

import re
from typing import NamedTuple, get_args

import msgspec
from msgspec import UNSET, UnsetType

from gateway.wishes import command_of
from protocol import codec
from protocol.close_codes import CloseCode
from protocol.commands import Attach, Command, Join
from protocol.frame_base import Ref
from protocol.frames import ClientFrame, OkFrame, PingFrame, UnwatchFrame, WatchFrame
from protocol.kind_frames import CodeFrame
from protocol.refusals import Reason, Refusal
from protocol.replica import Replica

ArrivalCommand = Join | Attach


class _AnyFrame(msgspec.Struct):
    """What every frame may have, whatever its type."""

    ref: Ref | UnsetType = UNSET


_TYPES = ", ".join(sorted(str(frame.__struct_config__.tag) for frame in get_args(ClientFrame)))
_OF_TYPE = re.compile(r" at `\$\.type`\Z| field `type`\Z")
"""How the decoder says that the type is wrong, or is not there."""

_any_frame = msgspec.json.Decoder(_AnyFrame)


class Ask(NamedTuple):
    """Send ``command`` to the engine; its answer repeats ``ref``."""

    command: Command
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


class Deny(NamedTuple):
    """Tell this socket alone that it is refused."""

    refusal: Refusal
    path: str = ""
    ref: Ref | None = None


class Close(NamedTuple):
    """End the socket."""

    code: int


Wish = Ask | Watch | Say | Deny | Close


def hear(consumer: bytes, level: int, data: str | bytes, replica: Replica, log_ms: int) -> Wish:
    """What a message of ``consumer`` asks for, as ``replica`` stands. Text is a frame; bytes are refused."""
    if isinstance(data, bytes):
        return Deny(Refusal(Reason.BAD_FRAME, {"detail": "frames are JSON text, not binary"}))
    try:
        frame = codec.decode_client_frame(data)
    except (codec.DecodeError, RecursionError) as error:
        return Deny(bad_frame(error), ref=_ref_of(data))
    return wish(frame, consumer, level, replica, log_ms)


def bad_frame(error: Exception) -> Refusal:
    """The refusal of what is no frame, as ``error`` of the decoder says, with the types that there are."""
    detail = str(error)
    of_type = {"field": "type", "allowed": _TYPES} if _OF_TYPE.search(detail) else {}
    return Refusal(Reason.BAD_FRAME, {"detail": detail, **of_type})


def hear_too_much(per_second: int) -> list[Wish]:
    """What becomes of a socket that says more than ``per_second`` frames."""
    limit = f"at most {per_second} frames a second"
    return [Deny(Refusal(Reason.TOO_MANY, {"detail": limit})), Close(CloseCode.TOO_MANY_FRAMES)]


def wish(frame: ClientFrame, consumer: bytes, level: int, replica: Replica, log_ms: int) -> Ask | Watch | Say | Deny:
    """What a client's frame asks for."""
    ref = None if frame.ref is UNSET else frame.ref
    match frame:
        case WatchFrame(path=path):
            return Watch(path, True, ref)
        case UnwatchFrame(path=path):
            return Watch(path, False, ref)
        case PingFrame():
            return Say(ok(ref, log_ms))
    path = "" if isinstance(frame, CodeFrame) else frame.path
    try:
        return Ask(command_of(frame, consumer, level, replica), path, ref)
    except ValueError as error:
        return Deny(Refusal(Reason.INVALID, {"detail": str(error)}), path, ref)


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
