"""Frames from the replica: what consumers may know, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway import told
from protocol.events import Configured, NoticePosted, StockChanged
from protocol.refusals import Reason, Refusal
from protocol.replica import Replica
from tests.support.samples import document, raw_path, raw_product, raw_variant

NOW = 1_800_000_000_000


def replica(**fields: Any) -> Replica:
    made = Replica("drop")
    made.apply(Configured(1, document(**fields), "k1", "test"))
    return made


def stocked(total: int, gone: int, *, exact: bool = False) -> dict[str, Any]:
    made = replica(products=[raw_product(raw_variant(stock=total, stock_exact=exact))])
    made.apply(StockChanged("42", total, gone, 0))
    (frame,) = told.stocks(made, "general")
    return dict(msgspec.to_builtins(frame))


@pytest.mark.parametrize(
    ("total", "gone", "band"),
    [
        (100, 79, "plenty"),
        (100, 80, "few"),
        (100, 94, "few"),
        (100, 95, "last"),
        (10, 7, "last"),
        (1000, 950, "last"),
        (1000, 949, "few"),
        (10, 10, "none"),
        (0, 0, "none"),
    ],
)
def test_stock_is_told_in_bands(total: int, gone: int, band: str) -> None:
    frame = stocked(total, gone)
    assert frame["band"] == band
    assert "left" not in frame


def test_stock_is_exact_only_where_the_merchant_wants_it() -> None:
    assert stocked(100, 3, exact=True)["left"] == 97


def test_uncounted_stock_is_not_told() -> None:
    made = replica(products=[raw_product(raw_variant())])
    made.apply(StockChanged("42", None, 1, 0))
    assert told.stocks(made, "general") == []


def test_a_hidden_path_is_seen_by_those_who_qualify() -> None:
    paths = [
        raw_path("general"),
        raw_path("vip", hidden=True, min_level="verified"),
        raw_path("low", min_level="verified"),
    ]
    made = replica(paths=paths)
    assert told.visible_paths(made, 0) == ["general", "low"]
    assert told.visible_paths(made, 2) == ["general", "vip", "low"]
    access = {view.id: view.access for view in told.experience_view(made, 0, NOW).paths}
    assert access == {"general": "open", "low": "needs_level"}


def test_a_full_line_says_so() -> None:
    made = replica(paths=[raw_path(distribution={"capacity": 2})])
    made.paths["general"].roster.append(2)
    assert told.experience_view(made, 0, NOW).paths[0].access == "full"


def test_the_public_view_has_prices_and_no_counts() -> None:
    made = replica(products=[raw_product(raw_variant(stock=5))])
    (product,) = told.experience_view(made, 0, NOW).products
    assert product["variants"] == [
        {"id": "42", "name": "EU 42", "price": "129.00", "currency": "EUR", "attributes": {}}
    ]


@pytest.mark.parametrize(("until", "stands"), [(NOW + 1, True), (NOW, False), (None, False)])
def test_a_notice_stands_while_its_time_is_ahead(until: int | None, stands: bool) -> None:
    made = replica()
    made.apply(NoticePosted("hello", "info", until, NOW, "shop"))
    view = msgspec.to_builtins(told.experience_view(made, 0, NOW))
    assert ("notice" in view) is stands


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://s.example/c", "https://s.example/c?stanchion_pass=t.o.k"),
        ("https://s.example/c?a=1&b=#top", "https://s.example/c?a=1&b=&stanchion_pass=t.o.k#top"),
        ("https://s.example/c?stanchion_pass=old", "https://s.example/c?stanchion_pass=t.o.k"),
    ],
)
def test_the_pass_joins_the_query(url: str, expected: str) -> None:
    assert told.with_pass(url, "t.o.k") == expected


def test_an_error_says_what_helps_and_nothing_unknown() -> None:
    frame = told.error(Refusal(Reason.NOT_OPEN, {"opens_at": 5, "secret": 1}), "general", "r")
    assert msgspec.to_builtins(frame) == {
        "type": "error",
        "reason": "not_open",
        "temporary": True,
        "message": "This is not open yet.",
        "ref": "r",
        "path": "general",
        "opens_at": 5,
    }


def test_an_error_names_what_is_wrong_and_what_is_allowed() -> None:
    frame = told.error(Refusal(Reason.INVALID, {"field": "variant", "allowed": "a, b"}))
    assert msgspec.to_builtins(frame).items() >= {"field": "variant", "allowed": "a, b"}.items()


@pytest.mark.parametrize(("outage", "paused", "word"), [(True, True, "outage"), (False, True, "merchant")])
def test_who_paused(outage: bool, paused: bool, word: str) -> None:
    made = replica()
    made.paths["general"].paused = paused
    assert told.phase(made.paths["general"], NOW, outage=outage).paused == word


@pytest.mark.parametrize(
    ("selection", "choices"), [("consumer", ["a", "b"]), ("checkout", msgspec.UNSET), ("system", msgspec.UNSET)]
)
def test_a_path_says_between_what_one_chooses(selection: str, choices: Any) -> None:
    products = [raw_product(raw_variant("a"), raw_variant("b"))]
    made = replica(products=products, paths=[raw_path(product_selection=selection)])
    (view,) = told.experience_view(made, 0, NOW).paths
    assert view.choices == choices


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ({}, "open"),
        ({"access_code": {"code": "SESAME"}}, "needs_code"),
        ({"audience": "vip", "access_code": {"code": "SESAME"}}, "not_for_you"),
        ({"audience": "vip", "min_level": "registered"}, "needs_level"),
    ],
)
def test_a_path_says_what_stands_in_the_way(path: dict[str, Any], access: str) -> None:
    made = replica(paths=[raw_path(**path)])
    (view,) = told.experience_view(made, 0, NOW).paths
    assert view.access == access
    assert "SESAME" not in str(msgspec.to_builtins(view))
