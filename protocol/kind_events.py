"""The events of the kinds of distributions beside the queue: what only some of them tell.

Of the same form as those of ``protocol.events``, whose union has them all. Money is in minor units; instants are epoch
milliseconds; tickets are dense numbers in their path; ``offers`` are 16-byte ids one after the other.
"""

from typing import Any

from msgspec import Struct

CONSUMER_BYTES = 16
ADMISSION_BYTES = 16
OFFER_BYTES = 16


class Event(Struct, frozen=True, array_like=True, gc=False):
    """Base of all events."""


# What every kind may tell


class Chosen(Event, frozen=True, array_like=True, gc=False, tag="chosen"):
    """The holder of ``ticket`` wants ``variant``."""

    path: str
    ticket: int
    variant: str


class Allotted(Event, frozen=True, array_like=True, tag="allotted"):
    """What the admissions are for that come next in ``path``: a variant ("" = any) and a price (None = as it stands in
    the document) for each of ``tickets``."""

    path: str
    tickets: list[int]
    variants: list[str]
    prices: list[int | None]


class TicketsLost(Event, frozen=True, array_like=True, tag="tickets_lost"):
    """``tickets`` are lost, wherever they stood; see ``WaitingLost`` for all who wait."""

    path: str
    at: int
    tickets: list[int]
    reason: str


class HoldingDetails(Event, frozen=True, array_like=True, tag="holding_details"):
    """What the kind of ``path`` has to add to what ``Attached`` has just told ``consumer`` of ``ticket``."""

    consumer: bytes
    path: str
    ticket: int
    details: dict[str, Any]


# Claims and offers


class Claimed(Event, frozen=True, array_like=True, gc=False, tag="claimed"):
    """``ticket`` is to be admitted in its turn: claims are served in the order in which they are told."""

    path: str
    at: int
    ticket: int


class Offered(Event, frozen=True, array_like=True, tag="offered"):
    """``tickets`` may claim until ``claim_by`` what became free because of ``cause``. ``reserved``: a unit is kept for
    each of them; else the first to claim gets it. ``variants``, ``prices``: as in ``Allotted``. ``slot``: where a place
    is kept for whoever claims it ("" = it is no place in a slot)."""

    path: str
    at: int
    claim_by: int
    tickets: list[int]
    offers: bytes
    cause: str
    reserved: bool
    variants: list[str]
    prices: list[int | None]
    slot: str = ""


class OfferMoved(Event, frozen=True, array_like=True, gc=False, tag="offer_moved"):
    """The offer of ``ticket`` can be claimed until ``claim_by``: the time that nobody could be told is given back."""

    path: str
    ticket: int
    claim_by: int


class OfferExpired(Event, frozen=True, array_like=True, tag="offer_expired"):
    """The offers of ``tickets`` were not claimed in time."""

    path: str
    at: int
    tickets: list[int]


class OfferSkipped(Event, frozen=True, array_like=True, gc=False, tag="offer_skipped"):
    """``ticket`` would have been next and was not offered what others are, for ``reason``; it keeps its place."""

    path: str
    at: int
    ticket: int
    reason: str


class UnitsFreed(Event, frozen=True, array_like=True, gc=False, tag="units_freed"):
    """``count`` units came to the waitlist ``path`` because of ``cause``: ``expired``, ``declined``, ``released``,
    ``cancelled``, ``stock_added`` or ``by_hand``. ``source``: the path where they were ("" = none)."""

    path: str
    at: int
    source: str
    cause: str
    count: int


class UnitsGone(Event, frozen=True, array_like=True, gc=False, tag="units_gone"):
    """Nothing is left for those who may claim what is offered to all; until their time is over it may return."""

    path: str
    at: int
    gone: bool


class Announced(Event, frozen=True, array_like=True, gc=False, tag="announced"):
    """All who wait in ``path`` are told that ``source`` has opened; nothing is kept for anybody."""

    path: str
    at: int
    source: str


# The lottery: a draw, the lobby of a queue, a waitlist that is offered by lot


class DrawCommitted(Event, frozen=True, array_like=True, gc=False, tag="draw_committed"):
    """The next order of the path has a secret from now on: ``commitment`` (32 bytes) is what it is held to."""

    path: str
    commitment: bytes


class EntriesClosed(Event, frozen=True, array_like=True, gc=False, tag="entries_closed"):
    """Who waits now is in the hat, and nobody else: the roster is what ``root`` (32 bytes) commits to, until the
    order is drawn."""

    path: str
    at: int
    tickets: int
    root: bytes


class BeaconGiven(Event, frozen=True, array_like=True, gc=False, tag="beacon_given"):
    """The randomness of the beacon's round is known. ``previous_signature`` where the chain signs that too."""

    path: str
    at: int
    randomness: bytes
    signature: bytes
    actor: str
    previous_signature: bytes = b""


class PlacesGiven(Event, frozen=True, array_like=True, gc=False, tag="places_given"):
    """Places ``first``, ``first + 1``, … of a lobby are those of ``tickets``, 4 little-endian bytes each, once the
    order is drawn; whoever was not in the hat stands last."""

    path: str
    first: int
    tickets: bytes


class Drawn(Event, frozen=True, array_like=True, tag="drawn"):
    """The order is drawn: ``secret`` and ``seed`` (32 bytes) let anybody repeat it. ``winners``: the first of it, where
    there are any."""

    path: str
    at: int
    secret: bytes
    seed: bytes
    order_digest: bytes
    winners: list[int]


class NotDrawn(Event, frozen=True, array_like=True, tag="not_drawn"):
    """Nobody moves up any more: all who wait are lost, but for ``kept``, whose turn comes."""

    path: str
    at: int
    kept: list[int]


# Auction


class PriceChanged(Event, frozen=True, array_like=True, tag="price_changed"):
    """What stands now in an English auction: the price of a unit, how many bids there were, the least next one, whether
    the reserve is met, when it ends after how many extensions; ``leading``: who leads from now on, ``outbid``: who does
    no longer."""

    path: str
    at: int
    price: int
    bids: int
    min_next: int
    reserve_met: bool
    ends_at: int | None
    extensions: int
    leading: list[int]
    outbid: list[int]


class BidPlaced(PriceChanged, frozen=True, array_like=True, tag="bid_placed"):
    """``ticket`` bids up to ``maximum``, and this is what stands then."""

    ticket: int
    maximum: int
    id: str


class AuctionEnded(Event, frozen=True, array_like=True, tag="auction_ended"):
    """The hammer: ``winners`` pay ``price`` each; nobody wins below the reserve."""

    path: str
    at: int
    price: int
    winners: list[int]


class PriceDropped(Event, frozen=True, array_like=True, gc=False, tag="price_dropped"):
    """The price of a Dutch auction from now on; the next drop comes at ``next_drop_at`` (None = it stays)."""

    path: str
    at: int
    price: int
    next_drop_at: int | None


class UnitTaken(Event, frozen=True, array_like=True, gc=False, tag="unit_taken"):
    """``ticket`` takes a unit of a Dutch auction at ``price`` and is to be admitted in its turn."""

    path: str
    at: int
    ticket: int
    price: int


class EndMoved(Event, frozen=True, array_like=True, gc=False, tag="end_moved"):
    """An auction ends at ``ends_at``, and its price drops next at ``next_drop_at``: the time in which nobody could bid
    is given back."""

    path: str
    ends_at: int | None
    next_drop_at: int | None


# Appointment


class SlotHeld(Event, frozen=True, array_like=True, gc=False, tag="slot_held"):
    """A place in ``slot`` is kept for ``ticket`` until ``hold_until``."""

    path: str
    at: int
    ticket: int
    slot: str
    hold_until: int


class HoldMoved(Event, frozen=True, array_like=True, gc=False, tag="hold_moved"):
    """The place that is kept for ``ticket`` is kept until ``hold_until``: the time that nobody could book is given
    back."""

    path: str
    ticket: int
    hold_until: int


class HoldEnded(Event, frozen=True, array_like=True, tag="hold_ended"):
    """``tickets`` wait again: their holds were given up or ran out."""

    path: str
    at: int
    tickets: list[int]


class Booked(Event, frozen=True, array_like=True, gc=False, tag="booked"):
    """``ticket`` has ``slot``, instead of ``instead_of`` where that is a slot."""

    path: str
    at: int
    ticket: int
    slot: str
    confirmation: str
    instead_of: str


class CheckoutAsked(Event, frozen=True, array_like=True, gc=False, tag="checkout_asked"):
    """``ticket`` waits for its turn to pay for ``slot``, in which it has a place until then, and no hold any more."""

    path: str
    at: int
    ticket: int
    slot: str


class CheckoutDropped(Event, frozen=True, array_like=True, gc=False, tag="checkout_dropped"):
    """``ticket`` has its place in ``slot`` no more: it was not paid for."""

    path: str
    at: int
    ticket: int
    slot: str


class SlotKept(Event, frozen=True, array_like=True, gc=False, tag="slot_kept"):
    """A place in ``slot`` that was given back is kept for the waitlist, and can be had by nobody else."""

    path: str
    at: int
    slot: str


class SlotReleased(Event, frozen=True, array_like=True, gc=False, tag="slot_released"):
    """A place in ``slot`` is kept no more: whoever claimed it books it now, or it is free."""

    path: str
    at: int
    slot: str


class BookingCancelled(Event, frozen=True, array_like=True, gc=False, tag="booking_cancelled"):
    """``ticket`` waits again, without its slot."""

    path: str
    at: int
    ticket: int
    slot: str
    actor: str


class CheckedIn(Event, frozen=True, array_like=True, gc=False, tag="checked_in"):
    """``ticket`` came."""

    path: str
    at: int
    ticket: int
    actor: str


class NotShown(Event, frozen=True, array_like=True, gc=False, tag="not_shown"):
    """``ticket`` did not come."""

    path: str
    at: int
    ticket: int
    actor: str
