"""The settings of the six distributions, as they stand in the experience document.

All of them have the metering and the checkout window of semantics §3 (null caps and rates mean none); a queue must name
its rate. What contradicts itself in them is found by ``protocol.distribution_rules``.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.fields import Count, Currency, GraceSeconds, Instant, Price, Rate, Seconds, Text, sent

Many = Annotated[int, Meta(ge=1, le=1_000_000_000)]
BurstMs = Annotated[int, Meta(ge=1, le=60_000)]
Hats = Annotated[int, Meta(ge=1, le=64)]
PointsPerHat = Annotated[int, Meta(ge=1, le=1_000_000)]
Minutes = Annotated[int, Meta(ge=0, le=366 * 1_440)]
Duration = Annotated[int, Meta(ge=1, le=1_440)]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)")]
TimeOfDay = Annotated[str, sent(r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$(?!\n)", 5)]

LADDER_MAX: Final = 100
OPENING_WINDOWS_MAX: Final = 1_000


class Queue(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="queue"):
    """First come, first served. Rates are admissions a minute; null caps mean none."""

    release_rate_per_minute: Rate
    max_active: Count | None = None
    max_admissions: Count | None = None
    capacity: Count | None = None
    checkout_window_seconds: Seconds = 600
    payment_grace_seconds: GraceSeconds = 300
    burst_ms: BurstMs = 1_000
    loyalty_bias: bool = False
    hats_max: Hats = 5
    points_per_hat: PointsPerHat = 100


class Metered(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every distribution but the queue, which names its own, has in common."""

    release_rate_per_minute: Rate | None = None
    max_active: Count | None = None
    max_admissions: Count | None = None
    checkout_window_seconds: Seconds = 600
    payment_grace_seconds: GraceSeconds = 300
    burst_ms: BurstMs = 1_000


class Beacon(Struct, frozen=True, forbid_unknown_fields=True):
    """A round of a public source of randomness, named before anybody can know it."""

    source: Annotated[str, Meta(pattern=r"^drand:[0-9a-f]{64}$(?!\n)")]
    round: Annotated[int, Meta(ge=1, le=2**53)]


class Draw(Metered, frozen=True, kw_only=True, tag="draw"):
    """Everybody enters, chance decides. ``draw_at`` null = at ``closes_at``; ``redraw_until`` null = until no winner's
    window is open."""

    closes_at: Instant
    winner_count: Many
    draw_at: Instant | None = None
    capacity: Count | None = None
    backfill: bool = True
    redraw_until: Instant | None = None
    beacon: Beacon | None = None
    loyalty_bias: bool = False
    hats_max: Hats = 5
    points_per_hat: PointsPerHat = 100


class Increment(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """From the price ``from_`` on, a bid must be ``step`` higher."""

    from_: Price
    step: Price


class Auction(Metered, frozen=True, kw_only=True, tag="auction"):
    """``english``: the highest maxima win when it ends. ``dutch``: the price falls until somebody takes it; without
    ``ends_at`` it stays at the floor until everything is sold."""

    style: Literal["english", "dutch"] = "english"
    currency: Currency
    start_price: Price = "0.00"
    quantity: Many = 1
    ends_at: Instant | None = None
    reserve_price: Price | None = None
    increments: Annotated[tuple[Increment, ...], Meta(min_length=1, max_length=LADDER_MAX)] = (Increment("0", "1"),)
    extend_window_seconds: Seconds = 60
    extend_by_seconds: Seconds = 60
    max_extensions: Count | None = None
    second_chance: bool = False
    claim_window_seconds: Seconds = 1_800
    floor_price: Price | None = None
    drop_amount: Price | None = None
    drop_interval_seconds: Seconds | None = None


class OpeningWindow(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A part of a day, in the time zone of the path, in which slots lie."""

    date: Day
    from_: TimeOfDay
    to: TimeOfDay


class Appointment(Metered, frozen=True, kw_only=True, tag="appointment"):
    """Slots of ``duration_minutes``, ``buffer_minutes`` apart, in the opening windows; each takes
    ``capacity_per_slot``. ``time_zone`` null = the experience's. ``checkout``: a booking is paid for first.

    ``starts``: when the slots begin, worked out from the windows when the document is taken in (``protocol.slots``);
    no part of what a merchant writes or reads.
    """

    windows: Annotated[list[OpeningWindow], Meta(min_length=1, max_length=OPENING_WINDOWS_MAX)]
    location: Annotated[str, Meta(max_length=200)] = ""
    time_zone: Text | None = None
    duration_minutes: Duration = 30
    buffer_minutes: Annotated[int, Meta(ge=0, le=1_440)] = 0
    capacity_per_slot: Many = 1
    hold_seconds: Seconds = 600
    min_notice_minutes: Minutes = 0
    max_advance_days: Annotated[int, Meta(ge=1, le=3_660)] | None = None
    cancel_cutoff_minutes: Minutes = 0
    checkout: bool = False
    starts: list[Instant] | UnsetType = UNSET


class TimedRelease(Metered, frozen=True, kw_only=True, tag="timed_release"):
    """At the opening everybody may claim; claims are served in order of arrival until ``limit`` or the stock is gone.
    ``burst_rate_per_minute`` meters them while no ``release_rate_per_minute`` does."""

    limit: Many | None = None
    burst_rate_per_minute: Rate | None = None


class Waitlist(Metered, frozen=True, kw_only=True, tag="waitlist"):
    """What becomes free is offered to the next: ``one_by_one`` (one offer is open at a time), ``batch`` (as many as
    ``batch``) or ``all`` (everybody at once, the first to claim it gets it). ``order``: who is next."""

    strategy: Literal["one_by_one", "batch", "all"] = "one_by_one"
    order: Literal["arrival", "lottery"] = "arrival"
    batch: Many | None = None
    claim_window_seconds: Seconds = 1_800
    capacity: Count | None = None


AnyDistribution = Queue | Draw | Auction | Appointment | TimedRelease | Waitlist

RUNNING: Final = frozenset({"appointment", "auction", "draw", "queue", "timed_release", "waitlist"})
"""The kinds that the engine of this version runs; a document that names another is refused."""

FORGIVING: Final = frozenset({"queue", "draw", "timed_release"})
"""The kinds in which a missed turn can be taken back: the ticket waits again at its old place, which is the next. In
the others a place is no right to a turn: a waitlist makes one offer a ticket, an auction is over."""

REGISTERED: Final = frozenset({"auction", "appointment"})
"""The kinds whose ``min_level`` is ``registered`` where a path does not name one."""


MOVED_BY_PAUSE: Final = frozenset({"auction"})
"""The kinds whose end is not reached while the path is paused, and comes later by the pause."""


def kind_of(terms: AnyDistribution) -> str:
    """The word for the kind of a distribution."""
    return str(type(terms).__struct_config__.tag)


def method_of(terms: AnyDistribution) -> str:
    """The word for what runs it: the kind; a Dutch auction is run by something else than an English one."""
    return "dutch" if isinstance(terms, Auction) and terms.style == "dutch" else kind_of(terms)


def rate_of(terms: AnyDistribution) -> int | None:
    """Admissions a minute that the distribution gives out; None = no limit."""
    if isinstance(terms, TimedRelease) and terms.release_rate_per_minute is None:
        return terms.burst_rate_per_minute
    return terms.release_rate_per_minute


def capacity_of(terms: AnyDistribution) -> int | None:
    """How many may wait; None = no limit."""
    return terms.capacity if isinstance(terms, Queue | Draw | Waitlist) else None


def promised_of(terms: AnyDistribution) -> tuple[str, int] | None:
    """How many are promised a turn before they have it, with the setting that says so; None: nobody is."""
    if isinstance(terms, Draw):
        return "winner_count", terms.winner_count
    return ("quantity", terms.quantity) if isinstance(terms, Auction) else None


def max_admissions_of(terms: AnyDistribution) -> int | None:
    """How many open and completed admissions there can be: the cap, or what the kind gives out; None = no limit."""
    _, own = promised_of(terms) or ("", terms.limit if isinstance(terms, TimedRelease) else None)
    return min((one for one in (own, terms.max_admissions) if one is not None), default=None)
