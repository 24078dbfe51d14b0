"""The frames of the kinds of distributions beside the queue, both ways; the union of all is in ``protocol.frames``.

Of the same form as those: instants are epoch milliseconds with ``now`` beside them, money is a decimal string in the
currency that the path names, what does not apply is absent.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.fields import Money
from protocol.frame_base import ClientFrameBase, Id, OfferId, OptionalId, Ref, ServerFrameBase

Code = Annotated[str, Meta(min_length=1, max_length=64)]

# Draw


class DrawResultFrame(ServerFrameBase, frozen=True, tag="draw_result"):
    """Fact: the draw is over. ``reserve``: not won, but next in order when a winner's turn lapses. ``place`` counts
    from 1 and is told with a win. ``proof``: the address of what lets anybody repeat the draw."""

    path: str
    won: bool
    proof: str
    reserve: bool | UnsetType = UNSET
    place: int | UnsetType = UNSET
    winners: int | UnsetType = UNSET
    entrants: int | UnsetType = UNSET


# Auction


class HighBidFrame(ServerFrameBase, frozen=True, tag="high_bid"):
    """State of an auction, at most ten a second. English: ``amount`` is the price of a unit now (null while there are
    no bids), ``min_next`` the least maximum that is taken, ``reserve_met`` is there where a reserve is. Dutch:
    ``price`` is the price now (absent before the opening), ``next_drop_at`` when it falls (absent where it stays),
    ``left`` how many units can still be taken."""

    path: str
    currency: str
    closes_at: int | None
    now: int
    amount: str | UnsetType | None = UNSET
    bids: int | UnsetType = UNSET
    min_next: str | UnsetType = UNSET
    reserve_met: bool | UnsetType = UNSET
    extensions: int | UnsetType = UNSET
    price: str | UnsetType = UNSET
    next_drop_at: int | UnsetType = UNSET
    left: int | UnsetType = UNSET


BidStatus = Literal["leading", "outbid", "won", "lost"]


class BidStatusFrame(ServerFrameBase, frozen=True, tag="bid_status"):
    """Fact: how one's own bid does. ``max`` is one's own maximum, ``price`` what a winner pays: in a Dutch auction,
    where ``won`` says that a unit is taken, what one has claimed it at."""

    path: str
    status: BidStatus
    max: str | UnsetType = UNSET
    price: str | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET


# Appointment

GivenBack = Literal["cancelled", "merchant", "hold_over"]


class SlotView(Struct, frozen=True):
    """A slot, and how many of its places are free."""

    id: str
    start: int
    end: int
    location: str
    free: int


class SlotsFrame(ServerFrameBase, frozen=True, tag="slots"):
    """State: all slots of a path at first, in as many frames as it takes, then those whose free places have changed.
    Where there are ``since`` and ``until`` (null: for ever), no other slots begin from the one until the other: what
    was told of such before is no more."""

    path: str
    slots: list[SlotView]
    now: int
    since: int | UnsetType = UNSET
    until: int | None | UnsetType = UNSET


class HeldFrame(ServerFrameBase, frozen=True, tag="held"):
    """Fact: a place in ``slot`` is kept until ``hold_expires_at``; without it, through the checkout that comes before
    the booking."""

    path: str
    slot: str
    now: int
    hold_expires_at: int | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET


class BookedFrame(ServerFrameBase, frozen=True, tag="booked"):
    """Fact: ``slot`` is booked; ``confirmation`` is what to show there."""

    path: str
    slot: str
    confirmation: str
    ref: Ref | UnsetType = UNSET


class CancelledFrame(ServerFrameBase, frozen=True, tag="cancelled"):
    """Fact: the place in ``slot`` is given back (``cancelled``), by the merchant (``merchant``), or its hold ran out or
    the time to pay for it (``hold_over``); the ticket waits again."""

    path: str
    slot: str
    reason: GivenBack
    ref: Ref | UnsetType = UNSET


# Offers, choices, codes


class OfferFrame(ServerFrameBase, frozen=True, tag="offer"):
    """Fact: what became free may be claimed until ``claim_by``. Sent again when that moves. ``reserved`` false: others
    have the same offer, and the first who claim get it; ``gone``: they did, and it may come back until then. ``slot``:
    it is a place there, and a claim books it."""

    path: str
    offer: str
    claim_by: int
    now: int
    price: str | UnsetType = UNSET
    variant: str | UnsetType = UNSET
    reserved: bool | UnsetType = UNSET
    gone: bool | UnsetType = UNSET
    slot: str | UnsetType = UNSET


class AnnouncedFrame(ServerFrameBase, frozen=True, tag="announced"):
    """Fact: ``source``, for which one waits in the waitlist ``path``, has opened; nothing is kept for anybody."""

    path: str
    source: str
    now: int


class CodeResultFrame(ServerFrameBase, frozen=True, tag="code_result"):
    """What an access code did: ``advanced`` (a ticket on its path), ``unchanged`` (there was one already, there or
    before it), ``gated`` (the code is right, and ``reason`` stands in the way)."""

    outcome: Literal["advanced", "unchanged", "gated"]
    path: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET


KindServerFrame = (
    DrawResultFrame | HighBidFrame | BidStatusFrame | SlotsFrame | HeldFrame | BookedFrame | CancelledFrame
    | OfferFrame | AnnouncedFrame | CodeResultFrame
)  # fmt: skip


class ChooseFrame(ClientFrameBase, frozen=True, tag="choose", kw_only=True):
    """Want another variant, at the same place."""

    path: Id
    variant: Id


class BidFrame(ClientFrameBase, frozen=True, tag="bid", kw_only=True):
    """Bid up to ``max``. ``id`` is the client's own: the same bid sent again is the same bid."""

    path: Id
    max: Money
    id: Id


class HoldFrame(ClientFrameBase, frozen=True, tag="hold", kw_only=True):
    """Keep a place in ``slot`` for a while."""

    path: Id
    slot: Id


class BookFrame(ClientFrameBase, frozen=True, tag="book", kw_only=True):
    """Book ``slot``; none: the one held."""

    path: Id
    slot: OptionalId = ""


class RescheduleFrame(ClientFrameBase, frozen=True, tag="reschedule", kw_only=True):
    """Have ``slot`` instead of the one booked, or keep that."""

    path: Id
    slot: Id


class CancelFrame(ClientFrameBase, frozen=True, tag="cancel", kw_only=True):
    """Give up the hold or the booking: that of ``slot`` and no other, where it is named."""

    path: Id
    slot: OptionalId = ""


class ClaimFrame(ClientFrameBase, frozen=True, tag="claim", kw_only=True):
    """Take what is there: a timed release, an ``offer`` (none: whichever there is), or a unit of a Dutch auction for at
    most ``price``. ``variant`` is for the ticket that it takes, as in `join`."""

    path: Id
    offer: OfferId = ""
    price: Money | UnsetType = UNSET
    variant: OptionalId = ""


class CodeFrame(ClientFrameBase, frozen=True, tag="code", kw_only=True):
    """Go in by an access code."""

    code: Code


KindClientFrame = (
    ChooseFrame | BidFrame | HoldFrame | BookFrame | RescheduleFrame | CancelFrame | ClaimFrame | CodeFrame
)
