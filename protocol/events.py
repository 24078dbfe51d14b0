"""What came out of the engine: every event, past tense, and the entry that carries them.

Events are small but name people: per batch, not per person, and never a position. A gateway looks the consumer ids up
among its own sockets and forgets the rest. Tickets are dense numbers in their path; ``admissions`` and ``consumers``
are 16-byte ids one after the other; instants (``at``, ``expires_at``, …) are epoch milliseconds.
"""

from typing import Any

from msgspec import Struct

from protocol import kind_events as k
from protocol.documents import Experience
from protocol.kind_events import ADMISSION_BYTES as ADMISSION_BYTES
from protocol.kind_events import CONSUMER_BYTES as CONSUMER_BYTES
from protocol.kind_events import Event

SENDER_BYTES = 8
WRITER_BYTES = 16


class WriterChanged(Event, frozen=True, array_like=True, gc=False, tag="writer_changed"):
    """A take-over: from here on ``writer`` (16 bytes) appends, in ``epoch``, behind entry ``previous``."""

    epoch: int
    writer: bytes
    previous: str
    previous_chain: bytes


class Configured(Event, frozen=True, array_like=True, tag="configured"):
    """The experience is as ``document`` says; ``revision`` counts such changes."""

    revision: int
    document: Experience
    kid: str
    actor: str


class ReleaseRateChanged(Event, frozen=True, array_like=True, gc=False, tag="release_rate_changed"):
    """What meters admissions in ``path`` ("" = over all paths) is now this, as a whole."""

    path: str
    release_rate_per_minute: int | None
    max_active: int | None
    max_admissions: int | None
    revision: int
    actor: str


class PhaseChanged(Event, frozen=True, array_like=True, gc=False, tag="phase_changed"):
    """``path`` is in ``phase`` since ``at``. ``actor`` is "" when the schedule did it."""

    path: str
    phase: str
    at: int
    opens_at: int | None
    closes_at: int | None
    actor: str


class PauseChanged(Event, frozen=True, array_like=True, gc=False, tag="pause_changed"):
    """The merchant paused or resumed ``path``."""

    path: str
    paused: bool
    at: int
    actor: str


class Joined(Event, frozen=True, array_like=True, gc=False, tag="joined"):
    """Tickets ``first``, ``first + 1``, … of ``path`` belong to ``consumers``, in this order; ``hats`` is one byte a
    ticket. Their count is ``len(hats)``."""

    path: str
    first: int
    consumers: bytes
    hats: bytes


class Holding(Struct, frozen=True, array_like=True, gc=False):
    """One consumer's latest ticket in a path. ``admission``, ``kid``, ``admitted_at`` and ``expires_at`` are filled
    while it is admitted or redeemed. ``may_rejoin``: a missed turn that can still be forgiven."""

    path: str
    ticket: int
    hats: int
    state: int
    reason: str = ""
    may_rejoin: bool = False
    admission: bytes = b""
    kid: str = ""
    admitted_at: int = 0
    expires_at: int = 0


class Attached(Event, frozen=True, array_like=True, tag="attached"):
    """All that ``consumer`` holds, in document order of the paths."""

    consumer: bytes
    holdings: list[Holding]


class Admitted(Event, frozen=True, array_like=True, tag="admitted"):
    """``tickets`` were let in at ``at``; their windows end at ``expires_at``. ``by_hand``: outside the rate."""

    path: str
    at: int
    expires_at: int
    kid: str
    tickets: list[int]
    admissions: bytes
    by_hand: bool


class Redeemed(Event, frozen=True, array_like=True, gc=False, tag="redeemed"):
    """The pass was used."""

    path: str
    at: int
    ticket: int
    actor: str


class WindowMoved(Event, frozen=True, array_like=True, gc=False, tag="window_moved"):
    """The checkout window of ``ticket`` now ends at ``expires_at``."""

    path: str
    ticket: int
    expires_at: int


class Completed(Event, frozen=True, array_like=True, gc=False, tag="completed"):
    """Paid."""

    path: str
    at: int
    ticket: int
    order_id: str
    actor: str


class Expired(Event, frozen=True, array_like=True, tag="expired"):
    """The windows of ``tickets`` ended at ``at`` unused."""

    path: str
    at: int
    tickets: list[int]


class Left(Event, frozen=True, array_like=True, gc=False, tag="left"):
    """``ticket`` was given up: ``left``, ``declined`` or ``released``."""

    path: str
    at: int
    ticket: int
    reason: str


class Returned(Event, frozen=True, array_like=True, gc=False, tag="returned"):
    """``ticket`` waits at its old place again after a missed turn."""

    path: str
    ticket: int


class TicketRefused(Event, frozen=True, array_like=True, gc=False, tag="ticket_refused"):
    """The merchant turned ``ticket`` away."""

    path: str
    at: int
    ticket: int
    reason: str
    actor: str


class WaitingLost(Event, frozen=True, array_like=True, gc=False, tag="waiting_lost"):
    """Every ticket of ``path`` that waited is lost: ``sold_out`` or ``ended``."""

    path: str
    at: int
    reason: str


class SoldOutChanged(Event, frozen=True, array_like=True, gc=False, tag="sold_out_changed"):
    """Whether nothing that ``path`` sells is free now, and whether something reserved may still come back."""

    path: str
    sold_out: bool
    may_return: bool


class StockChanged(Event, frozen=True, array_like=True, gc=False, tag="stock_changed"):
    """Stock of ``variant``: ``total`` ever, of which ``reserved`` and ``completed``."""

    variant: str
    total: int | None
    reserved: int
    completed: int


class NoticePosted(Event, frozen=True, array_like=True, gc=False, tag="notice_posted"):
    """The merchant's words to everybody there."""

    text: str
    level: str
    until: int | None
    at: int
    actor: str


class Skipped(Event, frozen=True, array_like=True, gc=False, tag="skipped"):
    """The commands entry ``entry`` raised, twice: nobody ever applies it. Its ``number`` counts as applied, so that its
    ``sender`` goes on (b"" and 0 where they cannot be read). ``error``: SHA-256 of what it raised."""

    entry: str
    error: bytes
    sender: bytes
    number: int


class Refused(Event, frozen=True, array_like=True, tag="refused"):
    """Command ``index`` of the batch ``number`` of ``sender`` changed nothing."""

    sender: bytes
    number: int
    index: int
    reason: str
    detail: dict[str, Any]


class Answered(Event, frozen=True, array_like=True, tag="answered"):
    """What its sender is told about command ``index`` of the batch ``number``, beyond "it was applied"."""

    sender: bytes
    number: int
    index: int
    answer: dict[str, Any]


AnyEvent = (
    WriterChanged | Configured | ReleaseRateChanged | PhaseChanged | PauseChanged
    | Joined | Attached | Admitted | Redeemed | WindowMoved | Completed | Expired | Left | Returned
    | TicketRefused | WaitingLost | SoldOutChanged | StockChanged | NoticePosted | Skipped | Refused | Answered
    | k.Chosen | k.Allotted | k.TicketsLost | k.HoldingDetails
    | k.Claimed | k.Offered | k.OfferMoved | k.OfferExpired | k.OfferSkipped | k.UnitsFreed | k.UnitsGone | k.Announced
    | k.DrawCommitted | k.EntriesClosed | k.BeaconGiven | k.PlacesGiven | k.Drawn | k.NotDrawn
    | k.BidPlaced | k.PriceChanged | k.AuctionEnded | k.PriceDropped | k.UnitTaken | k.EndMoved
    | k.SlotHeld | k.HoldMoved | k.HoldEnded | k.Booked | k.BookingCancelled | k.CheckedIn | k.NotShown
    | k.SlotKept | k.SlotReleased | k.CheckoutAsked | k.CheckoutDropped
)  # fmt: skip


class Entry(Struct, frozen=True, array_like=True):
    """One entry of the events stream.

    ``rules``: the version of the meaning; ``now_ms``: the writer's time, the only clock there is; ``command_id``: the
    last entry of the commands stream that is applied; ``applied``: for each sender in this batch the last number
    applied; ``durable``: ID of the last entry that is safe (= this one where reading implies an fsync), "" for itself.
    """

    rules: int
    now_ms: int
    command_id: str
    applied: dict[bytes, int]
    durable: str
    events: list[AnyEvent]
