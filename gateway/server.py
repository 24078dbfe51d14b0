"""One gateway process: its listening socket, uvicorn on uvloop around the app, and an orderly end.

Every worker has a listening socket of its own on the same port (SO_REUSEPORT), so the kernel spreads the connections.
What is set on it is inherited by each connection: a small send buffer, and an end to those whose peer stopped reading.
At the end nobody new is let in, everybody is told when to come back, and only then the server shuts down.

Hands over to: `gateway.app`.
"""

import logging
import signal
import socket
import sys

import structlog
import uvicorn
from starlette.applications import Starlette

from gateway.app import create_app
from gateway.edge.heads import CappedHttp
from gateway.hub import Hub
from gateway.pass_keys import PassKeysError
from gateway.settings import GatewaySettings

SEND_BUFFER_BYTES = 16_384
PEER_SILENT_MS_MAX = 10_000
BACKLOG_MAX = 4_096
FRAME_BYTES_MAX = 4_096
SHUTDOWN_SECONDS_MAX = 5
EXIT_USAGE = 2
EXIT_FAILURE = 1

log = structlog.get_logger()


class GatewayServer(uvicorn.Server):
    """uvicorn's server that drains the hub before it shuts down, and ends when the hub fails."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now."""
        return await super().on_tick(counter) or self._hub.failed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, send everybody away in order, then end."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        log.info("draining", sockets=self._hub.bouncer.inside)
        await self._hub.drain()
        await super().shutdown([])


def main(settings: GatewaySettings) -> None:
    """Run one gateway until SIGTERM or SIGINT. Exits with 2 when it cannot be set up, 1 when it failed."""
    try:
        app = create_app(settings)
        ports = [settings.port, *([settings.own_port] if settings.own_port else [])]
        listening = [listen(settings.host, port) for port in ports]
    except (PassKeysError, OSError) as error:
        log.error("not_started", why=str(error))
        sys.exit(EXIT_USAGE)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    log.info("listening", settings=repr(settings))
    server = GatewayServer(configure(app), app.state.hub)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)  # uvicorn raises what it caught once more: that is no failure
    server.run(listening)
    log.info("ended", failed=app.state.hub.failed)
    if app.state.hub.failed:
        sys.exit(EXIT_FAILURE)


def configure(app: Starlette) -> uvicorn.Config:
    """How uvicorn runs the app: no access log (a query may hold what is private), no compression, capped frames."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=CappedHttp,
        ws="websockets-sansio",
        ws_max_size=FRAME_BYTES_MAX,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG_MAX,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
    )


def listen(host: str, port: int) -> socket.socket:
    """The listening socket of this worker. Raises OSError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_SILENT_MS_MAX)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((host, port))
        listening.set_inheritable(True)
    except OSError:
        listening.close()
        raise
    return listening
