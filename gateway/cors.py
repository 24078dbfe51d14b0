"""Which pages of other origins may use the consumer endpoints: those in an experience's ``allowed_origins``, no other.

By default no page from elsewhere may (no header is sent, the browser keeps the answer to itself). An allowed one may
bring the session along. Control and checkout endpoints are for servers, and no page of another origin ever uses them.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from gateway.hub import Hub

PREFLIGHT_AGE_S_MAX = 600

_ADDRESS = re.compile(r"/v1/(?:session\Z|experiences/(?P<experience>[^/]+))")
_ALLOWED: Final = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": str(PREFLIGHT_AGE_S_MAX),
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Cors:
    """Around the app: answers preflights, and adds to answers that a page of another origin may read them."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        found = _ADDRESS.match(scope.get("path", "")) if scope["type"] == "http" else None
        origin = Headers(scope=scope).get("origin") if found is not None else None
        if found is None or origin is None or not await _may(scope["app"].state.hub, found["experience"], origin):
            await self._app(scope, receive, send)
            return
        allowed = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=allowed | _ALLOWED | {"Vary": "Origin"})(scope, receive, send)
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(allowed)
                headers.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, send_allowed)


async def _may(hub: Hub, experience: str | None, origin: str) -> bool:
    """Whether pages of ``origin`` may use this experience, or, where none is named (sessions), any at all."""
    for known in hub.room_ids() if experience is None else [experience]:
        room = await hub.room(known)
        if room is not None and room.replica.document is not None and origin in room.replica.document.allowed_origins:
            return True
    return False
