"""From opening windows to slots: instants, worked out once, when a document is taken in, and part of it from then on.

What a time zone does is data that changes from year to year, and a log must replay to the same bytes for ever. So the
engine and every replica read the instants in the document and never ask for a time zone.

A window is a part of a day as clocks on the wall show it: the instants on that date whose wall time lies in it. Where
clocks are put forward, some of it does not exist; where they are put back, some of it comes twice, perhaps in two
pieces. A slot is elapsed time and lies in one piece. It is named by its start, ``20261025T080000Z``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType, structs

from protocol.distributions import Appointment, OpeningWindow

if TYPE_CHECKING:
    from protocol.documents import Experience

SLOTS_MAX: Final = 10_000
"""Slots of one path."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - wall times are compared as if they were UTC
_MS_PER_MINUTE: Final = 60_000
_DAY_S: Final = 86_400
_DATES_MAX: Final = 1_024
_OFFSET_MAX_S: Final = 86_400
"""No clock on a wall is further from UTC."""
_STRIDE_S: Final = 3_600
"""Clocks are not put forward and back again in less than that."""


def slot_of(start_ms: int) -> str:
    """The id of the slot that begins at ``start_ms``."""
    day, second = divmod(start_ms // 1_000, _DAY_S)
    return f"{_date(day)}T{second // 3_600:02}{second // 60 % 60:02}{second % 60:02}Z"


def start_of(slot: str) -> int:
    """When the slot of this id begins (epoch ms). Raises ValueError for no id."""
    return (datetime.strptime(slot, "%Y%m%dT%H%M%SZ") - _EPOCH) // timedelta(milliseconds=1)  # noqa: DTZ007 - as _EPOCH


@lru_cache(_DATES_MAX)
def _date(day: int) -> str:
    """The date of the ``day`` since the epoch: ten thousand slots lie on few days."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y%m%d")


def slots_of(terms: Appointment) -> dict[str, int]:
    """Every slot of a document that was taken in, by id, and when it begins; in order of time."""
    return {slot_of(start): start for start in terms.starts or ()}


def arranged(document: Experience) -> Experience:
    """The document with the instants at which its slots begin. Raises nothing: its windows and zones were checked."""
    return _with_starts(document, lambda terms: starts_of(terms, terms.time_zone or document.time_zone))


def as_put(document: Experience) -> Experience:
    """The document as the merchant wrote it: without those instants."""
    return _with_starts(document, lambda _: UNSET)


def _with_starts(document: Experience, starts: Callable[[Appointment], list[int] | UnsetType]) -> Experience:
    paths = []
    for path in document.paths:
        terms = path.distribution
        if isinstance(terms, Appointment):
            path = structs.replace(path, distribution=structs.replace(terms, starts=starts(terms)))
        paths.append(path)
    return structs.replace(document, paths=paths)


def starts_of(terms: Appointment, time_zone: str) -> list[int]:
    """When the slots begin that lie in the windows, ascending; at most ``SLOTS_MAX`` and one more are looked for."""
    zone = ZoneInfo(time_zone)
    duration_ms = terms.duration_minutes * _MS_PER_MINUTE
    step_ms = duration_ms + terms.buffer_minutes * _MS_PER_MINUTE
    found = (
        start
        for window in sorted(terms.windows, key=lambda window: (window.date, window.from_))
        for begin, end in _pieces(window, zone)
        for start in range(begin * 1_000, end * 1_000 - duration_ms + 1, step_ms)
    )
    return sorted(islice(found, SLOTS_MAX + 1))  # an hour that comes twice may lie in two windows, which take turns


def _pieces(window: OpeningWindow, zone: ZoneInfo) -> list[tuple[int, int]]:
    """(begin, end) in epoch seconds of each stretch of time whose wall time lies in the window."""
    first, last = _wall_s(window.date, window.from_), _wall_s(window.date, window.to)
    pieces: list[tuple[int, int]] = []
    for begin, end, offset in _offsets(first - _OFFSET_MAX_S, last + _OFFSET_MAX_S, zone):
        begin, end = max(begin, first - offset), min(end, last - offset)
        if begin >= end:
            continue
        if pieces and pieces[-1][1] == begin:
            begin = pieces.pop()[0]
        pieces.append((begin, end))
    return pieces


def _wall_s(date: str, time: str) -> int:
    """A wall time as if it were UTC, in epoch seconds. ``24:00`` is the end of the day."""
    hours, minutes = time.split(":")
    wall = datetime.fromisoformat(date) + timedelta(hours=int(hours), minutes=int(minutes))
    return (wall - _EPOCH) // timedelta(seconds=1)


def _offsets(begin: int, end: int, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """(begin, end, offset from UTC) of each stretch in [begin, end) with one offset; all in seconds."""
    offset = _offset(begin, zone)
    for after in range(begin + _STRIDE_S, end + _STRIDE_S, _STRIDE_S):
        other = _offset(after, zone)
        if other != offset:
            change = _change(after - _STRIDE_S, after, zone)
            yield begin, change, offset
            begin, offset = change, other
    yield begin, end, offset


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """The second from which on the offset is that of ``after``."""
    offset = _offset(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    assert offset is not None, "a time in a zone has an offset"
    return offset // timedelta(seconds=1)
