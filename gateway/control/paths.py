"""Endpoints about one path, its tickets and the stock: what a merchant does by hand while people wait."""

from msgspec import UNSET
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.responses import Response

from gateway.control.change import change, room_of
from gateway.control.content import (
    AdmitAnswer,
    AdmitBody,
    Changed,
    OfferAnswer,
    OfferBody,
    PathPatch,
    RefuseBody,
    StockAnswer,
    VariantPatch,
)
from gateway.control.experiences import given_in, nothing_given
from gateway.endpoints import Call, Handler
from gateway.problems import invalid
from protocol.commands import (
    AdmitNow,
    Close,
    End,
    Limits,
    Offer,
    Open,
    Pause,
    RefuseTicket,
    Resume,
    SetReleaseRate,
    SetStock,
)
from protocol.refusals import Reason, Refusal

TICKET_DIGITS_MAX = 15
"""JSON numbers of so many digits are exact everywhere."""


class TicketConvertor(IntegerConvertor):
    """``{ticket:ticket}`` in an address; what is longer than any ticket is no address."""

    regex = f"[0-9]{{1,{TICKET_DIGITS_MAX}}}"


register_url_convertor("ticket", TicketConvertor())


async def patch_path(call: Call) -> Response | Refusal:
    """Change the limits of a path, and pause or resume it: two commands. First whatever lets fewer in: a pause, or the
    limits that hold once it goes on. The key is that of the pause, so that limits alone are known as another content.
    """
    patch: PathPatch = call.body
    path = call.request.path_params["path"]
    limits = given_in(patch)
    if not limits:
        return nothing_given(PathPatch)
    paused = limits.pop("paused", None)
    overlay = (Pause if paused else Resume)(call.actor, call.key, path)
    if not limits:
        return await change(call, overlay, Changed)
    limits_key = call.key if paused is None else call.key and f"{call.key} limits"
    limit = SetReleaseRate(call.actor, limits_key, path, Limits(**limits))
    if paused is None:
        return await change(call, limit, Changed)
    first, then = (overlay, limit) if paused else (limit, overlay)
    answer = await change(call, first, Changed)
    return answer if isinstance(answer, Refusal) else await change(call, then, Changed)


def by_hand(command: type[Open] | type[Pause] | type[Resume] | type[Close] | type[End]) -> Handler:
    """The handler that sends ``command`` for the path of the address."""

    async def handle(call: Call) -> Response | Refusal:
        return await change(call, command(call.actor, call.key, call.request.path_params["path"]), Changed)

    return handle


async def admit(call: Call) -> Response | Refusal:
    """Admit some at once, outside the rate; the caps and the stock hold."""
    body: AdmitBody = call.body
    command = AdmitNow(call.actor, call.key, call.request.path_params["path"], body.count)
    return await change(call, command, AdmitAnswer)


async def offer(call: Call) -> Response | Refusal:
    """Offer something to the next on a waitlist."""
    body: OfferBody = call.body
    command = Offer(call.actor, call.key, call.request.path_params["path"], body.count)
    return await change(call, command, OfferAnswer)


async def refuse_ticket(call: Call) -> Response | Refusal:
    """Turn a waiting ticket away."""
    body: RefuseBody = call.body
    path, ticket = call.request.path_params["path"], call.request.path_params["ticket"]
    return await change(call, RefuseTicket(call.actor, call.key, path, ticket, body.reason), Changed)


async def patch_variant(call: Call) -> Response | Refusal:
    """Set the stock of a variant, or add to it."""
    patch: VariantPatch = call.body
    product, variant = call.request.path_params["product"], call.request.path_params["variant"]
    room = await room_of(call)
    if isinstance(room, Refusal):
        return room
    assert room.replica.document is not None, "room_of gives a configured room"
    sold = {(one.id, each.id) for one in room.replica.document.products for each in one.variants}
    if (product, variant) not in sold:
        return Refusal(Reason.NOT_FOUND, {"detail": f"there is no variant {variant!r} of {product!r}"})
    if (patch.stock is UNSET) == (patch.add is UNSET):
        return invalid("$", "give either stock or add")
    stock = None if patch.stock is UNSET else patch.stock
    add = None if patch.add is UNSET else patch.add
    return await change(call, SetStock(call.actor, call.key, variant, stock, add), StockAnswer)
