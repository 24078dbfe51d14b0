"""Every row of `auction_table.txt`, worked out by hand, played against the core: bids, what stands, and the hammer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from engine.distributions.auction import Auction
from protocol import commands as c
from protocol.events import Refused
from protocol.kind_events import Allotted, AuctionEnded
from protocol.money import decimal_string, minor_units
from tests.engine.stage import START_MS, Stage, only
from tests.support.cast import duration_ms, shown_ms
from tests.support.samples import consumer, document, raw_auction

ROWS = [line for line in (Path(__file__).parent / "auction_table.txt").read_text().splitlines() if "|" in line[1:]]
ROWS = [row for row in ROWS if not row.startswith("#")]
PATH = "auction"
_BID = re.compile(r"(\w) (\S+)(?: at (\w+))?(?: no (\S+)| (closed))?")


def _terms(text: str) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "start_price": "100",
        "increments": [{"from": "0", "step": "5"}],
        "ends_at": START_MS + 60_000,
        "extend_window_seconds": 10,
        "extend_by_seconds": 10,
    }
    for name, value in re.findall(r"([a-z ]+) ([^,]+)(?:, |$)", text):
        match name:
            case "quantity":
                terms["quantity"] = int(value)
            case "extensions":
                terms["max_extensions"] = int(value)
            case "extend by":
                terms["extend_by_seconds"] = duration_ms(value) // 1_000
            case "steps":
                bands = [band.split(":") for band in value.split()]
                terms["increments"] = [{"from": start, "step": step} for start, step in bands]
            case _:
                terms[f"{name}_price"] = value
    return terms


def _bid(stage: Stage, text: str) -> None:
    """One bid, and whether it was taken as the row says."""
    found = _BID.fullmatch(text)
    assert found is not None, f"{text!r} is no bid"
    who, maximum, at, least, closed = found.groups()
    at_ms = stage.now_ms if at is None else START_MS + duration_ms(at)
    bid = c.PlaceBid(consumer(ord(who)), PATH, maximum=minor_units(maximum, "EUR"))
    refused = only(stage.step(at_ms, bid), Refused)
    told = [(one.reason, one.detail.get("min_next")) for one in refused]
    expected = [("too_low", f"{float(least):.2f}")] if least else [("closed", None)] if closed else []
    assert told == expected


def _stands(stage: Stage, names: str) -> str:
    auction = stage.path(PATH).distribution
    assert isinstance(auction, Auction)
    bids, closes_at = auction._bids, stage.path(PATH).closes_at
    assert closes_at is not None
    told = {
        "price": _money(bids.price) if bids.count else "-",
        "leads": _names(stage, bids.leaders()),
        "next": _money(bids.min_next),
        "met": "",
        "open": "",
        "ends": shown_ms(closes_at - START_MS),
        "extended": str(auction._extensions),
    }
    words = [name.split()[0] for name in names.split(", ") if not name.startswith("won")]
    if "met" in words or "open" in words:
        assert bids.reserve_met == ("met" in words)
    return ", ".join(f"{word} {told[word]}".strip() for word in words)


def _money(units: int) -> str:
    return decimal_string(units, "EUR").removesuffix(".00")


def _names(stage: Stage, tickets: list[int]) -> str:
    holders = stage.path(PATH).tickets
    return " ".join(chr(int.from_bytes(holders.consumer(ticket), "big")) for ticket in tickets) or "-"


@pytest.mark.parametrize("row", ROWS)
def test_a_row_comes_out_as_it_was_worked_out(row: str) -> None:
    terms, bids, stands, _ = row.split(" | ")
    stage = Stage(document(paths=[raw_auction(PATH, **_terms(terms))]))
    for bid in bids.split("; "):
        _bid(stage, bid)
    expected, _, won = stands.partition(", won ")
    assert _stands(stage, expected) == expected
    auction = stage.path(PATH).distribution
    assert isinstance(auction, Auction)
    price = auction._bids.price
    if stage.path(PATH).phase == "open":
        events = stage.step(stage.path(PATH).closes_at or 0)
        (ended,) = only(events, AuctionEnded)
        assert (_names(stage, ended.winners), ended.price) == (won, price)
        assert [one.prices for one in only(events, Allotted)] == ([[price] * len(ended.winners)] if won != "-" else [])
    assert _names(stage, [one.ticket for one in stage.admissions]) == won


def test_there_are_rows_enough() -> None:
    assert len(ROWS) >= 40
