"""Coming in, by any way: socket, event stream, poll or command. What is known at the door is refused at the door.

The order is that of the cost: is there room at all, who is it, which experience, from which page. A bare GET makes no
person and no place: ``?join=`` counts only with a session that the request presents, and never for a page of another
site that does not say who it is.

Hands over to: `gateway.conversations`.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from starlette.requests import Request

from gateway.edge.bouncer import turned_away
from gateway.hub import Hub
from gateway.identity import Caller, Identity, identify, is_from_elsewhere, origin_refusal
from gateway.rooms import Room
from gateway.session import ArrivalCommand
from protocol.commands import Attach, Join
from protocol.documents import PATHS_MAX
from protocol.refusals import Reason, Refusal

SOCKETS_PER_CONSUMER_MAX = 64
"""At one process: what is told to one consumer is told to each of their sockets."""

NEWBORN_MS = 500
"""From being known to being configured."""
NEWBORN_LOOK_MS = 10


class Arrival(Struct, frozen=True):
    """Somebody who may come in: into which room, as whom, what is asked for first and what is watched (None: all).
    ``address``: where a request comes from."""

    room: Room
    identity: Identity
    commands: list[ArrivalCommand]
    watched: frozenset[str] | None
    address: str = ""

    @property
    def new_session(self) -> str | None:
        """The token that was made for them, if none was presented."""
        return None if self.identity.presented else self.identity.token


async def arrive(hub: Hub, scope: Mapping[str, Any], experience: str) -> Arrival | Refusal:
    """Let in whoever makes the request of ``scope`` (ASGI), or say why not."""
    if hub.draining:
        return turned_away()
    caller = Caller(scope)
    identity = identify(caller, hub.settings, int(time.time()))
    if isinstance(identity, Refusal):
        return identity
    room = await configured_room(hub, experience)
    if isinstance(room, Refusal):
        return room
    assert room.replica.document is not None, "a configured room has a document"
    refusal = origin_refusal(caller, room.replica.document.allowed_origins)
    if refusal is not None:
        return refusal
    if _sockets_of(room, identity) >= SOCKETS_PER_CONSUMER_MAX:
        limit = f"at most {SOCKETS_PER_CONSUMER_MAX} sockets of one consumer"
        return Refusal(Reason.TOO_MANY, {"detail": limit})
    joins, watches = caller.parameters("join"), caller.parameters("watch")
    if len(joins) + len(watches) > 2 * PATHS_MAX:
        return Refusal(Reason.INVALID, {"detail": f"at most {PATHS_MAX} paths can be joined and watched"})
    named = frozenset(path for path in (*joins, *watches) if path in room.replica.paths)
    may_join = identity.presented and not is_from_elsewhere(caller)
    address = (scope.get("client") or ("",))[0]
    return Arrival(room, identity, _commands(room, identity, joins if may_join else []), named or None, address)


async def arrived(hub: Hub, request: Request) -> Arrival | Refusal:
    """The same for a request over HTTP, which the parked edge has not counted at its door."""
    return hub.bouncer.refusal(hub.lot) or await arrive(hub, request.scope, request.path_params["experience"])


async def configured_room(hub: Hub, experience: str) -> Room | Refusal:
    """The room of an experience that has a document, or why there is none. One that was made known a moment ago, maybe
    through another gateway, has a while to be configured."""
    room = await hub.room(experience)
    if room is None:
        return hub.absence(experience)
    waits = NEWBORN_MS // NEWBORN_LOOK_MS
    while room.replica.document is None and waits:
        waits -= 1
        await asyncio.sleep(NEWBORN_LOOK_MS / 1000)
    return room if room.replica.document is not None else Refusal(Reason.NOT_FOUND)


def _sockets_of(room: Room, identity: Identity) -> int:
    person = room.people.find(identity.session.consumer) if identity.presented else None
    return 0 if person is None else len(room.people.slots_of(person.number))


def _commands(room: Room, identity: Identity, joins: list[str]) -> list[ArrivalCommand]:
    """What is asked of the engine: of somebody who never took a ticket here there is nothing to ask. One who takes it
    elsewhere in this instant hears of it like everybody who is here."""
    consumer, level = identity.session.consumer, identity.session.level
    if joins:
        return [Join(consumer, path, implicit=True, level=level) for path in dict.fromkeys(joins)]
    may_hold = identity.presented and room.replica.holders.may_hold(consumer)
    return [Attach(consumer)] if may_hold else []
