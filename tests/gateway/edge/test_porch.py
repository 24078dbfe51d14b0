"""Those who have said what they want before they are let in: they are heard as bare sockets, whatever the app does."""

import contextlib
import gc
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.doorway import Doorway
from gateway.edge.parked.framing import text_frame
from gateway.edge.parked.listening import listening_socket
from gateway.edge.parked.porch import Porch
from tests.gateway.edge.serving import WELCOME, Room, eventually, served, servers
from tests.gateway.edge.test_apps import request
from tests.gateway.edge.test_inbound import TEXT, masked

parked = servers("parked-uvloop", "parked-asyncio")
WAIT_S = 20.0
UPGRADED = b"HTTP/1.1 101 "
PARKED = text_frame(b"parked")


class Ears:
    """Hears nobody."""

    def __init__(self, bouncer: Bouncer) -> None:
        self.bouncer = bouncer

    def hear(self, door: Doorway, words: bytes) -> None:
        raise AssertionError("nobody says a word")


@contextlib.contextmanager
def early(room: Room, kind: str, *requests: bytes) -> Iterator[list[socket.socket]]:
    """Clients who have connected, and said each its part, before there is a server."""
    with contextlib.ExitStack() as exits:
        listener = exits.enter_context(listening_socket("127.0.0.1", 0))
        listener.listen()
        clients = []
        for said in requests:
            client = exits.enter_context(socket.create_connection(listener.getsockname(), WAIT_S))
            client.sendall(said)
            clients.append(client)
        exits.enter_context(served(room, listener, kind))
        yield clients


def read_until(client: socket.socket, wanted: bytes) -> bytes:
    """What ``client`` hears until ``wanted`` is the end of it."""
    heard = b""
    while not heard.endswith(wanted):
        data = client.recv(65_536)
        assert data, heard
        heard += data
    return heard


def rest(client: socket.socket) -> bytes:
    heard = b""
    while data := client.recv(65_536):
        heard += data
    return heard


@parked
@pytest.mark.parametrize("app", ["park", "wait-first", "wait-between"])
async def test_an_app_that_parks_at_once_or_late_keeps_the_socket(kind: str, app: str) -> None:
    room = Room()
    with early(room, kind, request(app)) as (client,):
        assert read_until(client, PARKED).startswith(UPGRADED)
        client.sendall(masked(TEXT, b"hello"))
        assert read_until(client, text_frame(b"hello")).endswith(text_frame(b"hello"))
        assert room.lot.counts.parked == 1
        client.close()
        assert await eventually(lambda: room.codes == [1006])


@parked
async def test_no_task_is_made_for_an_app_that_parks_at_once(kind: str) -> None:
    room = Room()
    with early(room, kind, *[request("park")] * 20) as clients:
        for client in clients:
            read_until(client, PARKED)
        assert room.tasks_seen == [None] * 20 or all(task is not None and task.done() for task in room.tasks_seen)


@parked
async def test_a_welcome_of_400_kb_arrives_whole(kind: str) -> None:
    with early(Room(), kind, request("big")) as (client,):
        assert text_frame(WELCOME.encode()) in read_until(client, PARKED)


@parked
@pytest.mark.parametrize("app", ["park", "listen-first", "wait-first"])
async def test_bytes_right_behind_the_head_are_not_lost(kind: str, app: str) -> None:
    answer = text_frame(b"first: hello") if app == "listen-first" else text_frame(b"hello")
    with early(Room(), kind, request(app) + masked(TEXT, b"hello")) as (client,):
        heard = read_until(client, PARKED if app == "listen-first" else answer)
        assert answer in heard


@parked
@pytest.mark.parametrize(
    ("app", "status"), [("refuse", b"403"), ("answer", b"401"), ("raise", b"500"), ("return", b"500")]
)
async def test_a_no_arrives_whole_and_ends_the_connection(kind: str, app: str, status: bytes) -> None:
    room = Room()
    with early(room, kind, request(app)) as (client,):
        assert rest(client).startswith(b"HTTP/1.1 " + status)
        assert room.lot.counts.parked == 0


@parked
async def test_a_client_who_goes_while_the_app_waits_is_heard_of(kind: str) -> None:
    room = Room()
    with early(room, kind, request("wait-for-ever")) as (client,):
        assert await eventually(lambda: room.tasks_seen)
        client.close()
        assert await eventually(lambda: room.codes == [1006])


@parked
async def test_what_is_no_plain_handshake_is_served_as_ever(kind: str) -> None:
    plain = b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    faulty = request("park").replace(b"Version: 13", b"Version: 12")
    room = Room()
    with early(room, kind, plain, plain[:20], faulty, b"nonsense\r\n\r\n", b"") as clients:
        assert rest(clients[0]).endswith(b"ok")
        clients[1].sendall(plain[20:])
        assert rest(clients[1]).endswith(b"ok")
        assert rest(clients[2]).startswith(b"HTTP/1.1 426 ")
        assert rest(clients[3]).startswith(b"HTTP/1.1 400 ")
        clients[4].sendall(request("park"))
        assert read_until(clients[4], PARKED).startswith(UPGRADED)


@parked
async def test_a_full_house_is_503_for_whoever_waits(kind: str) -> None:
    room = Room(sockets_max=1)
    with early(room, kind, request("park"), request("park")) as (first, second):
        assert read_until(first, PARKED).startswith(UPGRADED)
        assert rest(second).startswith(b"HTTP/1.1 503 ")


@parked
async def test_whoever_is_gone_before_they_are_let_in_harms_nobody(kind: str) -> None:
    with early(Room(), kind, request("park"), request("park")) as (first, second):
        first.close()
        assert read_until(second, PARKED).startswith(UPGRADED)


@parked
async def test_none_of_them_leaves_a_reference_cycle(kind: str) -> None:
    plain = b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    room = Room()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        with early(room, kind, *map(request, ("park", "wait-first", "loop")), request("refuse"), plain) as clients:
            for client in clients[:2]:
                read_until(client, PARKED)
            assert all(rest(client) for client in clients[3:])
            for client in clients[:3]:
                client.close()
            assert await eventually(lambda: len(room.codes) == 3)
            gc.collect()
            ours = [found for found in gc.garbage if type(found).__module__.startswith("gateway.edge")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert ours == []


@parked
async def test_a_server_that_stops_drops_whoever_has_not_said_a_word(kind: str) -> None:
    room = Room()
    with listening_socket("127.0.0.1", 0) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname(), WAIT_S) as client:
            with served(room, listener, kind):
                assert await eventually(lambda: room.bouncer.knocking == 1)
            assert ended(client)
            assert room.bouncer.knocking == 0


@parked
async def test_whoever_goes_without_a_word_is_counted_no_more(kind: str) -> None:
    room = Room()
    with early(room, kind, b"") as (client,):
        assert await eventually(lambda: room.bouncer.knocking == 1)
        client.close()
        assert await eventually(lambda: room.bouncer.knocking == 0)
        assert room.tasks_seen == []


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


async def test_whoever_there_is_no_file_for_does_not_keep_the_door_open() -> None:
    bouncer, before = Bouncer(), resource.getrlimit(resource.RLIMIT_NOFILE)
    bouncer.open()
    with contextlib.ExitStack() as exits:
        porch, heard = Porch(Ears(bouncer)), []  # type: ignore[arg-type]  # all that a porch asks of a knock
        doors = [exits.enter_context(listening_socket("127.0.0.1", 0)) for _ in range(2)]
        for door in doors:
            porch.open(door, 10)
            heard += [exits.enter_context(socket.create_connection(door.getsockname(), WAIT_S)) for _ in range(3)]
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, before[1]))
        try:
            porch.shut()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert [door.fileno() for door in doors] == [-1, -1]
        porch.clear()
