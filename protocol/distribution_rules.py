"""What can contradict itself in the settings of a distribution: each kind's relations, every error with its path.

Fields are named as the merchant wrote them, below the distribution: ``draw_at``, ``increments[1].from``.
"""

from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from typing import Any, Final

from protocol.beacons import CHAINS, SOURCE_PREFIX, chain_of
from protocol.distributions import (
    Appointment,
    Auction,
    Beacon,
    Draw,
    OpeningWindow,
    Queue,
    TimedRelease,
    Waitlist,
    promised_of,
)
from protocol.forms import Problem
from protocol.money import minor_units

_FIRST_DAY, _LAST_DAY = date(1970, 1, 2), date(9998, 12, 31)
"""Days whose hours are instants that can be written, in whichever time zone."""
BEACON_MS_MIN: Final = 60_000
"""How long after the close of a draw the round of its beacon begins, at least: nobody can know it before."""

_BIAS = "must be false: not run in this version"


def _queue(terms: Queue, opens_at: int | None) -> Iterator[Problem]:
    if terms.loyalty_bias:
        yield Problem("loyalty_bias", _BIAS)


def _draw(terms: Draw, opens_at: int | None) -> Iterator[Problem]:
    drawn_at = terms.closes_at if terms.draw_at is None else terms.draw_at
    if opens_at is not None and terms.closes_at <= opens_at:
        yield Problem("closes_at", "must be later than opens_at of the path")
    if drawn_at < terms.closes_at:
        yield Problem("draw_at", "must not be earlier than closes_at")
    if terms.redraw_until is not None and terms.redraw_until <= drawn_at:
        yield Problem("redraw_until", "must be later than draw_at")
    if terms.beacon is not None:
        yield from _beacon(terms.beacon, terms.closes_at)
    if terms.loyalty_bias:
        yield Problem("loyalty_bias", _BIAS)


def _beacon(beacon: Beacon, closes_at: int) -> Iterator[Problem]:
    chain = chain_of(beacon.source)
    if chain is None:
        yield Problem("beacon.source", f"must be one of {', '.join(SOURCE_PREFIX + known for known in CHAINS)}")
    elif chain.begins_ms(beacon.round) < closes_at + BEACON_MS_MIN:
        yield Problem("beacon.round", f"must begin at least {BEACON_MS_MIN // 1_000} s after closes_at")


def _auction(terms: Auction, opens_at: int | None) -> Iterator[Problem]:
    if terms.ends_at is not None and opens_at is not None and terms.ends_at <= opens_at:
        yield Problem("ends_at", "must be later than opens_at of the path")
    problems = list(_decimals(terms))
    yield from problems
    if not problems:
        yield from _english(terms) if terms.style == "english" else _dutch(terms)


def _decimals(terms: Auction) -> Iterator[Problem]:
    """Prices that the currency cannot express."""
    named = [(name, getattr(terms, name)) for name in ("start_price", "reserve_price", "floor_price", "drop_amount")]
    for index, one in enumerate(terms.increments):
        named += [(f"increments[{index}].from", one.from_), (f"increments[{index}].step", one.step)]
    for name, money in named:
        try:
            minor_units(money or "0", terms.currency)
        except ValueError as error:
            yield Problem(name, str(error))


def _english(terms: Auction) -> Iterator[Problem]:
    def units(money: str) -> int:
        return minor_units(money, terms.currency)

    if terms.ends_at is None:
        yield Problem("ends_at", "is required in an English auction")
    for name in ("floor_price", "drop_amount", "drop_interval_seconds"):
        if getattr(terms, name) is not None:
            yield Problem(name, "must be null in an English auction")
    if terms.reserve_price is not None and units(terms.reserve_price) < units(terms.start_price):
        yield Problem("reserve_price", "must not be lower than start_price")
    ladder = [(units(one.from_), units(one.step)) for one in terms.increments]
    if ladder[0][0] != 0:
        yield Problem("increments[0].from", "must be 0: every price lies in a band")
    for index, (_, step) in enumerate(ladder):
        if step == 0:
            yield Problem(f"increments[{index}].step", "must be more than 0")
    for index, (lower, upper) in enumerate(pairwise(ladder), 1):
        if upper[0] <= lower[0]:
            yield Problem(f"increments[{index}].from", "must be higher than that of the band before")
        elif sum(upper) < upper[0] - 1 + lower[1]:
            yield Problem(f"increments[{index}].step", "must be so high that from + step does not fall at this band")


def _dutch(terms: Auction) -> Iterator[Problem]:
    for name in ("floor_price", "drop_amount", "drop_interval_seconds"):
        if getattr(terms, name) is None:
            yield Problem(name, "is required in a Dutch auction")
    if terms.reserve_price is not None:
        yield Problem("reserve_price", "must be null in a Dutch auction: the floor is the reserve")
    if terms.second_chance:
        yield Problem("second_chance", "must be false in a Dutch auction")
    floor, start = (minor_units(money or "0", terms.currency) for money in (terms.floor_price, terms.start_price))
    if floor > start:
        yield Problem("floor_price", "must not be higher than start_price")
    if terms.drop_amount is not None and minor_units(terms.drop_amount, terms.currency) == 0:
        yield Problem("drop_amount", "must be more than 0")


def _appointment(terms: Appointment, opens_at: int | None) -> Iterator[Problem]:
    for index, window in enumerate(terms.windows):
        yield from _window(window, f"windows[{index}]")
    order = sorted(range(len(terms.windows)), key=lambda index: _begins(terms.windows[index]))
    for before, after in pairwise(order):
        first, second = terms.windows[before], terms.windows[after]
        if first.date == second.date and second.from_ < first.to:
            yield Problem(f"windows[{after}].from", f"must not lie in windows[{before}]")


def _window(window: OpeningWindow, where: str) -> Iterator[Problem]:
    try:
        if not _FIRST_DAY <= date.fromisoformat(window.date) <= _LAST_DAY:
            yield Problem(f"{where}.date", f"must lie between {_FIRST_DAY} and {_LAST_DAY}")
    except ValueError:
        yield Problem(f"{where}.date", f"{window.date} is no day of the calendar")
    if window.to <= window.from_:
        yield Problem(f"{where}.to", "must be later than from")


def _begins(window: OpeningWindow) -> tuple[str, str]:
    return window.date, window.from_


def _timed_release(terms: TimedRelease, opens_at: int | None) -> Iterator[Problem]:
    return iter(())


def _waitlist(terms: Waitlist, opens_at: int | None) -> Iterator[Problem]:
    if (terms.strategy == "batch") != (terms.batch is not None):
        yield Problem("batch", "is required with the strategy batch, and must be null with any other")
    if terms.order == "lottery" and terms.strategy == "all":
        yield Problem("order", "must be arrival with the strategy all: nobody is next")


_RULES: dict[type, Callable[[Any, int | None], Iterator[Problem]]] = {
    Queue: _queue,
    Draw: _draw,
    Auction: _auction,
    Appointment: _appointment,
    TimedRelease: _timed_release,
    Waitlist: _waitlist,
}


def problems_of(terms: Any, opens_at: int | None) -> Iterator[Problem]:
    """Contradictions in the settings of a distribution whose path opens at ``opens_at``."""
    promised = promised_of(terms)
    if promised is not None and terms.max_admissions is not None and terms.max_admissions < promised[1]:
        yield Problem("max_admissions", f"must not be less than {promised[0]}: so many are promised a turn")
    yield from _RULES[type(terms)](terms, opens_at)
