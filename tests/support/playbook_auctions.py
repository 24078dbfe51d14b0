"""The words of the transcripts that only auctions need: bids and claims at a price, what stands, the hammer.

Amounts are euros; cents are said only where there are any. Hands over to: ``playbook_words``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from protocol import commands as c
from protocol import kind_events as k
from protocol.commands import Command
from protocol.money import decimal_string, minor_units
from tests.support.cast import Cast, Make, duration_ms

CURRENCY: Final = "EUR"

OF_AUCTIONS: Final = {
    "style": "style",
    "quantity": "quantity",
    "start": "start_price",
    "reserve": "reserve_price",
    "floor": "floor_price",
    "drop": "drop_amount",
    "every": "drop_interval_seconds",
    "late": "extend_window_seconds",
    "extend by": "extend_by_seconds",
    "extensions": "max_extensions",
    "second chance": "second_chance",
    "steps": "increments",
    "ends": "ends_at",
}
"""Settings of an auction by their words in a transcript."""

_COUNTS: Final = frozenset({"quantity", "extensions"})
_SECONDS: Final = frozenset({"every", "late", "extend by"})


def euros(units: int) -> str:
    """12050 → ``120.50``, 12000 → ``120``."""
    return decimal_string(units, CURRENCY).removesuffix(".00")


def of_auction(name: str, value: str, start_ms: int) -> dict[str, Any]:
    """What ``quantity 2`` or ``steps 0:5+500:10`` says in the terms of an auction."""
    if name == "steps":
        bands = [dict(zip(("from", "step"), band.split(":"), strict=True)) for band in value.split("+")]
        return {"increments": bands}
    if name == "ends":
        return {"ends_at": start_ms + duration_ms(value)}
    if name in _COUNTS:
        return {OF_AUCTIONS[name]: int(value)}
    if name in _SECONDS:
        return {OF_AUCTIONS[name]: duration_ms(value) // 1_000}
    return {OF_AUCTIONS[name]: value == "yes" if name == "second chance" else value}


def _bids(found: re.Match[str], cast: Cast, path: str, _: str) -> list[Command]:
    maximum, bid = minor_units(found[2], CURRENCY), found[3] or ""
    return [c.PlaceBid(cast.consumer(found[1]), path, maximum=maximum, id=bid)]


def _takes(found: re.Match[str], cast: Cast, path: str, _: str) -> list[Command]:
    return [c.Claim(cast.consumer(found[1]), path, price=minor_units(found[2], CURRENCY))]


SENTENCES_OF_AUCTIONS: list[tuple[str, Make]] = [
    (r"(\w+) bids (\S+)(?: as (\S+))?", _bids),
    (r"(\w+) claims at (\S+)", _takes),
]


def _standing(event: k.PriceChanged, cast: Cast) -> Iterator[str]:
    for ticket in event.outbid:
        yield f"{cast.holder(event.path, ticket)} leads no longer"
    for ticket in event.leading:
        yield f"{cast.holder(event.path, ticket)} leads"
    ends = "" if event.ends_at is None else f", ends at {cast.instant(event.ends_at)}"
    more = f" (extended {event.extensions} times)" if event.extensions else ""
    reserve = "" if event.reserve_met else ", reserve not met"
    yield f"price {euros(event.price)} after {event.bids}, next {euros(event.min_next)}{reserve}{ends}{more}"


def _bid_placed(event: k.BidPlaced, cast: Cast) -> Iterator[str]:
    yield f"{cast.holder(event.path, event.ticket)} has bid {euros(event.maximum)}"
    yield from _standing(event, cast)


def _ended(event: k.AuctionEnded, cast: Cast) -> Iterator[str]:
    won = ", ".join(cast.holder(event.path, ticket) for ticket in event.winners)
    yield f"the hammer: {won} at {euros(event.price)}" if won else "the hammer: nobody wins"


def _dropped(event: k.PriceDropped, cast: Cast) -> Iterator[str]:
    until = "stays" if event.next_drop_at is None else f"until {cast.instant(event.next_drop_at)}"
    yield f"price {euros(event.price)}, {until}"


def _end_moved(event: k.EndMoved, cast: Cast) -> Iterator[str]:
    ends = [] if event.ends_at is None else [f"ends at {cast.instant(event.ends_at)}"]
    drops = [] if event.next_drop_at is None else [f"drops at {cast.instant(event.next_drop_at)}"]
    yield f"later: {', '.join(ends + drops)}"


TELL_AUCTIONS: dict[type, Callable[[Any, Cast], Iterator[str]]] = {
    k.BidPlaced: _bid_placed,
    k.PriceChanged: _standing,
    k.AuctionEnded: _ended,
    k.PriceDropped: _dropped,
    k.UnitTaken: lambda event, cast: iter(
        [f"{cast.holder(event.path, event.ticket)} takes one at {euros(event.price)}"]
    ),
    k.EndMoved: _end_moved,
}
