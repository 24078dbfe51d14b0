"""An endpoint as a value: the routes and the OpenAPI document are both made from the same tables of them.

A handler gets a ``Call``, which is checked already (API key, size and form of the body), and returns the answer, or a
``Refusal`` that is shown as a problem document. What a table says of an endpoint (scope, content, answers, refusals)
is what is enforced or, for answers, what the handler makes; nothing is written down twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api_keys import ApiKey, Scope, authorize
from gateway.problems import invalid, problem
from protocol.forms import form_problems
from protocol.refusals import Reason, Refusal

BODY_BYTES_MAX = 64 * 1_024
DOCUMENT_BYTES_MAX = 1_024 * 1_024
BODY_S_MAX = 5.0
KEY_LENGTH_MAX = 200

_json = msgspec.json.Encoder()


class Call(NamedTuple):
    """One request at its handler. ``actor`` names the API key ("" without one); ``key`` is the Idempotency-Key of a
    keyed endpoint ("" without one); ``body`` is of the type that the endpoint takes (None when it takes none; decoded
    JSON when the handler checks it)."""

    request: Request
    actor: str = ""
    key: str = ""
    body: Any = None


Handler = Callable[[Call], Awaitable[Response | Refusal]]


class Parameter(Struct, frozen=True):
    """One of the query, the headers or the cookies. Those of the path are read from it."""

    name: str
    where: Literal["query", "header", "cookie"]
    description: str
    required: bool = False
    repeated: bool = False


class Endpoint(Struct, frozen=True, kw_only=True):
    """One method of one address.

    ``keyed``: a repeat with the same Idempotency-Key is told the first answer. ``takes``: the type of the JSON body,
    None for none; an empty body counts as ``{}``. ``checked`` False: the handler checks the decoded JSON itself.
    ``gives``: the type of the JSON answer, None for no body or one that is not JSON (then ``media_type`` says what).
    ``refusals``: beyond those that the key and the body bring along.
    """

    method: Literal["GET", "PUT", "POST", "PATCH"]
    path: str
    handler: Handler
    summary: str
    tag: str
    description: str = ""
    scope: Scope | None = None
    keyed: bool = False
    takes: Any = None
    checked: bool = True
    body_bytes_max: int = BODY_BYTES_MAX
    gives: Any = None
    statuses: tuple[int, ...] = (200,)
    media_type: str = "application/json"
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[Reason, ...] = ()

    @property
    def all_refusals(self) -> list[Reason]:
        """Every reason that this endpoint can refuse with, each once."""
        of_key = (Reason.BAD_KEY, Reason.NOT_ALLOWED) if self.scope is not None else ()
        repeated = (Reason.INVALID, Reason.KEY_REUSED) if self.keyed else ()
        of_body = (Reason.INVALID, Reason.TOO_LARGE) if self.takes is not None else ()
        return list(dict.fromkeys((*of_key, *repeated, *of_body, *self.refusals)))


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON; not to be cached, unless ``headers`` say otherwise."""
    return Response(_json.encode(value), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def routes(endpoints: Iterable[Endpoint], keys: tuple[ApiKey, ...]) -> list[Route]:
    """One route per address with all its methods, so that a 405 names every one that is allowed."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        methods = by_path.setdefault(endpoint.path, {})
        assert endpoint.method not in methods, f"{endpoint.method} {endpoint.path} stands in the tables twice"
        methods[endpoint.method] = endpoint
    return [_route(path, methods, keys) for path, methods in by_path.items()]


def _route(path: str, methods: dict[str, Endpoint], keys: tuple[ApiKey, ...]) -> Route:
    async def serve(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        answer = await _answer(methods[method], request, keys)
        return problem(answer, request.url.path) if isinstance(answer, Refusal) else answer

    return Route(path, serve, methods=list(methods))


async def _answer(endpoint: Endpoint, request: Request, keys: tuple[ApiKey, ...]) -> Response | Refusal:
    """Check what the endpoint says, in the order key, Idempotency-Key, body, and ask its handler."""
    actor = _actor(endpoint, request, keys)
    if isinstance(actor, Refusal):
        return actor
    key = request.headers.get("idempotency-key", "") if endpoint.keyed else ""
    if len(key) > KEY_LENGTH_MAX:
        return invalid("Idempotency-Key", f"has at most {KEY_LENGTH_MAX} characters")
    body = await _body(endpoint, request)
    if isinstance(body, Refusal):
        return body
    return await endpoint.handler(Call(request, actor, key, body))


def _actor(endpoint: Endpoint, request: Request, keys: tuple[ApiKey, ...]) -> str | Refusal:
    if endpoint.scope is None:
        return ""
    return authorize(keys, request.headers.get("authorization", ""), endpoint.scope)


async def _body(endpoint: Endpoint, request: Request) -> Any | Refusal:
    if endpoint.takes is None:
        return None
    content = await read_body(request, endpoint.body_bytes_max)
    raw = content if isinstance(content, Refusal) else decode_json(content)
    if isinstance(raw, Refusal) or not endpoint.checked:
        return raw
    problems = form_problems(endpoint.takes, raw)
    if problems:
        return Refusal(Reason.INVALID, {"errors": problems})
    return msgspec.convert(raw, endpoint.takes)


async def read_body(request: Request, bytes_max: int) -> bytes | Refusal:
    """The whole body, or ``too_large`` as soon as it is seen to be longer than ``bytes_max``.

    Raises HTTPException (408) for one that takes longer than ``BODY_S_MAX``: the connection ends with the answer."""
    too_large = Refusal(Reason.TOO_LARGE, {"detail": f"at most {bytes_max} bytes are taken here"})
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > bytes_max:
        return too_large
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for chunk in request.stream():
                content += chunk
                if len(content) > bytes_max:
                    return too_large
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from error
    except ClientDisconnect:
        return invalid("$", "ended before it was complete")
    return bytes(content)


def decode_json(content: bytes) -> Any | Refusal:
    """The JSON value of ``content``, ``{}`` for none at all, or ``invalid`` with where it breaks."""
    try:
        return msgspec.json.decode(content or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return invalid("$", str(error))
    except RecursionError:
        return invalid("$", "is nested too deep")
