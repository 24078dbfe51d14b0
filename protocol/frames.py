"""What goes over the socket, both ways, and as Server-Sent Events and in ``status``: JSON objects with ``type``.

Instants are epoch milliseconds, and every frame with an instant carries ``now`` beside it, so a client needs no right
clock. Fields that do not apply are absent, never null, except where null says something (``eta``, ``closes_at``).
States (``position``, ``phase``, ``stock``, …) replace one another; facts (``joined``, ``admitted``, ``ticket``, …)
are told every time.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from protocol.frame_base import ClientFrameBase, Id, OfferId, OptionalId, Ref, ServerFrameBase
from protocol.kind_frames import KindClientFrame, KindServerFrame


class ConsumerView(Struct, frozen=True):
    """Who the socket belongs to; ``id`` is hexadecimal."""

    id: str
    level: str


class PathView(Struct, frozen=True):
    """What a consumer may know of a path. ``access``: open, needs_code, needs_level, not_for_you or full; ``details``:
    what only its kind has to say; ``attached_to``: the path that a waitlist is for; ``choices``: of which variants a
    consumer names one, where that is theirs to do."""

    id: str
    kind: str
    phase: str
    opens_at: int | None
    closes_at: int | None
    access: str
    name: str | UnsetType = UNSET
    terms: dict[str, Any] | UnsetType = UNSET
    paused: bool | UnsetType = UNSET
    waiting: int | UnsetType = UNSET
    commitment: str | UnsetType = UNSET
    draw_at: int | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET
    attached_to: str | UnsetType = UNSET
    choices: list[str] | UnsetType = UNSET


class ExperienceView(Struct, frozen=True):
    """What a consumer may know of an experience."""

    id: str
    name: str
    phase: str
    products: list[dict[str, Any]]
    checkout_url: str
    paths: list[PathView]
    theme: dict[str, str] = {}
    notice: dict[str, Any] | UnsetType = UNSET


class TicketView(Struct, frozen=True):
    """A ticket of this consumer."""

    path: str
    state: str
    ticket: int | UnsetType = UNSET


class Welcome(ServerFrameBase, frozen=True, tag="welcome"):
    """The first frame. ``session`` is there when the server has just made it."""

    v: int
    now: int
    consumer: ConsumerView
    experience: ExperienceView
    tickets: list[TicketView]
    session: str | UnsetType = UNSET


class PhaseFrame(ServerFrameBase, frozen=True, tag="phase"):
    """State. ``at`` is when the next phase begins (null: by hand or never); ``paused``: merchant or outage."""

    path: str
    phase: str
    at: int | None
    now: int
    paused: str | UnsetType = UNSET


class JoinedFrame(ServerFrameBase, frozen=True, tag="joined"):
    """Fact: a ticket is held. ``receipt`` proves it to any gateway; ``draw_at``: when a draw decides; ``variant``: the
    one that its holder has named."""

    path: str
    state: str
    receipt: str
    ticket: int | UnsetType = UNSET
    draw_at: int | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET
    variant: str | UnsetType = UNSET


class PositionFrame(ServerFrameBase, frozen=True, kw_only=True, tag="position"):
    """State: exactly how many are ``ahead``, ``of`` how many; ``eta`` [low, high] seconds; ``rate`` a minute. In a
    lobby nobody has a place: only ``of``."""

    path: str
    ahead: int | UnsetType = UNSET
    of: int
    eta: tuple[int, int] | None | UnsetType = UNSET
    rate: int | UnsetType = UNSET
    now: int
    why: str | UnsetType = UNSET


class AdmittedFrame(ServerFrameBase, frozen=True, tag="admitted", rename={"pass_": "pass"}):
    """Fact: the consumer may check out until ``expires_at``. Sent again whenever the window moves. ``price`` and
    ``variant`` where the kind has settled them."""

    path: str
    admission: str
    expires_at: int
    checkout_url: str
    now: int
    pass_: str
    price: str | UnsetType = UNSET
    variant: str | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET


class TicketFrame(ServerFrameBase, frozen=True, tag="ticket"):
    """Fact: the ticket changed its state in a way that no other frame tells. ``claimed``: it did not, but is in line
    now for what it has claimed. ``variant``: what its holder wants from now on."""

    path: str
    state: str
    ticket: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    may_rejoin: bool | UnsetType = UNSET
    claimed: bool | UnsetType = UNSET
    variant: str | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET


class SoldOutFrame(ServerFrameBase, frozen=True, tag="sold_out"):
    """State: nothing that the path sells is free now; or, with ``over``, something is again. It is told of a path that
    was sold out once, and what takes it back is ``over`` alone: a ``stock`` frame is of one variant of any path."""

    path: str
    may_return: bool
    now: int
    over: bool | UnsetType = UNSET


class StockFrame(ServerFrameBase, frozen=True, tag="stock"):
    """State: how much is left, as a band; ``left`` only where the merchant shows it."""

    product: str
    variant: str
    band: Literal["plenty", "few", "last", "none"]
    left: int | UnsetType = UNSET


class NoticeFrame(ServerFrameBase, frozen=True, tag="notice"):
    """Fact: the merchant's words."""

    text: str
    level: str
    now: int
    until: int | UnsetType = UNSET


class ReconnectFrame(ServerFrameBase, frozen=True, tag="reconnect"):
    """Come back after this delay; the socket is about to close."""

    after_ms: int


class OkFrame(ServerFrameBase, frozen=True, tag="ok"):
    """The answer to a frame that no other frame answers (``ping``, ``watch``, ``unwatch``)."""

    now: int
    ref: Ref | UnsetType = UNSET


class ErrorFrame(ServerFrameBase, frozen=True, tag="error"):
    """A "no": why, whether trying again can help, and what helps. ``field``: what of the frame is wrong; ``allowed``:
    what may stand there."""

    reason: str
    temporary: bool
    message: str
    retry_after_ms: int | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET
    path: str | UnsetType = UNSET
    opens_at: int | UnsetType = UNSET
    closes_at: int | UnsetType = UNSET
    min_next: str | UnsetType = UNSET
    price: str | UnsetType = UNSET
    level: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    slot: str | UnsetType = UNSET
    cutoff_at: int | UnsetType = UNSET
    field: str | UnsetType = UNSET
    allowed: str | UnsetType = UNSET


ServerFrame = (
    Welcome | PhaseFrame | JoinedFrame | PositionFrame | AdmittedFrame | TicketFrame | SoldOutFrame | StockFrame
    | NoticeFrame | ReconnectFrame | OkFrame | ErrorFrame | KindServerFrame
)  # fmt: skip


class JoinFrame(ClientFrameBase, frozen=True, tag="join", kw_only=True):
    """Take a ticket; no path = the best by priority. ``variant`` where it is the consumer's to say, ``code`` where the
    path has an access code."""

    path: OptionalId = ""
    variant: OptionalId = ""
    code: OptionalId = ""


class LeaveFrame(ClientFrameBase, frozen=True, tag="leave", kw_only=True):
    """Give up the waiting ticket."""

    path: Id


class DeclineFrame(ClientFrameBase, frozen=True, tag="decline", kw_only=True):
    """Give up the admission, or the offer: this ``offer`` and no other, where it is named."""

    path: Id
    offer: OfferId = ""


class RejoinFrame(ClientFrameBase, frozen=True, tag="rejoin", kw_only=True):
    """Take the old place again after a missed turn."""

    path: Id


class WatchFrame(ClientFrameBase, frozen=True, tag="watch", kw_only=True):
    """Be told the states of a path."""

    path: Id


class UnwatchFrame(ClientFrameBase, frozen=True, tag="unwatch", kw_only=True):
    """Be told no more of a path."""

    path: Id


class PingFrame(ClientFrameBase, frozen=True, tag="ping", kw_only=True):
    """Is anybody there; the answer brings ``now``."""


ClientFrame = (
    JoinFrame | LeaveFrame | DeclineFrame | RejoinFrame | WatchFrame | UnwatchFrame | PingFrame | KindClientFrame
)
