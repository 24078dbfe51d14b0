"""The proof of an order that was drawn, of a draw or a lobby, over HTTP, as far as it is fixed.

Hands over to: ``protocol.kinds.lots``, which keeps it, and ``protocol.proof``, which is the document.
"""

from typing import Any

import msgspec
from starlette.responses import Response

from gateway.control.change import room_of
from gateway.endpoints import Call, json_answer
from protocol.distributions import Draw
from protocol.kinds.lots import LotsReplica
from protocol.lottery import RULE
from protocol.path_replica import PathReplica
from protocol.proof import encode
from protocol.refusals import Reason, Refusal


async def proof(call: Call) -> Response | Refusal:
    """The proof document; before the draw what is fixed so far."""
    named = call.request.path_params
    room = await room_of(call)
    if isinstance(room, Refusal):
        return room
    path = room.replica.paths.get(named["path"])
    if path is None or not isinstance(path.kind, LotsReplica) or not path.kind.commitment:
        return Refusal(Reason.NOT_FOUND, {"detail": f"{named['path']!r} is no path that draws"})
    found = path.kind.proof(named["experience"])
    if found is None:
        return json_answer(_fixed(named["experience"], path, path.kind))
    return Response(encode(found), headers={"Cache-Control": "no-store"}, media_type="application/json")


def _fixed(experience: str, path: PathReplica, kind: LotsReplica) -> dict[str, Any]:
    """What can be known before the draw, in the words of the proof."""
    terms = path.settings.distribution
    named = terms.beacon if isinstance(terms, Draw) else None
    beacon = None if named is None else msgspec.to_builtins(named)
    fixed = {"rule": RULE, "experience": experience, "path": path.settings.id, "commitment": kind.commitment.hex()}
    closed = {"tickets": len(kind.hats), "root": kind.root.hex()} if kind.root else {}
    return {**fixed, "beacon": beacon, "operator_could_know": beacon is None, **closed}
