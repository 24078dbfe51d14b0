"""An echo on the parked path, so that an outside client can ask whether we speak WebSocket: ``python -m gateway.echo``.

It says back what it hears, text as text and bytes as bytes, and is no part of the product. What a conformance suite
sends is larger than what a consumer may: messages up to 1 MiB here, and up to 64 MiB with ``--caps-lifted``.

Hands over to: `gateway.edge.parked`, which does all of it.
"""

import logging
import resource
import sys
from collections.abc import Set
from typing import Annotated, Any

import typer
import uvicorn

from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.fallback import park
from gateway.edge.parked.framing import BINARY, TEXT, frame
from gateway.edge.parked.knock import Knock
from gateway.edge.parked.limits import Limits, sockets_max
from gateway.edge.parked.listening import BACKLOG, listening_socket
from gateway.edge.parked.lot import Lot
from gateway.edge.parked.porch import ParkingServer

MIB = 1 << 20
RATE_MAX = 60_000
CONFORMANCE = Limits(
    message_bytes_max=MIB,
    fragments_max=1_024,
    frames_per_second_max=RATE_MAX,
    read_bytes=65_536,
    kept_bytes_max=8 * MIB,
)
LIFTED = Limits(
    message_bytes_max=64 * MIB,
    fragments_max=MIB,
    frames_per_second_max=MIB,
    read_bytes=262_144,
    kept_bytes_max=64 * MIB,
)


class Echo:
    """The app and its handler. ``limits`` of its lot."""

    def __init__(self, limits: Limits, files_max: int) -> None:
        self.lot = Lot(self, sockets_max(files_max), limits)
        self.bouncer = Bouncer()

    def received(self, slot: int, message: str | bytes) -> None:
        """Say it back."""
        if isinstance(message, str):
            self.lot.put(slot, frame(TEXT, message.encode()))
        else:
            self.lot.put(slot, frame(BINARY, message))

    def closed(self, slot: int, code: int) -> None:
        """Nothing is kept of it."""

    def missed(self, slot: int, states: Set[str]) -> None:
        """No state is told here."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The ASGI app."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await park(scope, receive, send, self.lot, lambda slot: None)
        else:
            await send({"type": "http.response.start", "status": 426, "headers": [(b"upgrade", b"websocket")]})
            await send({"type": "http.response.body", "body": b""})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self.lot.open()
        self.bouncer.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.bouncer.shut()
        self.lot.shut()
        await send({"type": "lifespan.shutdown.complete"})


def main(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0: any.")] = 9001,
    caps_lifted: Annotated[bool, typer.Option(help="Messages of 64 MiB in any number of fragments.")] = False,
) -> None:
    """Echo WebSocket messages until interrupted."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    echo = Echo(LIFTED if caps_lifted else CONFORMANCE, files_max)
    listener = listening_socket("127.0.0.1", port)
    listener.listen(BACKLOG)
    logging.getLogger("stanchion.echo").info("ws://127.0.0.1:%d", listener.getsockname()[1])
    config = uvicorn.Config(
        echo,
        http=Knock.bound_to(echo.lot, echo.bouncer),
        ws="none",
        loop="uvloop",
        backlog=BACKLOG,
        access_log=False,
        proxy_headers=False,
        log_config=None,
    )
    ParkingServer(config).run(sockets=[listener])


if __name__ == "__main__":
    typer.run(main)
