"""The door, byte by byte: what is refused before anything is made, what is cut, and what must not be lost."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.framing import close_frame, text_frame
from gateway.edge.parked.limits import Limits
from tests.gateway.edge.serving import WELCOME, Room, eventually, servers, serving
from tests.gateway.edge.test_apps import close_code, request
from tests.gateway.edge.test_inbound import CLOSE, TEXT, masked

parked = servers("parked-uvloop", "parked-asyncio")
OURS = ("gateway", "httptools", "uvloop")
WAIT_S = 20.0
READY = text_frame(b"welcome") + text_frame(b"parked")


class Client:
    """A client that writes and reads bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def client_of(port: int, receive_buffer: int | None = None) -> AsyncIterator[Client]:
    made = socket.socket()
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=made)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@parked
async def test_a_head_of_17_kib_is_431_and_the_app_never_hears_of_it(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with client_of(port) as client:
            await client.send(request("park", *(f"X-{n}: {'y' * 1_000}" for n in range(17))))
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")
    assert room.tasks_seen == []


@parked
async def test_a_head_without_end_is_431_at_16_kib(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with client_of(port) as client:
            await client.send(b"GET /park HTTP/1.1\r\nX: ")
            for _ in range(40):
                await client.send(b"y" * 1_000)
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")
        async with client_of(port) as client:
            await client.send(b"GET /" + b"y" * 20_000)
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")


@parked
async def test_a_head_of_15_kib_is_none_of_our_business(kind: str) -> None:
    with serving(Room(), kind) as port:
        async with client_of(port) as client:
            await client.send(request("park", *(f"X-{n}: {'y' * 1_000}" for n in range(15))))
            assert (await client.head()).startswith(b"HTTP/1.1 101 ")


@parked
async def test_a_head_that_stalls_is_cut_whether_or_not_it_began(kind: str) -> None:
    room = Room(bouncer=Bouncer(head_s_max=0.05))
    with serving(room, kind) as port:
        async with client_of(port) as silent, client_of(port) as slow, client_of(port) as second:
            await slow.send(request("park")[:-2])
            await second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n")
            for client in (silent, slow):
                with contextlib.suppress(ConnectionResetError):
                    assert await client.rest() == b""
            with contextlib.suppress(ConnectionResetError):
                assert (await second.rest()).endswith(b"\r\n\r\nok")
        assert await eventually(lambda: room.bouncer.knocking == 0)


@parked
async def test_who_is_parked_or_served_is_not_cut(kind: str) -> None:
    room = Room(bouncer=Bouncer(head_s_max=0.05))
    with serving(room, kind) as port:
        async with client_of(port) as client, client_of(port) as cut:
            await client.send(request("park"))
            await client.head()
            await client.read(len(READY))
            with contextlib.suppress(ConnectionResetError):
                await cut.rest()
            await client.send(masked(TEXT, b"still here"))
            assert await client.read(12) == text_frame(b"still here")


@parked
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01 this is TLS\r\n\r\n", 400),
        (request("park").replace(b"Version: 13", b"Version: 8"), 426),
        (request("park").replace(b"GET", b"POST"), 405),
        (request("park").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (request("park").replace(b"Host: 127.0.0.1\r\n", b""), 400),
        (request("park").replace(b"dGhl", b"!!!!"), 400),
        (request("park", "Content-Length: 4") + b"body", 400),
        (request("%ff\xff"), 400),
    ],
)
async def test_what_is_no_handshake_is_answered_so(kind: str, data: bytes, status: int) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with client_of(port) as client:
            await client.send(data)
            answer = await client.rest()
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer
            assert (b"Sec-WebSocket-Version: 13" in answer) == (status == 426)
    assert room.tasks_seen == []


@parked
async def test_tokens_in_any_case_and_over_two_headers_are_a_handshake(kind: str) -> None:
    sound = request("park").replace(b"Upgrade: websocket", b"UPGRADE: WebSocket")
    sound = sound.replace(b"Connection: Upgrade", b"connection: keep-alive\r\nConnection: UPGRADE")
    with serving(Room(), kind) as port:
        async with client_of(port) as client:
            await client.send(sound)
            assert (await client.head()).startswith(b"HTTP/1.1 101 ")


@parked
@pytest.mark.parametrize("path", ["park", "wait-first", "wait-between", "loop"])
async def test_bytes_right_behind_the_head_are_not_lost(kind: str, path: str) -> None:
    with serving(Room(), kind) as port:
        async with client_of(port) as client:
            await client.send(request(path) + masked(TEXT, b"one") + masked(TEXT, b"two")[:5])
            await client.send(masked(TEXT, b"two")[5:])
            assert (await client.head()).startswith(b"HTTP/1.1 101 ")
            told = await client.read(10 + (0 if path == "loop" else len(READY)))
            for text in (b"one", b"two"):
                assert text_frame(text) in told


@parked
async def test_a_client_that_sends_a_lot_before_it_is_answered_is_held_back_not_lost(kind: str) -> None:
    room = Room(limits=Limits(frames_per_second_max=1_000))
    messages = [b"%4d" % number + b"y" * 300 for number in range(60)]
    with serving(room, kind) as port:
        async with client_of(port) as client:
            await client.send(request("wait-first") + b"".join(masked(TEXT, message) for message in messages))
            await client.head()
            told = await client.read(len(READY) + sum(len(text_frame(message)) for message in messages))
            assert told.endswith(text_frame(messages[-1]))


@parked
async def test_the_first_frames_come_with_the_answer_in_one_piece(kind: str) -> None:
    with serving(Room(), kind) as port:
        async with client_of(port) as client:
            await client.send(request("park"))
            await client.head()
            assert await client.read(len(READY)) == READY


@parked
async def test_a_big_welcome_waits_for_a_slow_client(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with client_of(port, receive_buffer=4_096) as client:
            await client.send(request("big"))
            await client.head()
            assert await eventually(lambda: room.lot.counts.slow == 1)
            assert await client.read(len(WELCOME) + 10) == text_frame(WELCOME.encode())
            assert await client.read(8) == text_frame(b"parked")
        assert await eventually(lambda: room.lot.counts.parked == 0)


@parked
async def test_without_room_a_client_is_told_when_to_come_back(kind: str) -> None:
    room = Room(sockets_max=1)
    with serving(room, kind) as port:
        async with client_of(port) as first, client_of(port) as second:
            await first.send(request("park"))
            await first.head()
            await second.send(request("park"))
            answer = await second.rest()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: " in answer
        assert await eventually(lambda: room.lot.counts.parked == 0)
        async with client_of(port) as again:
            await again.send(request("park"))
            assert (await again.head()).startswith(b"HTTP/1.1 101 ")


@parked
async def test_when_room_runs_out_while_apps_wait_nobody_is_told_101_and_dropped(kind: str) -> None:
    room = Room(sockets_max=3)
    with serving(room, kind) as port:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client_of(port)) for _ in range(12)]
            for client in clients:
                await client.send(request("wait-first"))
            heads = [await client.head() for client in clients]
            served = [c for c, head in zip(clients, heads, strict=True) if head.startswith(b"HTTP/1.1 101 ")]
            assert sum(head.startswith(b"HTTP/1.1 503 ") for head in heads) == 9
            for client in served:
                assert await client.read(len(READY)) == READY
        assert await eventually(lambda: room.bouncer.handshakes == 0)


@parked
async def test_handshakes_beyond_the_bouncers_number_are_503(kind: str) -> None:
    room = Room(bouncer=Bouncer(handshakes_max=1))
    with serving(room, kind) as port:
        async with client_of(port) as first, client_of(port) as second:
            await first.send(request("wait-for-ever"))
            assert await eventually(lambda: room.bouncer.handshakes == 1)
            await second.send(request("park"))
            assert (await second.rest()).startswith(b"HTTP/1.1 503 ")


@parked
async def test_plain_http_is_as_it_was(kind: str) -> None:
    with serving(Room(), kind) as port:
        async with client_of(port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.head()
            assert await client.read(2) == b"ok"
            body = b"z" * 100_000
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await client.head()
            assert await client.read(2) == b"ok"
            await client.send(request("park"))
            assert (await client.head()).startswith(b"HTTP/1.1 101 ")


@parked
async def test_an_upgrade_before_the_answer_to_the_request_before_is_cut(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with client_of(port) as client:
            await client.send(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n" + request("park"))
            with contextlib.suppress(ConnectionResetError):
                assert b"101" not in await client.rest()
    assert room.tasks_seen == []


@parked
async def test_a_close_is_a_whole_handshake(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with client_of(port) as client:
            await client.send(request("park"))
            await client.head()
            await client.send(masked(CLOSE, b"\x03\xe8"))
            assert (await client.rest()).endswith(close_frame(1000))
        assert await eventually(lambda: room.codes == [1000])


@parked
async def test_no_connection_leaves_a_reference_cycle(kind: str) -> None:
    room = Room()
    with serving(room, kind) as port:
        async with client_of(port) as client:
            await client.send(request("park"))
            await client.head()
        assert await eventually(lambda: room.codes)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for path in ("park", "wait-first", "loop", "refuse"):
                async with client_of(port) as client:
                    await client.send(request(path))
                    await client.head()
            assert await eventually(lambda: len(room.codes) >= 4)
            gc.collect()
            ours = [found for found in gc.garbage if type(found).__module__.startswith(OURS)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert ours == []


# TLS


@parked
@pytest.mark.parametrize("path", ["park", "wait-first", "loop", "big"])
async def test_tls_in_the_process_is_the_same_to_everybody(kind: str, path: str, certificate: tuple[str, str]) -> None:
    room = Room()
    trust = ssl.create_default_context(cafile=certificate[0])
    with serving(room, kind, ssl_certfile=certificate[0], ssl_keyfile=certificate[1]) as port:
        uri = f"wss://localhost:{port}/{path}"
        async with connect(uri, ssl=trust, max_size=None) as client:
            if path != "loop":
                assert await client.recv() == (WELCOME if path == "big" else "welcome")
                assert await client.recv() == "parked"
            await client.send("hello")
            assert await client.recv() == "hello"
            if path != "loop":
                await client.send("close 4403")
                assert await close_code(client) == 4403
        assert await eventually(lambda: room.codes == [1000 if path == "loop" else 4403])
        assert await eventually(lambda: room.lot.counts.parked == 0)


@parked
async def test_a_slow_tls_client_gets_all_of_a_big_welcome(kind: str, certificate: tuple[str, str]) -> None:
    room = Room()
    trust = ssl.create_default_context(cafile=certificate[0])
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    with serving(room, kind, ssl_certfile=certificate[0], ssl_keyfile=certificate[1]) as port:
        made.connect(("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=made, ssl=trust, server_hostname="localhost", limit=1_024)
        client = Client(reader, writer)
        await client.send(request("big"))
        await client.head()
        assert await eventually(lambda: room.lot.counts.slow == 1)
        assert await client.read(len(WELCOME) + 10) == text_frame(WELCOME.encode())
        assert await client.read(8) == text_frame(b"parked")
        assert await eventually(lambda: room.lot.counts.slow == 0)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        assert await eventually(lambda: room.codes == [1006])
