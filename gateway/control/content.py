"""What the control endpoints take and give. The OpenAPI document shows these very types.

Unknown fields are errors. A field that is left out is left as it is; null takes a limit away where there may be none.
Every answer to a change carries ``entry``, the ID of the event entry that holds it.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.documents import Experience
from protocol.fields import Count, Instant, Rate
from protocol.forms import Problem

NOTICE_LENGTH_MAX = 1_000
REASON_LENGTH_MAX = 200
ADMIT_COUNT_MAX = 100_000

Entry = Annotated[str, Meta(description="ID of the event entry that holds the change, or that was read last")]


class ExperienceAnswer(Experience, frozen=True, kw_only=True):
    """The document, and what it stands at. A PUT may bring the further members back: they are not read."""

    phase: str
    revision: int
    warnings: list[Problem]
    entry: Entry


READ_ONLY_FIELDS = frozenset(ExperienceAnswer.__struct_fields__) - frozenset(Experience.__struct_fields__)


class ExperienceLine(Struct, frozen=True):
    """One experience of the list."""

    id: str
    name: str
    phase: str
    revision: int


class ExperienceList(Struct, frozen=True):
    """All experiences, by id."""

    experiences: list[ExperienceLine]


class ExperiencePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits over all paths; null = none."""

    release_rate_per_minute: Rate | None | UnsetType = UNSET
    max_active: Count | None | UnsetType = UNSET
    max_admissions: Count | None | UnsetType = UNSET


class PathPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one path; null = none. A queue always has a rate."""

    release_rate_per_minute: Rate | UnsetType = UNSET
    max_active: Count | None | UnsetType = UNSET
    max_admissions: Count | None | UnsetType = UNSET
    paused: bool | UnsetType = UNSET


class VariantPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Either the total ``stock``, ever (null = not counted), or how many to ``add``."""

    stock: Count | None | UnsetType = UNSET
    add: Annotated[int, Meta(ge=-1_000_000_000, le=1_000_000_000)] | UnsetType = UNSET


class AdmitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How many to admit at once."""

    count: Annotated[int, Meta(ge=1, le=ADMIT_COUNT_MAX)]


class OfferBody(Struct, frozen=True, forbid_unknown_fields=True):
    """To how many a unit is to be offered."""

    count: Annotated[int, Meta(ge=1, le=ADMIT_COUNT_MAX)]


class RefuseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why; the consumer reads it."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_LENGTH_MAX)]


class NoticeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Words to everybody there. ``until`` (epoch ms): those who come until then read it too."""

    text: Annotated[str, Meta(min_length=1, max_length=NOTICE_LENGTH_MAX)]
    level: Literal["info", "warning", "critical"] = "info"
    until: Instant | None = None


class Changed(Struct, frozen=True):
    """The engine has applied it."""

    entry: Entry
    revision: int | UnsetType = UNSET


class StockAnswer(Struct, frozen=True):
    """Stock of a variant after the change."""

    variant: str
    stock: int | None
    reserved: int
    completed: int
    entry: Entry


class AdmitAnswer(Struct, frozen=True):
    """How many were admitted: fewer than asked where nobody waits, a cap holds or the stock is gone."""

    admitted: int
    entry: Entry


class OfferAnswer(Struct, frozen=True):
    """How many units were offered, or, where one offer is made to all, can be claimed: fewer than asked where nobody
    waits, a cap holds or the stock is gone."""

    offered: int
    entry: Entry


class Waits(Struct, frozen=True):
    """Seconds from joining to the first admission: of those admitted in the last minute (null for nobody) the wait
    that half, and nine in ten, did not exceed; and how long the first who waits now has waited (null for nobody)."""

    p50_s: float | None = None
    p90_s: float | None = None
    longest_s: float | None = None


class Counts(Struct, frozen=True):
    """Tickets: ``joined`` ever, ``waiting`` now, ``admitted`` ever, ``active`` open windows, ``completed`` and
    ``expired`` ever. Rates are admissions a minute: as asked (null = no limit), and measured over the last minute."""

    joined: int
    waiting: int
    admitted: int
    active: int
    completed: int
    expired: int
    release_rate_per_minute: int | None
    measured_per_minute: int


class PathStats(Counts, frozen=True, kw_only=True):
    """One path."""

    id: str
    phase: str
    paused: bool
    sold_out: bool
    waits: Waits


class StockLine(Struct, frozen=True):
    """Stock of a variant: ``total`` ever (null = not counted), of which ``reserved`` and ``completed``."""

    total: int | None
    reserved: int
    completed: int


class StatsAnswer(Struct, frozen=True):
    """Numbers as of ``entry``; ``now`` (epoch ms) is the log's time, behind which the replica may be ``lag_ms``.
    ``sockets`` counts those of the gateway process that answers, ``worker``, alone."""

    experience: str
    phase: str
    revision: int
    total: Counts
    paths: list[PathStats]
    stock: dict[str, StockLine]
    sockets: Annotated[int, Meta(description="sockets of the answering gateway process alone")]
    worker: int
    now: int
    lag_ms: int
    entry: Entry
