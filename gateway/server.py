"""One gateway process: its listening socket, uvicorn on uvloop around the app, and an orderly end.

Every worker has a listening socket of its own on the same port (SO_REUSEPORT), so the kernel spreads the connections.
At the end nobody new is let in, everybody is told when to come back, and only then the server shuts down.

Hands over to: `gateway.app`.
"""

import logging
import resource
import signal
import socket
import sys

import structlog
import uvicorn
from msgspec import UNSET

from gateway.app import Gateway, create_app
from gateway.edge.parked.knock import Knock
from gateway.edge.parked.listening import BACKLOG, listening_socket
from gateway.edge.parked.porch import ParkingServer
from gateway.hub import Hub
from gateway.pass_keys import PassKeysError
from gateway.settings import GatewaySettings

SHUTDOWN_SECONDS_MAX = 5
EXIT_USAGE = 2
EXIT_FAILURE = 1

log = structlog.get_logger()


class GatewayServer(ParkingServer):
    """uvicorn's server that drains the hub before it shuts down, and ends when the hub fails."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now."""
        return await super().on_tick(counter) or self._hub.failed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, send everybody away in order, then end."""
        self.shut_door(sockets or [])
        log.info("draining", sockets=self._hub.lot.counts.parked)
        await self._hub.drain()
        await super().shutdown([])


def main(settings: GatewaySettings) -> None:
    """Run one gateway until SIGTERM or SIGINT. Exits with 2 when it cannot be set up, 1 when it failed."""
    try:
        raise_file_limit()
        app = create_app(settings)
        config = configure(app)
        config.load()  # its certificate, if it has one
        ports = [settings.port, *([settings.own_port] if settings.own_port else [])]
        listening = [listening_socket(settings.host, port) for port in ports]
    except (PassKeysError, OSError, ValueError) as error:
        log.error("not_started", why=str(error))
        sys.exit(EXIT_USAGE)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    log.info("listening", settings=repr(settings))
    server = GatewayServer(config, app.hub)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)  # uvicorn raises what it caught once more: that is no failure
    server.run(listening)
    log.info("ended", failed=app.hub.failed)
    if app.hub.failed:
        sys.exit(EXIT_FAILURE)


def configure(app: Gateway) -> uvicorn.Config:
    """How uvicorn runs the app: on the parked edge, without an access log (a query may hold what is private)."""
    settings = app.hub.settings
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=Knock.bound_to(app.hub.lot, app.hub.bouncer),
        ws="none",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        ssl_certfile=None if settings.tls_cert_file is UNSET else settings.tls_cert_file,
        ssl_keyfile=None if settings.tls_key_file is UNSET else settings.tls_key_file,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
    )


def raise_file_limit() -> None:
    """Let this process have as many descriptors as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
