"""One WebSocket as its ASGI app sees it, from the request to the moment it is parked, or to its end if it never is.

The app is an ordinary one. What it says before its first real wait is kept, so that an app that accepts, says its first
frames and parks in one go costs one write and no task. An app that waits is told to the client as far as it is: from
then on the socket is in the lot already, with this object as the owner of its slot, and parking only takes the owner
away. So there is one way to speak WebSocket, whatever the app does. Rules:

- Not a byte of a 101 before there is a descriptor for the socket; without one it is a 503.
- Nothing goes through the transport but refusals: what a transport could not send, its ``abort`` throws away.
- Bytes that came with or behind the request head are heard once the app listens, or once the socket is parked.

Hands over to: `lot`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from gateway.edge.parked import handshake
from gateway.edge.parked.asgi import App, Gone, Message, State, frame_of
from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.doorway import Doorway
from gateway.edge.parked.driving import drive
from gateway.edge.parked.framing import BROKEN, INTERNAL_ERROR
from gateway.edge.parked.handshake import Offer
from gateway.edge.parked.lot import Lot
from gateway.edge.parked.refusing import busy
from gateway.edge.parked.slim import Slim
from protocol.close_codes import CloseCode

UNREAD_BYTES_MAX = 16_384
INBOX_MAX = 64
"""Messages that wait for an app that listens to its socket itself; one that does not keep up is closed (4503)."""

logger = logging.getLogger("stanchion.edge")

_AT_THE_DOOR = (State.ASKED, State.REFUSING)


class Upgrade(asyncio.Protocol):
    """Drives ``app``. ``finished`` is called once, when it has nothing more to do with the connection."""

    def __init__(
        self,
        lot: Lot,
        transport: asyncio.Transport,
        offer: Offer,
        unread: bytes,
        bouncer: Bouncer,
        finished: Callable[["Upgrade"], None],
    ) -> None:
        self._lot = lot
        self._transport = transport
        self._offer = offer
        self._unread = unread
        self._bouncer = bouncer
        bouncer.handshakes += 1
        self._finished = finished
        self._state = State.ASKED
        self._inline = True
        self._connected = False
        self._held: list[bytes] = []
        self._refusal: tuple[int, list[tuple[bytes, bytes]], bytes] | None = None
        self._slot: int | None = None
        self._code: int | None = None
        self._inbox: deque[Message] = deque()
        self._waiters: list[asyncio.Future[None]] = []

    def run(self, app: App, scope: Message, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
        """Run the app; the task that goes on with it if it really waits."""
        task = drive(self._run(app, scope), loop)
        self._inline = False
        if task is not None:
            if self._slot is None and self._state is not State.OVER:
                self._transport.set_protocol(self)
            if self._state is State.ACCEPTED:
                self._reach_client()
        return task

    async def _run(self, app: App, scope: Message) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Gone:
            logger.debug("an app spoke to a client that had gone")
        except Exception:
            logger.exception("an app failed")
            self._end(INTERNAL_ERROR)
        else:
            if self._state in _AT_THE_DOOR:
                logger.error("an app returned without an answer")
            self._end(CloseCode.NORMAL)
        finally:
            self._end(INTERNAL_ERROR)
            self._finished(self)

    # What the app calls

    async def receive(self) -> Message:
        """The next ASGI event."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._state is State.ACCEPTED:
            self._reach_client()
        while not self._inbox:
            if self._code is not None:
                return {"type": "websocket.disconnect", "code": self._code, "reason": ""}
            await self._wait()
        return self._inbox.popleft()

    async def send(self, message: Message) -> None:
        """Take an ASGI message. Raises OSError once the client is gone."""
        if self._code is not None:
            raise Gone
        match self._state:
            case State.ASKED:
                self._answer(message)
            case State.ACCEPTED | State.OPEN:
                await self._speak(message)
            case State.REFUSING:
                self._refuse_on(message)
            case State.OVER:
                raise RuntimeError(f"{message['type']} after the end")

    def _answer(self, message: Message) -> None:
        match message["type"]:
            case "websocket.accept":
                self._accept(message.get("subprotocol"), message.get("headers", ()))
            case "websocket.close":
                self._refuse(403, [], b"")
            case "websocket.http.response.start":
                self._refusal = (message["status"], list(message.get("headers", ())), b"")
                self._become(State.REFUSING)
            case other:
                raise RuntimeError(f"{other} before an answer")

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        if subprotocol is not None and subprotocol not in self._offer.subprotocols:
            raise RuntimeError(f"{subprotocol!r} is none of the subprotocols offered")
        self._held.append(handshake.answer(self._offer.key, subprotocol, headers))
        self._become(State.ACCEPTED)
        if not self._inline:
            asyncio.get_running_loop().call_soon(self._reach_client)

    async def _speak(self, message: Message) -> None:
        match message["type"]:
            case "websocket.send":
                await self._tell(frame_of(message))
            case "websocket.close":
                self._close(message.get("code", CloseCode.NORMAL), message.get("reason") or "")
            case "websocket.park":
                self._park(message["parked"])
            case other:
                raise RuntimeError(f"{other} on an open socket")

    def _refuse_on(self, message: Message) -> None:
        assert self._refusal is not None
        if message["type"] != "websocket.http.response.body":
            raise RuntimeError(f"{message['type']} in an answer")
        status, headers, body = self._refusal
        self._refusal = (status, headers, body + message.get("body", b""))
        if not message.get("more_body", False):
            self._refuse(*self._refusal)

    def _become(self, state: State) -> None:
        if self._state in _AT_THE_DOOR and state not in _AT_THE_DOOR:
            self._bouncer.handshakes -= 1
        self._state = state

    # What the client is told

    async def _tell(self, data: bytes) -> None:
        if self._slot is None:
            self._held.append(data)
            return
        slot = self._slot
        self._lot.put(slot, data)
        while self._code is None and not self._lot.keeps_up(slot):
            await self._wait()

    def _close(self, code: int, reason: str) -> None:
        if self._slot is None:
            self._reach_client()
        if self._slot is not None:
            self._lot.close(self._slot, code, reason)
        self._code = code
        self._become(State.OVER)

    def _park(self, parked: Callable[[int], None]) -> None:
        if self._slot is None:
            slot = self._into_lot(None)
            if slot is None:
                raise Gone
        else:
            slot = self._slot
            self._lot.hand_over(slot)
        self._become(State.OVER)
        parked(slot)
        for message in self._inbox:
            self._lot.received(slot, message["text"] if "text" in message else message["bytes"])
        self._inbox.clear()
        self._feed(slot)

    def _reach_client(self) -> None:
        """The app waits: what it said so far must not."""
        if self._state is State.ACCEPTED:
            self._become(State.OPEN)
            self._slot = self._into_lot(self)
            if self._slot is not None:
                self._feed(self._slot)

    def _into_lot(self, owner: "Upgrade | None") -> int | None:
        first = b"".join(self._held)
        self._held.clear()
        if self._transport.is_closing():
            self._gone(BROKEN)
            return None
        if self._transport.get_extra_info("ssl_object") is not None:
            return Slim(self._lot, self._transport).moor(first, owner)
        door = self._transport if isinstance(self._transport, Doorway) else None
        bare = door is not None and door.is_bare
        file = self._transport.get_extra_info("socket").fileno() if door is None else door.fileno()
        slot = self._lot.park(file, first, owner, shared=not bare)
        if slot is None:
            self._transport.write(busy(self._bouncer.retry_after_s()))
            self._transport.close()
            self._gone(BROKEN)
        elif door is not None and bare:
            door.give_away()
        else:
            self._transport.abort()
        return slot

    def _feed(self, slot: int) -> None:
        unread, self._unread = self._unread, b""
        if unread:
            self._lot.feed(slot, unread)

    def _refuse(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._transport.write(handshake.refusal(status, headers, body))
        self._transport.close()
        self._gone(BROKEN)

    def _end(self, code: int) -> None:
        """The app is done. Idempotent."""
        if self._state in _AT_THE_DOOR:
            self._refuse(500, [], b"")
        elif self._state is not State.OVER:
            self._close(code, "")

    def _gone(self, code: int) -> None:
        self._code = code
        self._become(State.OVER)
        self._wake()

    # The connection while the app waits with its answer

    def data_received(self, data: bytes) -> None:
        """Bytes behind the request head, before there is an answer."""
        self._unread += data
        if len(self._unread) > UNREAD_BYTES_MAX:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone before there was an answer, or taken over by the lot."""
        if self._slot is None and self._state is not State.OVER:
            self._gone(BROKEN)

    def shutdown(self) -> None:
        """The server stops."""
        if self._slot is not None:
            self._lot.close(self._slot, CloseCode.RESTARTING)
        elif self._state is not State.OVER:
            self._transport.write(busy(self._bouncer.retry_after_s()))
            self._transport.close()
            self._gone(CloseCode.RESTARTING)

    # As the owner of a slot

    def received(self, slot: int, message: str | bytes) -> None:
        """The client said something to an app that has not parked."""
        if len(self._inbox) >= INBOX_MAX:
            self._lot.close(slot, CloseCode.BUSY)
            return
        kind = "text" if isinstance(message, str) else "bytes"
        self._inbox.append({"type": "websocket.receive", kind: message})
        self._wake()

    def closed(self, slot: int, code: int) -> None:
        """The socket is gone."""
        self._slot = None
        if self._code is None:
            self._gone(code)
        self._wake()

    def drained(self, slot: int) -> None:
        """The socket keeps up again."""
        self._wake()

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
