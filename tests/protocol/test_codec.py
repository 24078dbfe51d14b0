"""The codec: what is not what it should be raises one error, whatever it is, and the chain holds every byte."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec
from protocol.commands import Join
from protocol.events import Entry
from protocol.frames import PingFrame
from tests.support.samples import consumer

DECODERS: list[Callable[[bytes], Any]] = [
    codec.decode_commands,
    codec.decode_entry,
    codec.decode_client_frame,
    codec.decode_server_frame,
]


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary(max_size=200))
def test_bytes_from_anywhere_decode_or_raise_a_decode_error(decode: Callable[[bytes], Any], data: bytes) -> None:
    try:
        decode(data)
    except codec.DecodeError as error:
        assert str(error)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=5), st.data())
def test_a_batch_with_a_changed_byte_is_another_batch_or_none(ids: list[bytes], data: st.DataObject) -> None:
    batch = [Join(one) for one in ids]
    encoded = bytearray(codec.encode_commands(batch))
    index = data.draw(st.integers(0, len(encoded) - 1))
    encoded[index] ^= data.draw(st.integers(1, 255))
    try:
        assert codec.decode_commands(bytes(encoded)) != batch
    except codec.DecodeError as error:
        assert error.__cause__ is not None


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        "\ud800",
        "",
        "[]",
        "{}",
        '{"type": "jump"}',
        '{"type": "leave"}',
        '{"type": "leave", "path": ""}',
        '{"type": "leave", "path": 1}',
        '{"type": "ping", "ref": 1.5}',
        '{"type": "ping"} {}',
        '{"type": "ping", "x": ' + "[" * 2_000,
    ],
)
def test_a_wrong_frame_is_refused(text: bytes | str) -> None:
    for decode in (codec.decode_client_frame, codec.decode_server_frame):
        with pytest.raises(codec.DecodeError):
            decode(text)


def test_a_newer_clients_field_is_let_pass() -> None:
    assert codec.decode_client_frame('{"type": "ping", "ref": "a", "mood": "good"}') == PingFrame(ref="a")


def test_an_unknown_command_is_refused_with_its_place() -> None:
    with pytest.raises(codec.DecodeError, match=r"\$\[0\]"):
        codec.decode_commands(msgspec.msgpack.encode([["jump", b""]]))


def test_a_command_alone_is_compared_by_its_content() -> None:
    assert codec.encode_command(Join(consumer(1))) == codec.encode_command(Join(consumer(1)))
    assert codec.encode_command(Join(consumer(1))) != codec.encode_command(Join(consumer(1), "general"))


def test_the_chain_is_the_hash_of_the_chain_before_and_the_payload() -> None:
    payload = codec.encode_entry(Entry(1, 0, "0-0", {}, "", []))
    assert codec.next_chain(bytes(32), payload) == sha256(bytes(32) + payload).digest()
