"""The only place where bytes become objects and objects bytes: msgpack on the streams, JSON on the sockets."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from protocol.commands import Command
from protocol.events import Entry
from protocol.frames import ClientFrame, ServerFrame

_msgpack = msgspec.msgpack.Encoder()
_json = msgspec.json.Encoder()
_commands = msgspec.msgpack.Decoder(list[Command])
_entry = msgspec.msgpack.Decoder(Entry)
_client_frame: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)
_server_frame: msgspec.json.Decoder[ServerFrame] = msgspec.json.Decoder(ServerFrame)

_UNDECODABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""All that a decoder raises: a string may be no UTF-8, and a thousand brackets in a small frame exhaust the stack."""


class DecodeError(ValueError):
    """The bytes are not what they should be; the message says where and why, without the bytes themselves."""


def encode_commands(commands: Sequence[Command]) -> bytes:
    """A batch for the commands stream."""
    return _msgpack.encode(commands)


def decode_commands(data: bytes) -> list[Command]:
    """The batch of a commands entry. Raises DecodeError."""
    try:
        return _commands.decode(data)
    except _UNDECODABLE as error:
        raise DecodeError(str(error)) from error


def encode_command(command: Command) -> bytes:
    """One command alone: what an Idempotency-Key is compared by."""
    return _msgpack.encode(command)


def encode_entry(entry: Entry) -> bytes:
    """The payload of an events entry; equal entries give equal bytes."""
    return _msgpack.encode(entry)


def decode_entry(data: bytes) -> Entry:
    """The entry of an events payload. Raises DecodeError."""
    try:
        return _entry.decode(data)
    except _UNDECODABLE as error:
        raise DecodeError(str(error)) from error


def encode_frame(frame: ServerFrame | ClientFrame) -> bytes:
    """The UTF-8 JSON text of a frame."""
    return _json.encode(frame)


def decode_client_frame(text: bytes | str) -> ClientFrame:
    """A frame from a client. Raises DecodeError with the path of what is wrong."""
    try:
        return _client_frame.decode(text)
    except _UNDECODABLE as error:
        raise DecodeError(str(error)) from error


def decode_server_frame(text: bytes | str) -> ServerFrame:
    """A frame from the server: for clients, load tools and tests. Raises DecodeError."""
    try:
        return _server_frame.decode(text)
    except _UNDECODABLE as error:
        raise DecodeError(str(error)) from error


def next_chain(previous: bytes, payload: bytes) -> bytes:
    """SHA-256(previous chain ‖ payload): 32 bytes that commit to the whole log up to this entry."""
    return sha256(previous + payload).digest()
