"""One ASGI app and the servers that it must be the same under, each in a thread with a loop of its own.

The app is an ordinary one: what it does with a socket stands in the path. It knows the parked edge only by
`gateway.edge.parked.fallback.park`.
"""

import asyncio
import contextlib
import importlib.util
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Set
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
import uvloop

from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.fallback import park
from gateway.edge.parked.knock import Knock
from gateway.edge.parked.limits import PRODUCT, Limits
from gateway.edge.parked.listening import listening_socket
from gateway.edge.parked.lot import Lot
from gateway.edge.parked.porch import ParkingServer

START_S = 20.0
POLL_S = 0.01
PROTOCOL = "stanchion.v1"
WELCOME = "welcome " + "w" * 400_000
Scope = dict[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Scope]]
Send = Callable[[Scope], Coroutine[Any, Any, None]]


@dataclass
class Room:
    """The app, and the handler of its lot."""

    limits: Limits = PRODUCT
    sockets_max: int = 1_000
    bouncer: Bouncer = field(default_factory=Bouncer)
    ended: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    tasks_seen: list[asyncio.Task[Any] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lot = Lot(self, self.sockets_max, self.limits)

    # The handler

    def received(self, slot: int, message: str | bytes) -> None:
        assert isinstance(message, str)
        if message.startswith("close "):
            self.lot.close(slot, int(message[6:]))
        else:
            self.lot.tell(slot, message.encode())

    def closed(self, slot: int, code: int) -> None:
        self.codes.append(code)

    def missed(self, slot: int, states: Set[str]) -> None:
        raise AssertionError("nobody is told a state")

    # The app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            if scope["path"] == "/late":
                await asyncio.sleep(0)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        else:
            self.tasks_seen.append(asyncio.current_task())
            try:
                await getattr(self, "_" + scope["path"].strip("/").replace("-", "_"))(scope, receive, send)
            finally:
                self.ended.append(scope["path"])

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.lot.open()
        self.bouncer.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.bouncer.shut()
        self.lot.shut()
        await send({"type": "lifespan.shutdown.complete"})

    async def _park(self, scope: Scope, receive: Receive, send: Send, welcome: str = "welcome") -> None:
        assert (await receive())["type"] == "websocket.connect"
        await self._accept(scope, send)
        await send({"type": "websocket.send", "text": welcome})
        await self._leave(scope, receive, send)

    async def _big(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._park(scope, receive, send, WELCOME)

    async def _wait_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pause()
        await self._park(scope, receive, send)

    async def _wait_between(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await self._accept(scope, send)
        await self._pause()
        await send({"type": "websocket.send", "text": "welcome"})
        await self._pause()
        await self._leave(scope, receive, send)

    async def _listen_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await self._accept(scope, send)
        first = await receive()
        await send({"type": "websocket.send", "text": f"first: {first.get('text')}"})
        await self._leave(scope, receive, send)

    async def _loop(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await self._accept(scope, send)
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "end":
                await send({"type": "websocket.close", "code": 4403, "reason": "enough"})
                return
            await send({"type": "websocket.send", **{k: message.get(k) for k in ("text", "bytes")}})
        self.codes.append(message["code"])

    async def _flood(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await self._accept(scope, send)
        for number in range(300):
            await send({"type": "websocket.send", "text": f"{number} " + "x" * 4_000})
        await send({"type": "websocket.close", "code": 1000})

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/problem+json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b'{"reason":', "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b'"bad_token"}'})

    async def _raise(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("an app that fails")

    async def _raise_late(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._accept(scope, send)
        await self._pause()
        raise LookupError("an app that fails late")

    async def _return(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def _wait_for_ever(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        message = await receive()
        self.codes.append(message["code"])
        await send({"type": "websocket.accept"})

    async def _accept(self, scope: Scope, send: Send) -> None:
        chosen = PROTOCOL if PROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-room", b"yes")]})

    async def _leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        await park(scope, receive, send, self.lot, lambda slot: self.lot.tell(slot, b"parked"))

    async def _pause(self) -> None:
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, int)


def uvicorn_of(room: Room, *, parked: bool, **more: Any) -> uvicorn.Server:
    """A server with the parked edge, or as it comes."""
    http: Any = Knock.bound_to(room.lot, room.bouncer) if parked else "httptools"
    ws: Any = "none" if parked else "websockets-sansio"
    config = uvicorn.Config(
        room,
        http=http,
        ws=ws,
        ws_max_size=4_096,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        **more,
    )
    return ParkingServer(config) if parked else uvicorn.Server(config)


@contextlib.contextmanager
def serving(room: Room, kind: str, **more: Any) -> Iterator[int]:
    """The port at which ``kind`` of server runs ``room``: parked-uvloop, parked-asyncio, stock, hypercorn."""
    with listening_socket("127.0.0.1", 0) as listener:
        listener.listen()
        with served(room, listener, kind, **more) as port:
            yield port


@contextlib.contextmanager
def served(room: Room, listener: socket.socket, kind: str, **more: Any) -> Iterator[int]:
    """The same at ``listener``, where somebody may wait already."""
    port: int = listener.getsockname()[1]
    runner = _Hypercorn(room, listener) if kind == "hypercorn" else _Uvicorn(room, listener, kind, more)
    thread = threading.Thread(target=runner.run, name=kind)
    thread.start()
    try:
        assert runner.started(), f"{kind} did not start"
        yield port
    finally:
        runner.stop()
        thread.join(START_S)
        assert not thread.is_alive(), f"{kind} did not stop"


class _Uvicorn:
    def __init__(self, room: Room, listener: socket.socket, kind: str, more: Any) -> None:
        self._listener = listener
        self._factory = asyncio.new_event_loop if kind == "parked-asyncio" else uvloop.new_event_loop
        self._server = uvicorn_of(room, parked=kind.startswith("parked"), **more)

    def run(self) -> None:
        with asyncio.Runner(loop_factory=self._factory) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))

    def started(self) -> bool:
        return _in_time(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True


class _Hypercorn:
    def __init__(self, room: Room, listener: socket.socket) -> None:
        self._room = room
        self._listener = listener
        self._serve: Any = importlib.import_module("hypercorn.asyncio").serve
        self._config: Any = importlib.import_module("hypercorn.config").Config()
        self._config.bind = [f"fd://{os.dup(listener.fileno())}"]
        self._config.graceful_timeout = 1
        self._config.websocket_max_message_size = 4_096
        self._stop = threading.Event()

    def run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve(self._room, self._config, shutdown_trigger=self._stopped))

    async def _stopped(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._stop.wait)

    def started(self) -> bool:
        return _in_time(lambda: not self._room.lot.full)

    def stop(self) -> None:
        self._stop.set()


def _in_time(condition: Callable[[], object]) -> bool:
    pause = threading.Event()
    for _ in range(int(START_S / POLL_S)):
        if condition():
            return True
        pause.wait(POLL_S)
    return False


async def eventually(condition: Callable[[], object]) -> bool:
    """Whether ``condition`` comes true in time, in the server's thread."""
    for _ in range(int(START_S / POLL_S)):
        if condition():
            return True
        await asyncio.sleep(POLL_S)
    return False


def servers(*kinds: str) -> Any:
    """A test that runs under each of ``kinds``; hypercorn where it is installed."""
    return pytest.mark.parametrize(
        "kind",
        [
            pytest.param(kind, marks=pytest.mark.skipif(not _has(kind), reason=f"{kind} is not installed"))
            for kind in kinds
        ],
    )


def _has(kind: str) -> bool:
    return kind != "hypercorn" or importlib.util.find_spec("hypercorn") is not None
