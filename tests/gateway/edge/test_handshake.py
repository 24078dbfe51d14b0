"""The opening handshake as values (RFC 6455 §4.2)."""

from http import HTTPStatus

import pytest

from gateway.edge.parked import handshake
from gateway.edge.parked.handshake import Fault, Offer
from gateway.edge.parked.refusing import busy, faulty

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
SOUND = [
    (b"host", b"127.0.0.1"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", KEY),
]


def changed(name: bytes, *values: bytes) -> list[tuple[bytes, bytes]]:
    return [pair for pair in SOUND if pair[0] != name] + [(name, value) for value in values]


def test_a_sound_request_is_an_offer_in_any_order() -> None:
    assert handshake.check("GET", "1.1", SOUND) == Offer(KEY, [])
    assert handshake.check("GET", "1.1", SOUND[::-1]) == Offer(KEY, [])


@pytest.mark.parametrize(
    "headers",
    [
        changed(b"upgrade", b"WebSocket"),
        changed(b"upgrade", b"h2c, websocket"),
        changed(b"upgrade", b"h2c", b"WEBSOCKET"),
        changed(b"connection", b"keep-alive, Upgrade"),
        changed(b"connection", b"keep-alive", b"uPgRaDe"),
        changed(b"connection", b" Upgrade ,close"),
        changed(b"sec-websocket-key", b" " + KEY + b" "),
        [*SOUND, (b"content-length", b"0")],
        [*SOUND, (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits")],
    ],
)
def test_tokens_come_in_any_case_spread_and_place(headers: list[tuple[bytes, bytes]]) -> None:
    assert handshake.wants_websocket(headers)
    assert handshake.check("GET", "1.1", headers) == Offer(KEY, [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (changed(b"host"), 400),
        (changed(b"host", b""), 400),
        (changed(b"host", b"a", b"b"), 400),
        (changed(b"upgrade"), 400),
        (changed(b"upgrade", b"websockets"), 400),
        (changed(b"upgrade", b"h2c"), 400),
        (changed(b"connection"), 400),
        (changed(b"connection", b"keep-alive"), 400),
        (changed(b"sec-websocket-version"), 426),
        (changed(b"sec-websocket-version", b"8"), 426),
        (changed(b"sec-websocket-version", b"013"), 426),
        (changed(b"sec-websocket-version", b"13", b"13"), 426),
        (changed(b"sec-websocket-key"), 400),
        (changed(b"sec-websocket-key", b""), 400),
        (changed(b"sec-websocket-key", b"dGhlIHNhbXBsZQ=="), 400),
        (changed(b"sec-websocket-key", KEY + KEY), 400),
        (changed(b"sec-websocket-key", b"dGhlIHNhbXBs ZSBub25jZQ=="), 400),
        (changed(b"sec-websocket-key", b"not base64 at all !!!!!!"), 400),
        (changed(b"sec-websocket-key", KEY, KEY), 400),
        ([*SOUND, (b"content-length", b"5")], 400),
        ([*SOUND, (b"transfer-encoding", b"chunked")], 400),
        ([*SOUND, (b"sec-websocket-protocol", b"a, a")], 400),
        ([*SOUND, (b"sec-websocket-protocol", b"a b")], 400),
        ([*SOUND, (b"sec-websocket-protocol", b"a"), (b"sec-websocket-protocol", b"a")], 400),
    ],
)
def test_what_is_wrong_has_its_status(headers: list[tuple[bytes, bytes]], status: int) -> None:
    fault = handshake.check("GET", "1.1", headers)
    assert isinstance(fault, Fault)
    assert fault.status == status


def test_method_and_version_of_http_are_checked() -> None:
    post = handshake.check("POST", "1.1", SOUND)
    assert isinstance(post, Fault)
    assert (post.status, post.headers) == (HTTPStatus.METHOD_NOT_ALLOWED, ((b"Allow", b"GET"),))
    old = handshake.check("GET", "1.0", SOUND)
    assert isinstance(old, Fault)
    assert old.status == HTTPStatus.BAD_REQUEST


def test_another_version_is_told_which_one_is_spoken() -> None:
    fault = handshake.check("GET", "1.1", changed(b"sec-websocket-version", b"99"))
    assert isinstance(fault, Fault)
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in faulty(fault)


def test_subprotocols_are_offered_in_the_clients_order_over_all_headers() -> None:
    headers = [*SOUND, (b"sec-websocket-protocol", b"stanchion.v1, bearer.abc"), (b"sec-websocket-protocol", b"x")]
    assert handshake.check("GET", "1.1", headers) == Offer(KEY, ["stanchion.v1", "bearer.abc", "x"])


def test_the_key_is_answered_as_the_rfc_does() -> None:
    assert handshake.accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_answer_is_one_whole_head() -> None:
    answer = handshake.answer(KEY, "stanchion.v1", [(b"set-cookie", b"a=b")])
    assert answer == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: stanchion.v1\r\nset-cookie: a=b\r\n\r\n"
    )


@pytest.mark.parametrize("header", [(b"a", b"b\r\nc: d"), (b"a b", b"c"), (b"", b"c"), (b"a", b"\0")])
def test_no_header_smuggles_another(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="is no header"):
        handshake.answer(KEY, None, [header])
    with pytest.raises(ValueError, match="is no header"):
        handshake.refusal(403, [header], b"")


@pytest.mark.parametrize("name", [b"Sec-WebSocket-Extensions", b"upgrade", b"Connection"])
def test_the_handshakes_own_headers_are_not_the_apps(name: bytes) -> None:
    with pytest.raises(ValueError, match="own"):
        handshake.answer(KEY, None, [(name, b"x")])


def test_a_refusal_ends_the_connection_with_its_true_length() -> None:
    answer = handshake.refusal(401, [(b"Content-Length", b"999"), (b"WWW-Authenticate", b"Bearer")], b"no")
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n")
    assert answer.endswith(b"Content-Length: 2\r\nConnection: close\r\n\r\nno")
    with pytest.raises(ValueError, match="no status"):
        handshake.refusal(101, [], b"")


def test_who_finds_no_room_is_told_when_to_come_back() -> None:
    assert busy(3).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 3\r\n" in busy(3)
    assert b'"retry_after_ms": 3000' in busy(3)
