"""A connection until its first request is known. Most of those that come in a storm ask for a WebSocket, in one plain
head that arrives whole, and then nothing of an HTTP server is needed: no parser, no cycle, no flow control.

Everything else (plain HTTP, a head in pieces, a handshake with a fault, a full house) is given with its bytes to the
server's own protocol, which never learns that somebody looked before.

Hands over to: `upgrade`, once there is an offer; `http`, with what is not for us.
"""

import asyncio
from typing import Any, cast
from urllib.parse import unquote

from uvicorn import Config
from uvicorn.protocols.utils import is_ssl
from uvicorn.server import ServerState

from gateway.edge.parked import handshake, head
from gateway.edge.parked.asgi import EXTENSIONS, App
from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.doorway import Doorway
from gateway.edge.parked.handshake import Offer
from gateway.edge.parked.head import Head
from gateway.edge.parked.http import ParkingHttpProtocol
from gateway.edge.parked.lot import Lot
from gateway.edge.parked.upgrade import Upgrade

_EXTENSIONS: dict[str, dict[str, Any]] = {name: {} for name in EXTENSIONS}


class Knock(asyncio.Protocol):
    """One connection. `bound_to` makes the class that a server is given; ``lot`` and ``bouncer`` are the process's."""

    lot: Lot
    bouncer: Bouncer
    http: type[ParkingHttpProtocol]

    __slots__ = ("_app_state", "_config", "_loop", "_state", "_transport")

    @classmethod
    def bound_to(cls, lot: Lot, bouncer: Bouncer) -> type["Knock"]:
        """This protocol for the sockets of ``lot``, as uvicorn's setting ``http`` takes it."""
        bound = {"lot": lot, "bouncer": bouncer, "http": ParkingHttpProtocol.bound_to(lot, bouncer), "__slots__": ()}
        return type(cls.__name__, (cls,), bound)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody knocks."""
        self._transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type]  # it has the one method that a server calls
        self.bouncer.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone without a word, or in the lot."""
        self._let_go()

    def cut(self) -> None:
        """Nothing was said for too long."""
        assert self._transport is not None, "it was let go, and is watched no more"
        self._transport.abort()

    def shutdown(self) -> None:
        """The server stops."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """The first bytes: they tell."""
        transport = self._transport
        if transport is None:
            return  # what a refused client still says
        self._let_go()
        self.hear(transport, data)

    def hear(self, transport: asyncio.Transport, data: bytes) -> None:
        """What ``transport``, which this object need not be the protocol of, brought first."""
        found = head.read(data) if len(data) <= self.bouncer.head_bytes_max else None
        offer = None if found is None else handshake.offer_in(found.headers)
        if found is None or offer is None or self.lot.full or self.bouncer.crowded:
            self._hand_over(transport, data)
        else:
            self._upgrade(transport, found, offer, data[found.end :])

    def _let_go(self) -> None:
        """This object has nothing more to do with the connection."""
        self._transport = None
        self.bouncer.unwatch(self)
        self._state.connections.discard(self)

    def _hand_over(self, transport: asyncio.Transport, data: bytes) -> None:
        protocol = self.http(self._config, self._state, self._app_state, self._loop)

        def give(real: asyncio.Transport) -> None:
            real.set_protocol(protocol)
            protocol.connection_made(real)
            protocol.data_received(data)

        if isinstance(transport, Doorway):
            transport.order(give)
        else:
            give(transport)

    def _upgrade(self, transport: asyncio.Transport, found: Head, offer: Offer, unread: bytes) -> None:
        upgrade = Upgrade(self.lot, transport, offer, unread, self.bouncer, self._upgraded)
        task = upgrade.run(cast(App, self._config.loaded_app), self._scope(transport, found, offer), self._loop)
        if task is not None:
            self._state.connections.add(upgrade)  # type: ignore[arg-type]
            self._state.tasks.add(task)
            task.add_done_callback(self._state.tasks.discard)

    def _upgraded(self, upgrade: Upgrade) -> None:
        self._state.connections.discard(upgrade)

    def _scope(self, transport: asyncio.Transport, found: Head, offer: Offer) -> dict[str, Any]:
        """``server`` is left open, as ASGI allows: nobody who parks asks for it, and it costs a system call."""
        root, path = self._config.root_path, found.path.decode("ascii")
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "wss" if is_ssl(transport) else "ws",
            "path": root + (unquote(path) if "%" in path else path),
            "raw_path": root.encode("ascii") + found.path,
            "root_path": root,
            "query_string": found.query,
            "headers": found.headers,
            "client": transport.get_extra_info("peername"),
            "server": None,
            "subprotocols": offer.subprotocols,
            "state": self._app_state.copy(),
            "extensions": _EXTENSIONS,
        }
