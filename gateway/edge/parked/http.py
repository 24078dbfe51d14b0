"""The HTTP side of the parked edge: uvicorn's protocol on httptools with a door in front of it and another way up.

What it adds: a request head has a size (431) and a time (cut); a request for a WebSocket is checked in full and
answered here, not by a second protocol; no connection leaves a reference cycle behind, so nothing waits for the garbage
collector. All else, plain HTTP that is, is uvicorn's.

Hands over to: `upgrade`, once there is an offer.
"""

import asyncio
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.edge.parked import handshake
from gateway.edge.parked.asgi import EXTENSIONS, App
from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.handshake import Fault, Offer
from gateway.edge.parked.lot import Lot
from gateway.edge.parked.refusing import busy, faulty
from gateway.edge.parked.upgrade import Upgrade

HEADER_OVERHEAD_BYTES = 4
_TOO_LARGE = Fault(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of a request may have 16 KiB.")
_MALFORMED = Fault(HTTPStatus.BAD_REQUEST, "This is no HTTP request.")


class HeadTooLarge(Exception):
    """Stops the parser."""


class ParkingHttpProtocol(HttpToolsProtocol):
    """One connection. `bound_to` makes the class that a server is given; ``lot`` and ``bouncer`` are the process's."""

    lot: Lot
    bouncer: Bouncer

    _in_head = True
    _head_bytes = 0
    _parsed_bytes = 0
    _refused = False
    _wants_websocket: bool | None = None

    @classmethod
    def bound_to(cls, lot: Lot, bouncer: Bouncer) -> type["ParkingHttpProtocol"]:
        """This protocol for the sockets of ``lot``, as uvicorn's setting ``http`` takes it."""
        return type(cls.__name__, (cls,), {"lot": lot, "bouncer": bouncer})

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody knocks."""
        super().connection_made(transport)
        self.bouncer.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone, or in the lot."""
        self.bouncer.unwatch(self)
        super().connection_lost(exc)

    def cut(self) -> None:
        """The head of a request took too long."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; of one that was refused, they are thrown away."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._refuse(_TOO_LARGE if isinstance(error.__context__, HeadTooLarge) else _MALFORMED)
            return
        if self._in_head and self._head_bytes > self.bouncer.head_bytes_max:
            self._refuse(_TOO_LARGE)

    # The parser

    def on_message_begin(self) -> None:
        """A request begins; its head has a time, also on a connection that has had others."""
        super().on_message_begin()
        self._parsed_bytes = 0
        self._wants_websocket = None
        if not self._in_head:
            self._in_head = True
            self._head_bytes = 0
            self.bouncer.watch(self)

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._count(len(name) + len(value) + HEADER_OVERHEAD_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._head_bytes = 0
        self.bouncer.unwatch(self)
        super().on_headers_complete()

    def _count(self, count: int) -> None:
        self._parsed_bytes += count
        if self._parsed_bytes > self.bouncer.head_bytes_max:
            raise HeadTooLarge

    # The way up

    def _should_upgrade(self) -> bool:
        if self._wants_websocket is None:
            self._wants_websocket = handshake.wants_websocket(self.headers)
        return self._wants_websocket

    def _upgrade(self, unread: bytes) -> None:
        offer = handshake.check(self.scope["method"], self.scope["http_version"], self.headers)
        if self._owes_an_answer():
            self.transport.abort()
        elif isinstance(offer, Fault):
            self._refuse(offer)
        elif self.lot.full or self.bouncer.crowded:
            self._answer(busy(self.bouncer.retry_after_s()))
        else:
            self._run(offer, unread)

    def _owes_an_answer(self) -> bool:
        """The answer to a request before this one is not through: a client may not ask for another protocol yet. What
        a TLS transport still has to write is not lost, for it stays."""
        cycle: RequestResponseCycle | None = self.cycle
        answering = cycle is not None and not cycle.response_complete
        return answering or (self.scheme == "http" and self.transport.get_write_buffer_size() > 0)

    def _run(self, offer: Offer, unread: bytes) -> None:
        try:
            scope = self._websocket_scope(offer)
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            self._refuse(_MALFORMED)
            return
        self.connections.discard(self)
        upgrade = Upgrade(self.lot, self.transport, offer, unread, self.bouncer, self._upgraded)
        task = upgrade.run(cast(App, self.app), scope, self.loop)
        if task is not None:
            self.connections.add(upgrade)  # type: ignore[arg-type]  # it has the one method that a server calls
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        self._let_go()

    def _upgraded(self, upgrade: Upgrade) -> None:
        self.connections.discard(upgrade)

    def _websocket_scope(self, offer: Offer) -> dict[str, Any]:
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        return {
            **self.scope,
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "scheme": "wss" if self.scheme == "https" else "ws",
            "path": self.root_path + (unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + url.path,
            "query_string": url.query or b"",
            "subprotocols": offer.subprotocols,
            "extensions": {name: {} for name in EXTENSIONS},
        }

    def _refuse(self, fault: Fault) -> None:
        """Answer, and read on until the client has stopped: closing over unread bytes would take the answer away."""
        self._answer(faulty(fault), linger=True)

    def _answer(self, answer: bytes, *, linger: bool = False) -> None:
        self._refused = True
        self.transport.write(answer)
        if linger and self.transport.can_write_eof():
            self.transport.write_eof()
            self.bouncer.watch(self)
        else:
            self.transport.close()
        self._let_go()

    def _let_go(self) -> None:
        """The parser holds this object and this object the parser."""
        self._refused = True
        self.parser = cast(Any, None)
        self.scope = cast(Any, None)
