"""The ASGI app: who serves what, and lifespan, nothing else. Any ASGI server can run it, `gateway.server` as we do."""

import gc
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from gateway.api_keys import known_keys
from gateway.checkout_api import CHECKOUT_ENDPOINTS
from gateway.consumer_api import CONSUMER_ENDPOINTS
from gateway.control_api import CONTROL_ENDPOINTS
from gateway.cors import Cors
from gateway.edge.parked.limits import sockets_max
from gateway.endpoints import routes
from gateway.hub import Hub
from gateway.live import Live, Receive, Send
from gateway.openapi import openapi_endpoint
from gateway.pass_keys import PassKeys
from gateway.plain import PlainPage
from gateway.problems import not_found, too_slow, unexpected, wrong_method
from gateway.service_api import SERVICE_ENDPOINTS
from gateway.settings import GatewaySettings
from gateway.static_pages import page_routes
from gateway.verify_api import VERIFY_ENDPOINTS

ENDPOINTS = (
    *CONSUMER_ENDPOINTS,
    *CHECKOUT_ENDPOINTS,
    *VERIFY_ENDPOINTS,
    *CONTROL_ENDPOINTS,
    *SERVICE_ENDPOINTS,
)
OPENAPI = openapi_endpoint(ENDPOINTS)
"""Made here, so that processes that are forked share it."""


class Gateway:
    """The app: sockets go straight to `Live`, everything else through Starlette. ``hub`` is the process's."""

    def __init__(self, hub: Hub, settings: GatewaySettings) -> None:
        self.hub = hub
        self._live = Live(hub)
        self._http = _http(hub, settings)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Any ASGI event."""
        if scope["type"] == "websocket":
            await self._live(scope, receive, send)
        else:
            await self._http(scope, receive, send)


def create_app(settings: GatewaySettings) -> Gateway:
    """The gateway as an ASGI app. Raises PassKeysError without keys, ValueError for a file limit that is too low."""
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Gateway(Hub(settings, PassKeys.load(settings.keys_dir), sockets_max(files_max)), settings)


def _http(hub: Hub, settings: GatewaySettings) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await hub.start()
        gc.collect()
        gc.freeze()  # what is here now stays: nobody need look at it again
        yield
        await hub.stop()

    keys = known_keys(settings.control_key, settings.checkout_key)
    app = Starlette(
        routes=[
            *routes([*ENDPOINTS, OPENAPI], keys),
            *PlainPage().routes(),
            *page_routes(),
        ],
        middleware=[Middleware(Cors)],
        exception_handlers={404: not_found, 405: wrong_method, 408: too_slow, 500: unexpected},
        lifespan=lifespan,
    )
    app.state.hub = hub
    return app
