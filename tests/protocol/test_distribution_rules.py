"""The six distributions in a document: what they say, and every contradiction with its path."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import distributions
from protocol.distribution_rules import problems_of
from protocol.distributions import (
    AnyDistribution,
    Appointment,
    Auction,
    Draw,
    Queue,
    TimedRelease,
    Waitlist,
    capacity_of,
    kind_of,
    max_admissions_of,
    rate_of,
)
from protocol.documents import DocumentError, Path, parse, warnings
from tests.support.beacons import DEFAULT
from tests.support.samples import raw_document, raw_path, raw_product, raw_variant

ENGLISH = {
    "kind": "auction",
    "currency": "EUR",
    "start_price": "100.00",
    "reserve_price": "500.00",
    "increments": [{"from": "0.00", "step": "5.00"}, {"from": "500.00", "step": "10.00"}],
    "ends_at": 1_000,
}
DUTCH = {
    "kind": "auction",
    "style": "dutch",
    "currency": "EUR",
    "start_price": "300.00",
    "floor_price": "100.00",
    "drop_amount": "10.00",
    "drop_interval_seconds": 10,
    "quantity": 3,
}
DRAW = {"kind": "draw", "closes_at": 1_000, "winner_count": 100}
BEACON = {"beacon": {"source": f"drand:{DEFAULT}", "round": 1}}
FIRST_ROUND_MS = 1_595_431_050_000
FITTING = {"kind": "appointment", "windows": [{"date": "2026-10-25", "from": "10:00", "to": "18:00"}]}
DROP = {"kind": "timed_release", "limit": 1_000}
WAITLIST = {"kind": "waitlist", "strategy": "batch", "batch": 10}


@pytest.fixture(autouse=True)
def every_kind_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is what a document says, whichever kinds the engine runs."""
    kinds = frozenset({"queue", "draw", "auction", "appointment", "timed_release", "waitlist"})
    monkeypatch.setattr("protocol.documents.RUNNING", kinds)


def _path(terms: dict[str, Any], path_id: str = "one", **fields: Any) -> dict[str, Any]:
    return {"id": path_id, "distribution": terms} | fields


def _parsed(terms: dict[str, Any], **fields: Any) -> Path:
    return parse(raw_document(paths=[_path(terms, **fields)]), "drop").paths[0]


def _problems(*paths: dict[str, Any], **fields: Any) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(raw_document(paths=list(paths), **fields), "drop")
    return [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("terms", "kind"),
    [
        (DRAW, Draw),
        (ENGLISH, Auction),
        (DUTCH, Auction),
        (FITTING, Appointment),
        (DROP, TimedRelease),
        (WAITLIST, Waitlist),
        ({"kind": "queue", "release_rate_per_minute": 1}, Queue),
    ],
)
def test_every_kind_is_taken(terms: dict[str, Any], kind: type) -> None:
    taken = _parsed(terms).distribution
    assert isinstance(taken, kind)
    assert kind_of(taken) == terms["kind"]
    assert list(problems_of(taken, None)) == []


def test_a_kind_that_does_not_run_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.documents.RUNNING", distributions.RUNNING - {"draw"})
    assert _problems(_path(DRAW)) == ["paths[0].distribution.kind"]


def test_the_round_of_a_beacon_begins_a_minute_after_the_close_or_later() -> None:
    assert _parsed(DRAW | BEACON | {"closes_at": FIRST_ROUND_MS - 60_000}).closing == FIRST_ROUND_MS - 60_000


@pytest.mark.parametrize("kind", ["lottery", None, ["queue"], {}])
def test_a_kind_that_nobody_knows_is_one_error(kind: Any) -> None:
    assert _problems(_path({"kind": kind, "colour": 1})) == ["paths[0].distribution.kind"]


def test_defaults_that_depend_on_the_kind_are_filled_in() -> None:
    draw = _parsed(DRAW)
    assert isinstance(draw.distribution, Draw) and draw.distribution.draw_at == 1_000
    assert (draw.min_level, _parsed(ENGLISH).min_level, _parsed(FITTING).min_level) == (
        "guest",
        "registered",
        "registered",
    )
    assert _parsed(ENGLISH, min_level="guest").min_level == "guest"
    assert (draw.closing, _parsed(ENGLISH).closing, _parsed(DROP, closes_at=7).closing) == (1_000, 1_000, 7)


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        (DRAW | {"draw_at": 999}, ["draw_at"]),
        (DRAW | {"redraw_until": 1_000}, ["redraw_until"]),
        (DRAW | {"loyalty_bias": True}, ["loyalty_bias"]),
        (DRAW | {"beacon": {"source": "drand:1", "round": 0}}, ["beacon.source", "beacon.round"]),
        (DRAW | {"beacon": {"source": f"drand:{'ab' * 32}", "round": 6}}, ["beacon.source"]),
        (DRAW | BEACON | {"closes_at": FIRST_ROUND_MS - 59_999}, ["beacon.round"]),
        (DRAW | {"draw_at": 2_000, "redraw_until": 1_999}, ["redraw_until"]),
        (DRAW | {"winner_count": 3, "max_admissions": 2}, ["max_admissions"]),
        (ENGLISH | {"quantity": 2, "max_admissions": 1, "ends_at": None}, ["max_admissions", "ends_at"]),
        (DUTCH | {"max_admissions": 0}, ["max_admissions"]),
        (ENGLISH | {"ends_at": None}, ["ends_at"]),
        (ENGLISH | {"floor_price": "1", "drop_interval_seconds": 1}, ["floor_price", "drop_interval_seconds"]),
        (ENGLISH | {"reserve_price": "99.99"}, ["reserve_price"]),
        (ENGLISH | {"start_price": "1.005", "currency": "EUR"}, ["start_price"]),
        (ENGLISH | {"currency": "JPY", "increments": [{"from": "0", "step": "0.5"}]}, ["increments[0].step"]),
        (ENGLISH | {"increments": [{"from": "1.00", "step": "5.00"}]}, ["increments[0].from"]),
        (ENGLISH | {"increments": [{"from": "0", "step": "0.00"}]}, ["increments[0].step"]),
        (ENGLISH | {"increments": []}, ["increments"]),
        (
            ENGLISH | {"increments": [{"from": "٠", "step": "1"}, {"from": "5", "step": 1}], "reserve_price": "٩٠٠"},
            ["reserve_price", "increments[0].from", "increments[1].step"],
        ),
        (
            FITTING | {"windows": [{"date": "2026-12-01", "from": "0٩:00", "to": "24:00\n"}]},
            ["windows[0].from", "windows[0].to"],
        ),
        (
            ENGLISH | {"increments": [{"from": "0", "step": "5"}, {"from": "0", "step": "6"}]},
            ["increments[1].from"],
        ),
        (
            ENGLISH | {"increments": [{"from": "0", "step": "10"}, {"from": "50", "step": "9.98"}]},
            ["increments[1].step"],
        ),
        (
            {"kind": "auction", "style": "dutch", "currency": "EUR"},
            ["floor_price", "drop_amount", "drop_interval_seconds"],
        ),
        (DUTCH | {"reserve_price": "1", "second_chance": True}, ["reserve_price", "second_chance"]),
        (DUTCH | {"floor_price": "300.01"}, ["floor_price"]),
        (DUTCH | {"drop_amount": "0.00"}, ["drop_amount"]),
        (FITTING | {"windows": []}, ["windows"]),
        (FITTING | {"windows": [{"date": "2026-02-30", "from": "10:00", "to": "10:00"}]}, ["windows[0].date"]),
        (FITTING | {"windows": [{"date": "2026-02-28", "from": "10:00", "to": "10:00"}]}, ["windows[0].to"]),
        (FITTING | {"time_zone": "Mars"}, ["time_zone"]),
        (WAITLIST | {"strategy": "all"}, ["batch"]),
        (WAITLIST | {"strategy": "all", "batch": None, "order": "lottery"}, ["order"]),
        (WAITLIST | {"batch": None}, ["batch"]),
        (DROP | {"limit": 0}, ["limit"]),
    ],
)
def test_a_contradiction_is_told_with_its_path(terms: dict[str, Any], found: list[str]) -> None:
    told = _problems(_path(terms))
    assert [path for path in told if path in [f"paths[0].distribution.{one}" for one in found]] == told[: len(found)]
    assert len(told) >= len(found)


def test_a_ladder_whose_highest_step_may_be_bought_from_below_is_right() -> None:
    ladder = [{"from": "0", "step": "10"}, {"from": "50", "step": "9.99"}]
    assert _parsed(ENGLISH | {"increments": ladder}).distribution is not None


@pytest.mark.parametrize(
    ("terms", "fields", "found"),
    [
        (DRAW, {"closes_at": 5}, ["paths[0].closes_at"]),
        (ENGLISH, {"closes_at": 5}, ["paths[0].closes_at"]),
        (DRAW, {"opens_at": 1_000}, ["paths[0].distribution.closes_at"]),
        (ENGLISH, {"opens_at": 1_000}, ["paths[0].distribution.ends_at"]),
        (DRAW, {"lobby_opens_at": 5}, ["paths[0].lobby_opens_at"]),
        (DROP, {"lobby_opens_at": 5}, ["paths[0].lobby_opens_at"]),
        (DROP, {"lobby_opens_at": 5, "opens_at": 5}, ["paths[0].lobby_opens_at"]),
        (DROP, {"product_selection": "system"}, ["paths[0].product_selection"]),
        (DROP, {"attached_to": "general"}, ["paths[0].attached_to"]),
        (WAITLIST, {"attached_to": "nowhere"}, ["paths[0].attached_to"]),
        (WAITLIST, {"attached_to": "other"}, ["paths[0].attached_to"]),
    ],
)
def test_a_contradiction_of_a_path_is_told(terms: dict[str, Any], fields: dict[str, Any], found: list[str]) -> None:
    assert _problems(_path(terms, **fields), raw_path(), _path(WAITLIST, "other")) == found


def test_a_path_has_one_waitlist() -> None:
    waitlists = [_path(WAITLIST, one, attached_to="general") for one in ("first", "second")]
    assert _problems(raw_path(), *waitlists) == ["paths[2].attached_to"]


def test_a_lobby_comes_before_the_opening() -> None:
    assert _parsed(DROP, lobby_opens_at=5, opens_at=6).lobby_opens_at == 5


def test_a_waitlist_sells_what_its_path_sells_unless_it_says_otherwise() -> None:
    products = [raw_product(raw_variant("a"), raw_variant("b"))]
    paths = [raw_path(variants=["b"]), _path(WAITLIST, "w", attached_to="general"), _path(WAITLIST, "alone")]
    taken = parse(raw_document(products=products, paths=paths), "drop")
    _, attached, alone = taken.paths
    assert (taken.variants_of(attached), taken.variants_of(alone)) == (["b"], ["a", "b"])
    assert (taken.waitlist_of("general"), taken.waitlist_of("w")) == (attached, None)
    named = parse(raw_document(products=products, paths=[paths[0], paths[1] | {"variants": ["a"]}]), "drop")
    assert named.variants_of(named.paths[1]) == ["a"]


@pytest.mark.parametrize(
    ("terms", "rate", "most", "capacity"),
    [
        (Queue(60, capacity=3, max_admissions=5), 60, 5, 3),
        (Draw(closes_at=1, winner_count=4, max_admissions=5, capacity=2), None, 4, 2),
        (Auction(currency="EUR", quantity=7, max_admissions=5), None, 5, None),
        (Appointment(windows=[]), None, None, None),
        (TimedRelease(limit=9, burst_rate_per_minute=600), 600, 9, None),
        (TimedRelease(release_rate_per_minute=60, burst_rate_per_minute=600), 60, None, None),
        (Waitlist(capacity=8, release_rate_per_minute=1), 1, None, 8),
    ],
)
def test_what_meters_it_and_how_many_it_gives(
    terms: AnyDistribution, rate: int | None, most: int | None, capacity: int | None
) -> None:
    assert (rate_of(terms), max_admissions_of(terms), capacity_of(terms)) == (rate, most, capacity)


def test_a_draw_that_can_be_doubted_is_a_warning() -> None:
    taken = parse(raw_document(paths=[_path(DRAW), _path(WAITLIST, "w")]), "drop")
    assert [one.path for one in warnings(taken, 0)] == ["paths[0].min_level", "paths[0].distribution.beacon"]
    beacon = {"source": f"drand:{DEFAULT}", "round": 1}
    assert (
        warnings(parse(raw_document(paths=[_path(DRAW | {"beacon": beacon}, min_level="verified")]), "drop"), 0) == []
    )
