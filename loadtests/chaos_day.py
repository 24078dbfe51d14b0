"""The second experience of the chaos run: one path of every kind but the queue, and when what happens in it.

All instants are shares of the time that the faults take, so each kind has its day in a run of half an hour as in one of
two minutes: entries close and the draw is drawn, the release opens, the hammer falls; a slot begins every minute. The
turns of the draw are metered so that they take a good part of that time, and faults come in the middle of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final, NamedTuple

from protocol.streams import shard_of

EXPERIENCE: Final = "entropy"
assert shard_of(EXPERIENCE) == shard_of("chaos"), "what hits the writer of the one hits that of the other"

DRAW, AUCTION, APPOINTMENT, RELEASE, WAITLIST = "raffle", "bidding", "fitting", "drop", "spare"
KINDS: Final = {
    "draw": DRAW,
    "auction": AUCTION,
    "appointment": APPOINTMENT,
    "timed release": RELEASE,
    "waitlist": WAITLIST,
}
"""The path of each kind. The waitlist gets what comes free of the release."""
SPAN_S_MIN: Final = 60
ENTRIES_CLOSE, DRAWN, OPENS, HAMMER, TURNS = 0.4, 0.45, 0.3, 0.6, 0.15
"""Shares of the time; the turns of a draw take ``TURNS`` of it if nobody gives one up, and twice that as it is."""
WINNERS, QUANTITY, LIMIT, PLACES = 10, 2, 16, 2
RELEASED_A_MINUTE = 90
"""So fast that all is gone before the first windows lapse: what comes back is for the waitlist."""
WINDOW_S, CLAIM_S, HOLD_S, OFFERS = 15, 8, 6, 3
EXTEND_S, EXTENSIONS = 5, 6
LATE_SHARE, SLOTS_AFTER_S = 2.0, 600
"""The faults may take so much longer, and some slots never begin."""


class Day(NamedTuple):
    """``span_s`` from ``begins_ms`` (epoch) on."""

    begins_ms: int
    span_s: float

    def at(self, share: float) -> int:
        """The instant (epoch ms) when this share of it is over."""
        return self.begins_ms + round(share * self.span_s * 1_000)

    def a_minute(self, count: int) -> int:
        """The rate at which ``count`` have their turns in ``TURNS``."""
        return ceil(count * 60 / (self.span_s * TURNS))


def day_of(minutes: int, begins_ms: int) -> Day:
    """The day of a run whose faults are spread over ``minutes``."""
    return Day(begins_ms, max(minutes * 60, SPAN_S_MIN))


def document(day: Day) -> dict[str, Any]:
    """The experience, as a merchant puts it."""
    many, few = (
        {"id": name, "name": name, "price": "1.00", "currency": "EUR", "stock": stock}
        for name, stock in (("many", 10**6), ("few", LIMIT))
    )
    return {
        "id": EXPERIENCE,
        "name": "Every other kind",
        "checkout_url": "http://127.0.0.1/checkout",
        "products": [{"id": "product", "name": "Product", "variants": [many, few]}],
        "paths": [
            _path(DRAW, "many", _draw(day)),
            _path(AUCTION, "many", _auction(day)),
            _path(APPOINTMENT, "many", _appointment(day)),
            _path(RELEASE, "few", _release(), opens_at=day.at(OPENS), lobby_opens_at=day.begins_ms),
            _path(WAITLIST, "few", _waitlist(), attached_to=RELEASE),
        ],
    }


def _path(path_id: str, variant: str, terms: dict[str, Any], **fields: Any) -> dict[str, Any]:
    terms = {"checkout_window_seconds": WINDOW_S, **terms}
    return {"id": path_id, "min_level": "guest", "variants": [variant], "distribution": terms, **fields}


def _draw(day: Day) -> dict[str, Any]:
    instants = {"closes_at": day.at(ENTRIES_CLOSE), "draw_at": day.at(DRAWN)}
    return {"kind": "draw", "winner_count": WINNERS, "release_rate_per_minute": day.a_minute(WINNERS), **instants}


def _auction(day: Day) -> dict[str, Any]:
    late = {"extend_window_seconds": EXTEND_S, "extend_by_seconds": EXTEND_S, "max_extensions": EXTENSIONS}
    return {"kind": "auction", "currency": "EUR", "quantity": QUANTITY, "ends_at": day.at(HAMMER), **late}


def _appointment(day: Day) -> dict[str, Any]:
    windows = list(_windows(day.begins_ms, day.at(LATE_SHARE) + SLOTS_AFTER_S * 1_000))
    terms = {"duration_minutes": 1, "capacity_per_slot": PLACES, "hold_seconds": HOLD_S}
    return {"kind": "appointment", "time_zone": "UTC", "windows": windows, **terms}


def _release() -> dict[str, Any]:
    return {"kind": "timed_release", "limit": LIMIT, "release_rate_per_minute": RELEASED_A_MINUTE}


def _waitlist() -> dict[str, Any]:
    return {"kind": "waitlist", "strategy": "batch", "batch": OFFERS, "claim_window_seconds": CLAIM_S}


def _windows(begins_ms: int, ends_ms: int) -> Iterator[dict[str, str]]:
    """The whole minutes between two instants, day by day."""
    begin, end = (
        datetime.fromtimestamp(ms / 1_000, UTC).replace(second=0, microsecond=0) for ms in (begins_ms, ends_ms)
    )
    begin += timedelta(minutes=1)
    while begin < end:
        midnight = begin.replace(hour=0, minute=0) + timedelta(days=1)
        until = f"{end:%H:%M}" if end < midnight else "24:00"
        yield {"date": f"{begin:%Y-%m-%d}", "from": f"{begin:%H:%M}", "to": until}
        begin = midnight
