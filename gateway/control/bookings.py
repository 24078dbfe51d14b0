"""The bookings of an appointment, for whoever stands at the desk: which are there, who came, who did not.

A booking is named by its confirmation code, which its owner shows; who that is is not told here. A code that was heard
or typed is taken as it was meant: small letters, and the three letters that look like digits and are in no code.
"""

import re
from typing import Annotated, Literal, cast

from msgspec import Meta, Struct
from starlette.responses import Response

from gateway.control.change import change, room_of
from gateway.control.content import Changed, Entry
from gateway.endpoints import Call, Handler, json_answer
from protocol.commands import CancelBooking, CheckIn, NoShow
from protocol.distributions import Appointment
from protocol.kinds.appointment import AppointmentReplica
from protocol.path_replica import PathReplica
from protocol.refusals import Reason, Refusal
from protocol.slots import start_of

_CODE = re.compile(r"[0-9A-Z]{1,32}")
_MEANT = str.maketrans("OIL", "011")
_MS_PER_MINUTE = 60_000

BookingState = Literal["booked", "completed", "expired"]


class Booking(Struct, frozen=True):
    """A place in ``slot``, from ``start`` until ``end`` (epoch ms). ``completed``: checked in; ``expired``: did not
    come."""

    confirmation: Annotated[str, Meta(description="the code that its owner shows")]
    slot: str
    start: int
    end: int
    state: BookingState
    ticket: int


class Bookings(Struct, frozen=True):
    """By start, then ticket; cancelled ones are not among them."""

    bookings: list[Booking]
    entry: Entry


async def list_bookings(call: Call) -> Response | Refusal:
    """The bookings of a path, or of one of its slots."""
    room, path_id = await room_of(call), call.request.path_params["path"]
    if isinstance(room, Refusal):
        return room
    path = room.replica.paths.get(path_id)
    if path is None or not isinstance(path.kind, AppointmentReplica):
        return Refusal(Reason.NOT_FOUND, {"detail": f"{path_id!r} is no path with slots"})
    slot = call.request.query_params.get("slot")
    return json_answer(Bookings(_bookings(path, path.kind, slot), room.replica.entry_id))


def _bookings(path: PathReplica, kind: AppointmentReplica, wanted: str | None) -> list[Booking]:
    terms = path.settings.distribution
    assert isinstance(terms, Appointment), "a path with slots has the terms of an appointment"
    found = [
        (place.slot, ticket, place.confirmation)
        for ticket, place in kind.places.items()
        if place.confirmation and wanted in (None, place.slot)
    ]
    length_ms, starts = terms.duration_minutes * _MS_PER_MINUTE, {slot: start_of(slot) for slot, _, _ in found}
    return [
        Booking(code, slot, starts[slot], starts[slot] + length_ms, cast(BookingState, path.state(ticket).word), ticket)
        for slot, ticket, code in sorted(found)
    ]


def by_code(command: type[CheckIn] | type[NoShow] | type[CancelBooking]) -> Handler:
    """The handler that sends ``command`` for the booking of the address."""

    async def handle(call: Call) -> Response | Refusal:
        named = call.request.path_params
        code = named["confirmation"].upper().translate(_MEANT)
        if _CODE.fullmatch(code) is None:
            return Refusal(Reason.NOT_FOUND, {"detail": "there is no booking with that code"})
        return await change(call, command(call.actor, call.key, named["path"], code), Changed)

    return handle
