"""The ASGI app: routes and lifespan, nothing else. Any ASGI server can run it; `gateway.server` runs it as we do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from gateway.api_keys import known_keys
from gateway.checkout_api import CHECKOUT_ENDPOINTS
from gateway.consumer_api import CONSUMER_ENDPOINTS
from gateway.control_api import CONTROL_ENDPOINTS
from gateway.cors import Cors
from gateway.endpoints import routes
from gateway.hub import Hub
from gateway.live import live
from gateway.openapi import openapi_endpoint
from gateway.pass_keys import PassKeys
from gateway.plain import PlainPage
from gateway.problems import not_found, unexpected, wrong_method
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


def create_app(settings: GatewaySettings) -> Starlette:
    """The gateway as an ASGI app; its hub is at ``app.state.hub``. Raises PassKeysError without keys."""
    hub = Hub(settings, PassKeys.load(settings.keys_dir))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await hub.start()
        yield
        await hub.stop()

    keys = known_keys(settings.control_key, settings.checkout_key)
    app = Starlette(
        routes=[
            WebSocketRoute("/v1/experiences/{experience}/live", live),
            *routes([*ENDPOINTS, openapi_endpoint(ENDPOINTS)], keys),
            *PlainPage().routes(),
            *page_routes(),
        ],
        middleware=[Middleware(Cors)],
        exception_handlers={404: not_found, 405: wrong_method, 500: unexpected},
        lifespan=lifespan,
    )
    app.state.hub = hub
    return app
