"""``GET /v1/verify``: may this request come in? For proxies that ask before they let a request through to the shop.

The pass is checked as anybody could check it (signature, times, experience), and then against the replica: an
admission that was completed, released or has expired is closed, whatever its pass says. Without an up-to-date replica
only the pass is checked, and the answer says so. No key is needed: who asks must have a pass.
"""

import time
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.control.change import hub_of
from gateway.endpoints import Call, Endpoint, Parameter
from gateway.hub import Hub, Room
from gateway.problems import invalid, problem
from protocol import passes
from protocol.fields import Slug
from protocol.passes import PassClaims, PassError
from protocol.refusals import Reason, Refusal

REPLICA_LAG_MS_MAX = 5_000
"""A replica further behind cannot say that an admission is closed."""
UNKNOWN_AGE_S_MAX = 30
"""An admission younger than this may not have reached the replica yet."""

MISSING: Final = "missing"
CLOSED: Final = "closed"
UNKNOWN: Final = "unknown_admission"


async def verify(call: Call) -> Response | Refusal:
    """204 and who it is, or 401 and where the waiting room is."""
    request, hub = call.request, hub_of(call)
    experience = request.query_params.get("experience", "")
    if not _is_slug(experience):
        return invalid("experience", "the query names the experience whose passes are let in")
    try:
        headers = await _check(hub, experience, pass_of(request))
    except PassError as error:
        return _turned_away(request, f"{hub.settings.origin}/r/{quote(experience)}", error.reason)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


def pass_of(request: Request) -> str:
    """The pass that a request brings: as bearer, header, cookie or query, in this order. Raises PassError."""
    word, _, bearer = request.headers.get("authorization", "").partition(" ")
    found = (
        (bearer.strip() if word.lower() == "bearer" else "")
        or request.headers.get("stanchion-pass")
        or request.cookies.get("stanchion_pass")
        or request.query_params.get("stanchion_pass")
    )
    if not found:
        raise PassError(MISSING)
    return found


async def _check(hub: Hub, experience: str, token: str) -> dict[str, str]:
    """The headers that tell whose pass it is and how far it was checked. Raises PassError."""
    room = await hub.room(experience) if experience in hub.room_ids() else None
    now = time.time_ns() // 1_000_000 if room is None else room.now_ms()
    issuer = hub.settings.token_issuer
    claims = passes.verify(token, hub.keys.public_keys, audience=experience, issuer=issuer, now=now // 1_000)
    expires_at = open_until(room, claims, now)
    return {
        "Stanchion-Admission": claims.jti,
        "Stanchion-Consumer": claims.sub,
        "Stanchion-Expires": str(claims.exp * 1_000 if expires_at is None else expires_at),
        "Stanchion-Checked": "signature" if expires_at is None else "admission",
        "Cache-Control": "no-store",
    }


def open_until(room: Room | None, claims: PassClaims, now: int) -> int | None:
    """When the admission's window ends (epoch ms), None where the replica cannot tell. Raises PassError."""
    if room is None or room.lag_ms() > REPLICA_LAG_MS_MAX:
        return None
    admission = bytes.fromhex(claims.jti)
    found = room.replica.window_of(admission)
    if found is not None:
        if found[2].admitted_at // 1_000 != claims.iat:
            raise PassError(UNKNOWN)  # a failover has lost that admission, and somebody else has one of this name
        return found[2].expires_at
    if admission in room.replica.admissions:
        raise PassError(CLOSED)
    if now // 1_000 - claims.iat >= UNKNOWN_AGE_S_MAX:
        raise PassError(UNKNOWN)
    return None


def _is_slug(text: str) -> bool:
    try:
        msgspec.convert(text, Slug)
    except msgspec.ValidationError:
        return False
    return True


def _turned_away(request: Request, room_address: str, reason: str) -> Response:
    headers = {"Stanchion-Room": room_address, "Stanchion-Reason": reason, "Cache-Control": "no-store"}
    if request.query_params.get("redirect") == "1":
        return RedirectResponse(room_address, HTTPStatus.FOUND, headers)
    return problem(Refusal(Reason.BAD_TOKEN, {"detail": reason}), request.url.path, headers)


VERIFY_ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/v1/verify",
        handler=verify,
        summary="Check a pass for a proxy",
        description="204 with Stanchion-Admission, Stanchion-Consumer, Stanchion-Expires (epoch ms) and "
        "Stanchion-Checked (admission, or signature where the log is not read up to date). Otherwise 401 with "
        "Stanchion-Room and Stanchion-Reason: missing, malformed, bad_algorithm, unknown_key, bad_signature, "
        "wrong_issuer, wrong_experience, not_yet, expired, closed or unknown_admission; with redirect=1 a 302 to the "
        "room instead. Being shown twice is no error here: single use is redeem.",
        tag="checkout",
        statuses=(204, 302),
        parameters=(
            Parameter("experience", "query", "whose passes are let in", required=True),
            Parameter("redirect", "query", "1: send those without a valid pass to the waiting room"),
            Parameter("Authorization", "header", "Bearer <pass>"),
            Parameter("Stanchion-Pass", "header", "the pass"),
            Parameter("stanchion_pass", "cookie", "the pass"),
            Parameter("stanchion_pass", "query", "the pass"),
        ),
        refusals=(Reason.BAD_TOKEN, Reason.INVALID),
    ),
)
