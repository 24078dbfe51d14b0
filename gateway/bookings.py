"""``booking.ics``: a consumer's own booking as a file for their calendar.

A booking keeps its UID when it is moved to another slot, and counts on in SEQUENCE, so that a calendar that knows it
moves the event instead of adding another.

Hands over to: ``protocol.calendar``, which writes the file.
"""

from urllib.parse import urlsplit

from msgspec import structs
from starlette.responses import Response

from gateway.arrivals import arrived
from gateway.control.change import hub_of
from gateway.endpoints import Call
from gateway.hub import Hub
from gateway.rooms import Room
from gateway.stays import look
from protocol import codec
from protocol.calendar import MEDIA_TYPE, Event, calendar_file
from protocol.distributions import Appointment
from protocol.frames import JoinedFrame
from protocol.kinds.appointment import AppointmentReplica, Place
from protocol.refusals import Reason, Refusal
from protocol.slots import start_of
from protocol.states import TicketState

_MS_PER_MINUTE = 60_000


async def booking(call: Call) -> Response | Refusal:
    """The file of what the session's consumer has booked in the path."""
    hub, path_id = hub_of(call), call.request.path_params["path"]
    with hub.bouncer.handshake():
        arrival = await arrived(hub, call.request)
        if isinstance(arrival, Refusal):
            return arrival
        if not arrival.identity.presented:
            return Refusal(Reason.BAD_TOKEN, {"detail": "a booking is shown to whoever made it"})
        seen = await look(hub, structs.replace(arrival, watched=frozenset()))
    if isinstance(seen, Refusal):
        return seen
    held = [codec.decode_server_frame(frame) for frame in seen.frames]
    tickets = [one.ticket for one in held if isinstance(one, JoinedFrame) and one.path == path_id]
    place = _booked(arrival.room, path_id, tickets[0]) if tickets else None
    if place is None:
        return Refusal(Reason.NOT_FOUND, {"detail": f"you have booked nothing in {path_id!r}"})
    file = calendar_file(_event(hub, arrival.room, path_id, place), arrival.room.now_ms())
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="booking.ics"'}
    return Response(file, headers=headers, media_type=MEDIA_TYPE)


def _booked(room: Room, path_id: str, ticket: object) -> Place | None:
    path = room.replica.paths.get(path_id)
    if path is None or not isinstance(path.kind, AppointmentReplica) or not isinstance(ticket, int):
        return None
    return path.kind.places.get(ticket) if path.state(ticket) == TicketState.BOOKED else None


def _event(hub: Hub, room: Room, path_id: str, place: Place) -> Event:
    document, path, origin = room.replica.document, room.replica.paths[path_id], hub.settings.origin
    terms, starts_at = path.settings.distribution, start_of(place.slot)
    assert document is not None and isinstance(terms, Appointment), "who has booked did so in an appointment"
    return Event(
        uid=f"{place.confirmation}.{path_id}.{document.id}@{urlsplit(origin).hostname}",
        sequence=place.moves,
        starts_at=starts_at,
        ends_at=starts_at + terms.duration_minutes * _MS_PER_MINUTE,
        summary=document.name if path.settings.name is None else f"{document.name}: {path.settings.name}",
        location=terms.location,
        description=f"Confirmation code: {place.confirmation}",
        url=f"{origin}/r/{document.id}",
    )
