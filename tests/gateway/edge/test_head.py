"""What the quick reader takes, byte by byte, and what it leaves to the server's own parser."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.parked.head import Head, read

PLAIN = b"GET /v1/live?join=a HTTP/1.1\r\nHost: room.example\r\nX-A:\t b \r\n\r\n"


def test_a_plain_head_is_read_and_what_follows_is_left() -> None:
    assert read(PLAIN + b"\x81\x80") == Head(
        b"/v1/live", b"join=a", [(b"host", b"room.example"), (b"x-a", b"b")], len(PLAIN)
    )


def test_no_query_is_an_empty_one() -> None:
    found = read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert found is not None
    assert (found.path, found.query) == (b"/", b"")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PLAIN[:-1], id="not whole"),
        pytest.param(PLAIN.replace(b"GET", b"POST"), id="another method"),
        pytest.param(PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"), id="another version"),
        pytest.param(PLAIN.replace(b"/v1", b"http://room.example/v1"), id="absolute form"),
        pytest.param(PLAIN.replace(b"/v1/live?join=a", b"*"), id="asterisk form"),
        pytest.param(PLAIN.replace(b"join=a", b"join=#a"), id="a fragment"),
        pytest.param(PLAIN.replace(b"/v1", b"/\xc3\xa4"), id="no ASCII"),
        pytest.param(PLAIN.replace(b"/v1", b"/v 1"), id="a blank in the target"),
        pytest.param(PLAIN.replace(b"X-A", b" X-A"), id="a folded line"),
        pytest.param(PLAIN.replace(b"X-A:", b"X-A :"), id="a blank before the colon"),
        pytest.param(PLAIN.replace(b"X-A:", b"X-A"), id="no colon"),
        pytest.param(PLAIN.replace(b"\t b ", b"b\x00"), id="a control character"),
        pytest.param(PLAIN.replace(b"\r\n", b"\n"), id="bare line feeds"),
        pytest.param(PLAIN.replace(b"\t b ", b"b\rc"), id="a bare carriage return"),
        pytest.param(b"\r\n" + PLAIN, id="an empty line before"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no header at all"),
    ],
)
def test_what_is_not_beyond_doubt_is_left_to_others(data: bytes) -> None:
    assert read(data) is None


class Seen:
    """What the server's own parser reads."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))


@given(st.lists(st.sampled_from([*b'aZ0%/?=&:;,.-_~!#"\\\t \r\n\x7f\x80']), max_size=20).map(bytes), st.booleans())
def test_two_readers_never_differ(junk: bytes, in_target: bool) -> None:
    target, value = (b"/" + junk, b"1") if in_target else (b"/", junk)
    data = b"GET %b HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (target, value)
    found = read(data)
    if found is None:
        return
    seen = Seen()
    httptools.HttpRequestParser(seen).feed_data(data)
    url = httptools.parse_url(seen.url)
    assert (found.path, found.query, found.headers) == (url.path, url.query or b"", seen.headers)
