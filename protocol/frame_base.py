"""What every frame is made of: the bases of both directions, and the fields that many have.

Hands over to: ``protocol.frames`` and ``protocol.kind_frames``.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

Id = Annotated[str, Meta(min_length=1, max_length=64)]
OptionalId = Annotated[str, Meta(max_length=64)]
OfferId = Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?$(?!\n)")]
Ref = Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=0, le=2**53)]


class ServerFrameBase(Struct, frozen=True, tag_field="type"):
    """Base of the frames that the server sends."""


class ClientFrameBase(Struct, frozen=True, tag_field="type", kw_only=True):
    """Base of the frames that a client sends. Unknown fields are let pass, so that newer clients are understood."""

    ref: Ref | UnsetType = UNSET
