"""The same app under every server: parked, in a loop of its own, refusing, failing. Real sockets, real clients."""

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.gateway.edge.serving import PROTOCOL, WELCOME, Room, eventually, servers, serving

PARKED = ("parked-uvloop", "parked-asyncio")
everywhere = servers(*PARKED, "stock", "hypercorn")
parked = servers(*PARKED)


def at(port: int, path: str, **more: object) -> connect:
    return connect(f"ws://127.0.0.1:{port}/{path}", max_size=None, **more)  # type: ignore[arg-type]


async def close_code(client: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed):
        while True:
            await client.recv()
    await client.wait_closed()
    assert client.close_code is not None
    return client.close_code


def heard_as(kind: str, code: int) -> int:
    """What an app hears of a client's close: hypercorn passes no code on."""
    return 1006 if kind == "hypercorn" else code


@everywhere
@pytest.mark.parametrize("path", ["park", "wait-first", "wait-between"])
async def test_an_app_that_parks_is_done_and_its_socket_lives(kind: str, path: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with at(port, path, subprotocols=["other", PROTOCOL], compression=None) as client:
            assert client.subprotocol == PROTOCOL
            assert client.response is not None
            assert client.response.headers["x-room"] == "yes"
            assert [await client.recv() for _ in range(2)] == ["welcome", "parked"]
            if kind in PARKED:
                assert await eventually(lambda: room.ended == ["/" + path])
            await client.send("hello")
            assert await client.recv() == "hello"
            await (await client.ping())
        assert await eventually(lambda: room.codes == [heard_as(kind, 1000)])
        assert await eventually(lambda: room.lot.counts.parked == 0)


@everywhere
async def test_the_lot_closes_with_its_code(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with at(port, "park") as client:
            await client.send("close 4403")
            assert await close_code(client) == 4403
        assert await eventually(lambda: room.codes == [4403])


@everywhere
async def test_an_app_that_never_parks_is_as_anywhere(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with at(port, "loop") as client:
            for message in ("one", b"\0two", "€" * 1_000):
                await client.send(message)
                assert await client.recv() == message
            await client.send("end")
            assert await close_code(client) == 4403
            assert client.close_reason == "enough"
        async with at(port, "loop") as client:
            await client.close(4000)
        assert await eventually(lambda: room.codes == [heard_as(kind, 4000)])


@everywhere
async def test_a_client_that_only_goes_is_1006_or_1005(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        for path in ("park", "loop"):
            async with at(port, path) as client:
                await client.send("hello")
                await client.recv()
                client.transport.abort()
        assert await eventually(lambda: len(room.codes) == 2)
        assert set(room.codes) <= {1005, 1006}


@everywhere
async def test_an_app_may_refuse_with_403_or_with_an_answer_of_its_own(kind: str) -> None:
    with serving(Room(), kind) as port:
        with pytest.raises(InvalidStatus) as refused:
            async with at(port, "refuse"):
                pytest.fail("it was refused")
        assert refused.value.response.status_code == 403
        with pytest.raises(InvalidStatus) as answered:
            async with at(port, "answer"):
                pytest.fail("it was refused")
        response = answered.value.response
        assert (response.status_code, response.body) == (401, b'{"reason":"bad_token"}')
        assert response.headers["www-authenticate"] == "Bearer"


@everywhere
async def test_too_many_frames_and_too_large_ones_have_their_codes(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with at(port, "park") as client:
            await client.send("x" * 4_097)
            assert await close_code(client) == 1009
        async with at(port, "park") as client:
            await asyncio.gather(*(client.send("x") for _ in range(60)))
            assert await close_code(client) == 4529


@everywhere
async def test_400_kb_of_welcome_arrive_whole(kind: str) -> None:
    with serving(Room(), kind) as port:
        async with at(port, "big") as client:
            assert await client.recv() == WELCOME
            assert await client.recv() == "parked"


@parked
@pytest.mark.parametrize("path", ["raise", "return"])
async def test_an_app_that_gives_no_answer_is_a_500(kind: str, path: str, caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    with serving(room, kind) as port:
        with pytest.raises(InvalidStatus) as refused:
            async with at(port, path):
                pytest.fail("there was no answer")
        assert refused.value.response.status_code == 500
        assert await eventually(lambda: room.bouncer.handshakes == 0)
    assert "an app" in caplog.text


@parked
async def test_an_app_that_fails_late_closes_with_1011(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(Room(), kind) as port:
        async with at(port, "raise-late") as client:
            assert await close_code(client) == 1011
    assert "an app failed" in caplog.text


@parked
async def test_what_was_said_before_parking_is_heard_in_order(kind: str) -> None:
    with serving(Room(), kind) as port:
        async with at(port, "listen-first") as client:
            for text in ("a", "b", "c"):
                await client.send(text)
            assert await client.recv() == "first: a"
            assert sorted([await client.recv() for _ in range(3)]) == ["b", "c", "parked"]


@parked
async def test_an_app_that_floods_waits_for_its_client(kind: str) -> None:
    with serving(Room(), kind) as port:
        async with at(port, "flood", max_queue=1) as client:
            numbers = [int(str(await client.recv()).split()[0]) for _ in range(300)]
            assert numbers == list(range(300))
            assert await close_code(client) == 1000


@parked
async def test_a_client_that_goes_in_mid_handshake_is_a_disconnect(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("wait-for-ever"))
        await writer.drain()
        assert await eventually(lambda: room.bouncer.handshakes == 1)
        writer.close()
        assert await eventually(lambda: room.ended == ["/wait-for-ever"])
        assert (room.codes, room.bouncer.handshakes) == ([1006], 0)
        assert await reader.read() == b""


@parked
async def test_a_server_that_stops_tells_who_is_at_the_door_and_who_listens(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("wait-for-ever"))
        await writer.drain()
        client = await at(port, "loop")
        assert await eventually(lambda: len(room.tasks_seen) == 2)
    assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    writer.close()
    assert await close_code(client) == 1012


@parked
async def test_a_handshake_that_does_not_wait_has_no_task(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with at(port, "park") as client:
            await client.recv()
    if room.tasks_seen != [None]:  # from Python 3.12 on it is an eager one
        assert [task is not None and task.done() for task in room.tasks_seen] == [True]


def request(path: str, *more: str) -> bytes:
    """A sound handshake, as bytes."""
    lines = [
        f"GET /{path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()
