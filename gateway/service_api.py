"""What operators and machines ask: is the process alive, is it ready, its metrics, the public keys of the passes."""

from http import HTTPStatus
from typing import Literal

from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from gateway.control.change import hub_of
from gateway.endpoints import Call, Endpoint, json_answer
from gateway.pass_keys import Jwks
from protocol.refusals import Reason, Refusal

JWKS_AGE_S_MAX = 300


class Health(Struct, frozen=True):
    """The process answers."""

    status: Literal["alive", "ready"]
    worker: int


async def healthz(call: Call) -> Response | Refusal:
    """The process is alive; nothing else is asked."""
    return json_answer(Health("alive", hub_of(call).settings.number))


async def readyz(call: Call) -> Response | Refusal:
    """The store answers and every replica has caught up."""
    hub = hub_of(call)
    if not hub.ready():
        return Refusal(Reason.ENGINE_AWAY, {"detail": "the store is away, or its log is not read up to date yet"})
    return json_answer(Health("ready", hub.settings.number))


async def metrics(call: Call) -> Response | Refusal:
    """The metrics of this process in Prometheus' text format."""
    return Response(generate_latest(hub_of(call).metrics.registry), HTTPStatus.OK, media_type=CONTENT_TYPE_LATEST)


async def jwks(call: Call) -> Response | Refusal:
    """The public keys that passes are checked with, offline."""
    return json_answer(hub_of(call).keys.jwks(), headers={"Cache-Control": f"public, max-age={JWKS_AGE_S_MAX}"})


SERVICE_ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET", path="/healthz", handler=healthz, summary="Is the process alive", tag="service", gives=Health
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=readyz,
        summary="Can this process serve consumers now",
        tag="service",
        gives=Health,
        refusals=(Reason.ENGINE_AWAY,),
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="The metrics of this process",
        tag="service",
        media_type="text/plain",
    ),
    Endpoint(
        method="GET",
        path="/.well-known/jwks.json",
        handler=jwks,
        summary="The public keys of the passes",
        description="Ed25519 keys, the newest first; a pass names its own by kid.",
        tag="checkout",
        gives=Jwks,
    ),
)
