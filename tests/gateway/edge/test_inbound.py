"""What a client says: bytes in, messages and replies out (RFC 6455 §5, §7)."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.parked.framing import close_frame, whole_text
from gateway.edge.parked.inbound import Inbound, Reply
from gateway.edge.parked.limits import Limits

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
Said = list[str | bytes | Reply]


def masked(opcode: int, payload: bytes, *, fin: bool = True, mask: bytes = b"\1\2\3\4", bits: int = 0) -> bytes:
    first = opcode | (0x80 if fin else 0) | bits
    length = len(payload)
    size = (
        bytes((0x80 | length,))
        if length < 126
        else b"\xfe" + struct.pack("!H", length)
        if length < 65_536
        else b"\xff" + struct.pack("!Q", length)
    )
    return bytes((first,)) + size + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def fed(*chunks: bytes, limits: Limits | None = None) -> tuple[Inbound, Said]:
    inbound = Inbound(limits or Limits())
    return inbound, [said for chunk in chunks for said in inbound.feed(chunk)]


def test_text_and_bytes_are_messages_and_then_nothing_is_kept() -> None:
    inbound, said = fed(masked(TEXT, "grüß".encode()) + masked(BINARY, b"\xff") + masked(TEXT, b""))
    assert said == ["grüß", b"\xff", ""]
    assert inbound.forgettable
    assert inbound.frames == 3


def test_a_frame_that_is_not_whole_is_kept_at_every_byte() -> None:
    data = masked(TEXT, b"hello")
    for cut in range(1, len(data)):
        inbound, said = fed(data[:cut])
        assert said == []
        assert not inbound.forgettable, f"after {cut} bytes"
        assert list(inbound.feed(data[cut:])) == ["hello"]
        assert inbound.forgettable


def test_fragments_make_one_message_and_control_frames_between_them_are_answered_first() -> None:
    inbound, said = fed(
        masked(TEXT, b"a", fin=False), masked(PING, b"?"), masked(CONT, b"b", fin=False), masked(CONT, b"c")
    )
    assert said == [Reply(b"\x8a\x01?"), "abc"]
    assert inbound.forgettable


def test_a_message_that_is_open_is_not_forgotten() -> None:
    inbound, _ = fed(masked(TEXT, b"a", fin=False))
    assert not inbound.forgettable


def test_a_character_may_be_cut_by_fragments() -> None:
    euro = "€".encode()
    assert fed(masked(TEXT, euro[:1], fin=False), masked(CONT, euro[1:]))[1] == ["€"]


def test_pongs_are_taken_in_silence() -> None:
    inbound, said = fed(masked(PONG, b"x"))
    assert said == []
    assert inbound.frames == 1


def test_a_close_is_answered_with_its_code() -> None:
    inbound, said = fed(masked(CLOSE, struct.pack("!H", 1001) + b"bye") + masked(TEXT, b"too late"))
    assert said == [Reply(close_frame(1001))]
    assert inbound.ended == 1001
    assert list(inbound.feed(masked(TEXT, b"later still"))) == []


def test_a_close_without_a_code_is_answered_without_one() -> None:
    inbound, said = fed(masked(CLOSE, b""))
    assert said == [Reply(b"\x88\x00")]
    assert inbound.ended == 1005


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x05hello", 1002),
        (masked(3, b""), 1002),
        (masked(11, b""), 1002),
        (masked(TEXT, b"", bits=0x40), 1002),
        (masked(TEXT, b"", bits=0x10), 1002),
        (masked(PING, b"x", fin=False), 1002),
        (masked(PING, b"x" * 126), 1009),
        (masked(CONT, b"x"), 1002),
        (masked(TEXT, b"x", fin=False) + masked(TEXT, b"y"), 1002),
        (masked(CLOSE, b"x"), 1002),
        (masked(CLOSE, struct.pack("!H", 1005)), 1002),
        (masked(CLOSE, struct.pack("!H", 999)), 1002),
        (masked(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
        (masked(TEXT, b"\xff"), 1007),
        (masked(TEXT, "€".encode()[:2]), 1007),
        (masked(TEXT, b"ok", fin=False) + masked(CONT, b"\xff", fin=False), 1007),
        (masked(TEXT, b"x" * 101), 1009),
        (masked(BINARY, b"x" * 200_000)[:20], 1009),
        (masked(TEXT, b"x" * 60, fin=False) + masked(CONT, b"x" * 41), 1009),
        (masked(TEXT, b"x", fin=False) + masked(CONT, b"x", fin=False) * 3 + masked(CONT, b"x"), 1009),
    ],
)
def test_what_is_no_websocket_ends_it_with_its_code(data: bytes, code: int) -> None:
    inbound, said = fed(data, limits=Limits(message_bytes_max=100, fragments_max=4))
    assert inbound.ended == code
    last = said[-1]
    assert isinstance(last, Reply)
    assert last.frame[2:4] == struct.pack("!H", code)
    assert list(inbound.feed(masked(TEXT, b"x"))) == []


def test_a_control_frame_is_taken_though_the_message_around_it_is_full() -> None:
    limits = Limits(message_bytes_max=100, fragments_max=4)
    _, said = fed(masked(TEXT, b"x" * 100, fin=False), masked(PING, b"y" * 125), masked(CONT, b""), limits=limits)
    assert said[1:] == ["x" * 100]


@given(
    st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=200)), max_size=6),
    st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_however_the_bytes_are_cut_the_messages_are_the_same(messages: list[str | bytes], cuts: list[int]) -> None:
    frames = (masked(TEXT, m.encode()) if isinstance(m, str) else masked(BINARY, m) for m in messages)
    inbound, said = fed(*pieces(b"".join(frames), cuts))
    assert said == messages
    assert inbound.forgettable


@given(st.binary(max_size=300), st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_no_bytes_whatever_make_it_raise(data: bytes, cuts: list[int]) -> None:
    whole, said = fed(data)
    cut, said_cut = fed(*pieces(data, cuts))
    assert said == said_cut
    assert whole.ended == cut.ended


@given(st.text(max_size=140), st.binary(min_size=4, max_size=4))
def test_one_whole_short_text_frame_is_read_the_short_way_and_says_the_same(text: str, mask: bytes) -> None:
    payload = text.encode()
    data = masked(TEXT, payload, mask=mask)
    assert fed(data)[1] == [text]
    assert whole_text(data) == (text if len(payload) <= 125 else None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        masked(TEXT, b"text")[:-1],
        masked(TEXT, b"text") + b"\x81",
        masked(TEXT, b"text", fin=False),
        masked(TEXT, b"text", bits=0x40),
        masked(BINARY, b"text"),
        masked(CONT, b"text"),
        masked(PING, b"text"),
        masked(CLOSE, b"\x03\xe8"),
        masked(TEXT, b"\xff"),
        b"\x81\x04textabcd",
    ],
)
def test_whatever_else_there_is_is_not_read_the_short_way(data: bytes) -> None:
    assert whole_text(data) is None


@given(st.binary(max_size=140))
def test_what_is_read_the_short_way_is_what_it_says(data: bytes) -> None:
    text = whole_text(data)
    assert text is None or fed(data)[1] == [text]


def pieces(data: bytes, cuts: list[int]) -> Iterable[bytes]:
    at = 0
    while at < len(data):
        size = cuts[at % len(cuts)]
        yield data[at : at + size]
        at += size
