"""How a request becomes a command and its outcome an answer: the one way in which control endpoints change anything.

A change is answered when an event entry shows it applied, with the ID of that entry. A request may bring an ID back
(``Stanchion-Entry`` or ``?entry=``) to read its own writes at another process.
"""

import msgspec
from msgspec import Struct
from starlette.responses import Response

from gateway.endpoints import Call, json_answer
from gateway.hub import Hub, Room
from gateway.problems import invalid
from protocol.commands import Command
from protocol.refusals import Reason, Refusal
from protocol.streams import parse_entry_id


def hub_of(call: Call) -> Hub:
    """The hub of this process."""
    hub: Hub = call.request.app.state.hub
    return hub


async def room_of(call: Call) -> Room | Refusal:
    """The room that the address names, configured, and as far as the entry that the request brings."""
    experience = call.request.path_params["experience"]
    room = await hub_of(call).room(experience)
    if room is None:
        return hub_of(call).absence(experience)
    if room.replica.document is None:
        return Refusal(Reason.NOT_FOUND, {"detail": f"the experience {experience!r} is not configured yet"})
    entry = call.request.headers.get("stanchion-entry") or call.request.query_params.get("entry")
    if entry:
        try:
            parse_entry_id(entry)
        except ValueError as error:
            return invalid("entry", str(error))
        await hub_of(call).reached(room, entry)
    return room


async def change(call: Call, command: Command, gives: type[Struct]) -> Response | Refusal:
    """Send ``command`` and wait: the engine's answer, with ``entry``, as a ``gives``, or its refusal."""
    room = await room_of(call)
    if isinstance(room, Refusal):
        return room
    outcome = await hub_of(call).perform(room.experience, command)
    if outcome.refusal is not None:
        return outcome.refusal
    return json_answer(msgspec.convert(outcome.answer | {"entry": outcome.entry}, gives))
