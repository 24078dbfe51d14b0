"""Endpoints about an experience as a whole: its document, its limits over all paths, a notice, its numbers."""

import secrets
from typing import Any

from msgspec import UNSET, Struct, structs
from starlette.responses import Response

from gateway.control import statistics
from gateway.control.change import change, hub_of, room_of
from gateway.control.content import (
    READ_ONLY_FIELDS,
    Changed,
    ExperienceAnswer,
    ExperienceLine,
    ExperienceList,
    ExperiencePatch,
    NoticeBody,
)
from gateway.endpoints import Call, json_answer
from gateway.hub import Room
from gateway.io.store import STORE_ERRORS
from gateway.problems import invalid
from protocol import documents
from protocol.commands import Configure, Limits, PostNotice, SetReleaseRate
from protocol.refusals import Reason, Refusal
from protocol.slots import as_put

SECRET_BYTES = 32
FIRST = {"revision": 1, "changed": True}
"""What the engine answers to the document that made the experience."""


async def list_experiences(call: Call) -> Response | Refusal:
    """Every experience that is configured, by id."""
    hub = hub_of(call)
    rooms = [await hub.room(experience) for experience in sorted(hub.room_ids())]
    return json_answer(ExperienceList([line for room in rooms if room is not None for line in _lines(room)]))


def _lines(room: Room) -> list[ExperienceLine]:
    replica = room.replica
    if replica.document is None:
        return []
    return [ExperienceLine(room.experience, replica.document.name, replica.phase, replica.revision)]


async def get_experience(call: Call) -> Response | Refusal:
    """The document and what it stands at."""
    room = await room_of(call)
    return room if isinstance(room, Refusal) else _answer(room, room.replica.entry_id, 200)


async def put_experience(call: Call) -> Response | Refusal:
    """Make the experience be as the document says: 201 the first time, 200 from then on.

    Every PUT brings a secret; the engine keeps the first one.
    """
    experience = call.request.path_params["experience"]
    document = _document(call.body, experience)
    if isinstance(document, Refusal):
        return document
    hub = hub_of(call)
    try:
        known = await hub.room(experience)
        room = known if known is not None and known.replica.document is not None else await hub.create(experience)
    except STORE_ERRORS:
        return Refusal(Reason.ENGINE_AWAY, {"detail": "the store does not answer at the moment"})
    unmade = room.replica.document is None
    secret = secrets.token_bytes(SECRET_BYTES)
    outcome = await hub.perform(experience, Configure(call.actor, call.key, document, secret, hub.keys.active_kid))
    if outcome.refusal is not None:
        return outcome.refusal
    await hub.reached(room, outcome.entry)
    return _answer(room, outcome.entry, 201 if unmade and outcome.answer == FIRST else 200)


def _document(raw: Any, experience: str) -> documents.Experience | Refusal:
    if isinstance(raw, dict):
        raw = {name: value for name, value in raw.items() if name not in READ_ONLY_FIELDS}
    try:
        return documents.parse(raw, experience)
    except documents.DocumentError as error:
        return Refusal(Reason.INVALID, {"errors": error.problems})


def _answer(room: Room, entry: str, status: int) -> Response | Refusal:
    replica = room.replica
    if replica.document is None:
        return Refusal(Reason.ENGINE_AWAY, {"entry": entry, "detail": "applied, but not read back yet"})
    answer = ExperienceAnswer(
        **structs.asdict(as_put(replica.document)),
        phase=replica.phase,
        revision=replica.revision,
        warnings=documents.warnings(replica.document, room.now_ms()),
        entry=entry,
    )
    return json_answer(answer, status)


async def patch_experience(call: Call) -> Response | Refusal:
    """Change the limits over all paths."""
    patch: ExperiencePatch = call.body
    limits = given_in(patch)
    if not limits:
        return nothing_given(ExperiencePatch)
    return await change(call, SetReleaseRate(call.actor, call.key, "", Limits(**limits)), Changed)


def given_in(patch: Struct) -> dict[str, Any]:
    """The fields that a patch names."""
    return {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}


def nothing_given(patch: type[Struct]) -> Refusal:
    """The refusal of a patch that names no field."""
    return invalid("$", f"give at least one of {', '.join(patch.__struct_fields__)}")


async def post_notice(call: Call) -> Response | Refusal:
    """Tell everybody there."""
    body: NoticeBody = call.body
    return await change(call, PostNotice(call.actor, call.key, body.text, body.level, body.until), Changed)


async def get_stats(call: Call) -> Response | Refusal:
    """Numbers from the replica of this process."""
    room = await room_of(call)
    if isinstance(room, Refusal):
        return room
    return json_answer(statistics.of_room(room, hub_of(call).settings.number))
