"""A "no" at the door, before there is an app or in its place: whole answers as bytes, each with a problem document
(RFC 9457). Pure. The connection ends with every one of them.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from gateway.edge.parked.handshake import Fault, refusal

_MEDIA_TYPE = (b"Content-Type", b"application/problem+json")


def faulty(fault: Fault) -> bytes:
    """The answer to a request that is wrong."""
    return _problem(fault.status, fault.message, fault.headers, {"reason": "bad_request", "temporary": False})


@lru_cache
def busy(retry_after_s: int) -> bytes:
    """503: there is no room now, come back in ``retry_after_s``."""
    return _problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "There is no room at the moment.",
        ((b"Retry-After", b"%d" % retry_after_s),),
        {"reason": "busy", "temporary": True, "retry_after_ms": retry_after_s * 1_000},
    )


def _problem(
    status: HTTPStatus, message: str, headers: Iterable[tuple[bytes, bytes]], more: dict[str, str | bool | int]
) -> bytes:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "message": message, **more}
    return refusal(status, [_MEDIA_TYPE, *headers], json.dumps(body).encode())
