"""The checkout's endpoints: the merchant's server redeems, completes, releases and extends an admission.

The admission names its experience: it is looked up in the replicas of this process, or named by ``?experience=``.
Single use is decided by the engine: a second redeem with another Idempotency-Key, or with none, is refused.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs
from starlette.responses import Response

from gateway import told
from gateway.api_keys import Scope
from gateway.control.change import hub_of
from gateway.endpoints import Call, Endpoint, Handler, Parameter, json_answer
from gateway.hub import Hub
from gateway.pass_keys import claims_of
from protocol.commands import CheckoutCommand, Complete, Extend, Redeem, Release
from protocol.events import ADMISSION_BYTES
from protocol.fields import Currency, Money
from protocol.refusals import Reason, Refusal

LOOKUP_MS_MAX = 200
LOOKUP_STEP_MS = 20
"""An admission that is not known yet is asked for again this often and this long: a replica may be a moment behind."""
ITEMS_MAX = 500


class CompleteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The order. Only ``order_id`` is kept in the log; the rest is checked and belongs to the shop's own books."""

    order_id: Annotated[str, Meta(max_length=200)] = ""
    amount: Money | None = None
    currency: Currency | None = None
    items: Annotated[list[dict[str, Any]], Meta(max_length=ITEMS_MAX)] = []


class ExtendBody(Struct, frozen=True, forbid_unknown_fields=True):
    """By how much; 0 = one whole window, which is also the most."""

    seconds: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 0


class AdmissionAnswer(Struct, frozen=True):
    """The admission after the command. ``pass`` is there when the window moved, as long as it is open; instants are
    epoch milliseconds."""

    admission: str
    experience: str
    path: str
    ticket: int
    state: str
    consumer: str
    kid: str
    admitted_at: int
    expires_at: int
    entry: str
    order_id: str | UnsetType = UNSET
    pass_: str | UnsetType = msgspec.field(default=UNSET, name="pass")


async def redeem(call: Call) -> Response | Refusal:
    """Use the admission; once."""
    return await _perform(call, lambda admission: Redeem(call.actor, call.key, admission))


async def complete(call: Call) -> Response | Refusal:
    """The order is paid."""
    body: CompleteBody = call.body
    return await _perform(call, lambda admission: Complete(call.actor, call.key, admission, body.order_id))


async def release(call: Call) -> Response | Refusal:
    """End the admission without an order."""
    return await _perform(call, lambda admission: Release(call.actor, call.key, admission))


async def extend(call: Call) -> Response | Refusal:
    """Move the end of the window, once."""
    body: ExtendBody = call.body
    return await _perform(call, lambda admission: Extend(call.actor, call.key, admission, body.seconds))


async def _perform(call: Call, command: Callable[[bytes], CheckoutCommand]) -> Response | Refusal:
    named = call.request.path_params["admission"]
    admission = _admission(named)
    experience = None if admission is None else await _experience_of(call, admission)
    if admission is None or experience is None:
        return Refusal(Reason.NOT_FOUND, {"admission": named, "detail": "no experience here knows this admission"})
    hub = hub_of(call)
    sent = command(admission)
    outcome = await hub.perform(experience, sent)
    if outcome.refusal is not None:
        return outcome.refusal
    answer = msgspec.convert(outcome.answer | {"entry": outcome.entry}, AdmissionAnswer)
    if isinstance(sent, Extend):
        answer = structs.replace(answer, pass_=await _pass(hub, answer, admission))
    return json_answer(answer)


def _admission(text: str) -> bytes | None:
    """The admission's bytes from their hexadecimal form, or None."""
    try:
        admission = bytes.fromhex(text)
    except ValueError:
        return None
    return admission if len(admission) == ADMISSION_BYTES else None


async def _experience_of(call: Call, admission: bytes) -> str | None:
    hub = hub_of(call)
    named = call.request.query_params.get("experience")
    if named is not None:
        return None if await hub.room(named) is None else named
    for _ in range(LOOKUP_MS_MAX // LOOKUP_STEP_MS):
        for experience in hub.room_ids():
            room = await hub.room(experience)
            if room is not None and admission in room.replica.admissions:
                return experience
        await asyncio.sleep(LOOKUP_STEP_MS / 1_000)
    return None


async def _pass(hub: Hub, answer: AdmissionAnswer, admission: bytes) -> str | UnsetType:
    """The new pass; UNSET when the window has been closed in the meantime."""
    room = await hub.room(answer.experience)
    found = None if room is None else room.replica.window_of(admission)
    if room is None or found is None:
        return UNSET
    path_id, _, window = found
    claims = claims_of(
        hub.settings.token_issuer,
        answer.experience,
        answer.path,
        consumer=bytes.fromhex(answer.consumer),
        admission=admission,
        admitted_at=answer.admitted_at,
        expires_at=answer.expires_at,
        variant=window.variant,
        price=told.price(room.replica.paths[path_id], window.price),
    )
    return hub.keys.sign(claims, answer.kid)


def _endpoint(word: str, handler: Handler, summary: str, takes: Any = None, *refusals: Reason) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/v1/admissions/{{admission}}/{word}",
        handler=handler,
        summary=summary,
        tag="checkout",
        scope=Scope.CHECKOUT,
        keyed=True,
        takes=takes,
        gives=AdmissionAnswer,
        parameters=(Parameter("experience", "query", "the admission's experience: spares the search for it"),),
        refusals=(Reason.NOT_FOUND, Reason.WINDOW_OVER, *refusals, Reason.BUSY, Reason.ENGINE_AWAY),
    )


CHECKOUT_ENDPOINTS: tuple[Endpoint, ...] = (
    _endpoint("redeem", redeem, "Use an admission; once", None, Reason.ALREADY_DONE),
    _endpoint("complete", complete, "Tell that the order is paid", CompleteBody, Reason.ALREADY_DONE),
    _endpoint("release", release, "End an admission without an order", None, Reason.ALREADY_DONE),
    _endpoint("extend", extend, "Move the end of the checkout window, once", ExtendBody, Reason.ALREADY_DONE),
)
