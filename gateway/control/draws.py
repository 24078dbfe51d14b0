"""Drawing by hand, and taking in what the beacon said: it is real, or the engine never hears of it.

The BLS signature takes most of a second to check, in a thread; ``protocol.bls`` is imported only where one comes.
"""

import asyncio
from hashlib import sha256
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from gateway.control.change import change
from gateway.control.content import Changed
from gateway.endpoints import Call
from gateway.problems import invalid
from protocol.beacons import Beacon, chain_of
from protocol.commands import Draw, DrawBeacon
from protocol.refusals import Refusal

Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$(?!\n)", max_length=192)]


class BeaconBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A round as its source published it; ``previous_signature`` where the chain signs that too."""

    source: str
    round: Annotated[int, Meta(ge=1, le=2**53)]
    signature: Hex
    previous_signature: Hex | None = None


class DrawBody(Struct, frozen=True, forbid_unknown_fields=True):
    """With a ``beacon`` it is taken in, and the draw goes on when its time has come; without: draw now."""

    beacon: BeaconBody | None = None


async def draw(call: Call) -> Response | Refusal:
    """Draw now, or take the beacon in."""
    body: DrawBody = call.body
    path, told = call.request.path_params["path"], body.beacon
    if told is None:
        return await change(call, Draw(call.actor, call.key, path), Changed)
    signature, previous = bytes.fromhex(told.signature), bytes.fromhex(told.previous_signature or "")
    unproven = await asyncio.to_thread(_unproven, told)
    if unproven is not None:
        return invalid("beacon", unproven)
    randomness = sha256(signature).digest()
    command = DrawBeacon(call.actor, call.key, path, told.source, told.round, randomness, signature, previous)
    return await change(call, command, Changed)


def _unproven(told: BeaconBody) -> str | None:
    from protocol import bls

    chain = chain_of(told.source)
    key = "" if chain is None else chain.public_key
    randomness = sha256(bytes.fromhex(told.signature)).hexdigest()
    return bls.unproven(Beacon(told.source, told.round, randomness, told.signature, key, told.previous_signature))
