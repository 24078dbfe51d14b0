"""Every "no" over HTTP as one problem document (RFC 9457), made from the same refusals as the ``error`` frames.

A document says what an ``error`` frame says (``reason``, ``temporary``, ``message`` and what helps) between the five
members of the RFC, so a client reads both alike. ``reason`` is the machine's word; ``type`` only names it as a URI.
Temporary refusals of 429 and 503 carry ``Retry-After``, spread at random so that a crowd does not come back at once.
"""

import random
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from protocol.forms import Problem
from protocol.refusals import Reason, Refusal

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_MS_MIN = 1_000
RETRY_AFTER_MS_MAX = 5_000

_TYPE_PREFIX = "urn:stanchion:refusal:"
_RETRY_STATUSES = frozenset({429, 503})
_json = msgspec.json.Encoder()


class ProblemDocument(Struct, frozen=True, omit_defaults=True):
    """The body of every answer of 400 and above. Further members say what helps, such as ``opens_at`` (epoch ms)."""

    type: str
    title: str
    status: int
    reason: str
    temporary: bool
    message: str
    detail: str | UnsetType = UNSET
    instance: Annotated[str, Meta(description="the path that was asked for")] | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    ref: str | int | UnsetType = UNSET
    path: str | UnsetType = UNSET
    opens_at: int | UnsetType = UNSET
    field: Annotated[str, Meta(description="what is wrong of what was sent")] | UnsetType = UNSET
    allowed: Annotated[str, Meta(description="what may stand there")] | UnsetType = UNSET
    errors: Annotated[list[Problem], Meta(description="every error of the content")] | UnsetType = UNSET


def problem(refusal: Refusal, instance: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that tells ``refusal``; ``instance`` is the path of the request, never its query."""
    detail = dict(refusal.detail)
    if refusal.status in _RETRY_STATUSES and refusal.temporary:
        detail.setdefault("retry_after_ms", random.randint(RETRY_AFTER_MS_MIN, RETRY_AFTER_MS_MAX))
    body = _members(refusal)
    body |= {name: value for name, value in detail.items() if name not in body}
    if instance is not None:
        body["instance"] = instance
    return Response(_json.encode(body), refusal.status, _headers(refusal, detail, headers or {}), MEDIA_TYPE)


def invalid(path: str, message: str) -> Refusal:
    """The refusal of content that is wrong in one place: ``path`` as in ``paths[0].id``, "$" for the whole."""
    return Refusal(Reason.INVALID, {"errors": [Problem(path, message)]})


def _members(refusal: Refusal) -> dict[str, Any]:
    return {
        "type": _TYPE_PREFIX + refusal.reason,
        "title": refusal.sentence,
        "status": refusal.status,
        "reason": refusal.reason,
        "temporary": refusal.temporary,
        "message": refusal.sentence,
    }


def _headers(refusal: Refusal, detail: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", **more}
    if "retry_after_ms" in detail:
        headers["Retry-After"] = str(-(-int(detail["retry_after_ms"]) // 1_000))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 §11.6.1: a 401 names how to come in
    return headers


async def not_found(request: Request, _error: Exception) -> Response:
    """For the app's ``exception_handlers``, at 404: no endpoint has this address."""
    return problem(Refusal(Reason.NOT_FOUND), request.url.path)


async def wrong_method(request: Request, error: Exception) -> Response:
    """For the app's ``exception_handlers``, at 405: the address exists, the method does not."""
    allowed = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
    refusal = Refusal(Reason.BAD_METHOD, {"detail": f"allowed here: {allowed}"})
    return problem(refusal, request.url.path, {"Allow": allowed})


async def too_slow(request: Request, _error: Exception) -> Response:
    """For the app's ``exception_handlers``, at 408: the body did not come in time, and nobody waits for the rest."""
    body = {"type": "about:blank", "title": "Request Timeout", "status": 408, "instance": request.url.path}
    return Response(_json.encode(body), 408, {"Cache-Control": "no-store", "Connection": "close"}, MEDIA_TYPE)


async def unexpected(request: Request, _error: Exception) -> Response:
    """For the app's ``exception_handlers``, at 500: a fault of ours, which says nothing about itself outside."""
    body = {"type": "about:blank", "title": "Internal Server Error", "status": 500, "instance": request.url.path}
    return Response(_json.encode(body), 500, {"Cache-Control": "no-store"}, MEDIA_TYPE)
