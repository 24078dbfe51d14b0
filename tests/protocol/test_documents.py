"""The experience document: every error at once, each with its path, and nothing silently ignored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, documents
from protocol.documents import (
    VARIANTS_MAX,
    VARIANTS_OF_ALL_MAX,
    DocumentError,
    Experience,
    Path,
    parse,
    warnings,
    with_release_rate,
    with_stock,
)
from protocol.events import Configured, Entry
from protocol.fields import Count
from protocol.forms import fits, form_problems
from tests.support.samples import document, raw_auction, raw_document, raw_path, raw_product, raw_variant


def _problems(raw: Any) -> dict[str, str]:
    with pytest.raises(DocumentError) as caught:
        parse(raw, "drop")
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    assert all(f"{path}: {message}" in str(caught.value) for path, message in found.items())
    return found


FULL = raw_document(
    time_zone="Europe/Berlin",
    locales=["en", "de"],
    theme={"accent": "#0a7"},
    allowed_origins=["https://shop.example"],
    release_rate_per_minute=6_000,
    max_active=500,
    products=[
        raw_product(raw_variant("42", stock=10), raw_variant("43")) | {"media": [{"url": "/a.jpg"}, {"url": "/b.jpg"}]}
    ],
    paths=[
        raw_path(
            "vip",
            priority=20,
            opens_at=1,
            closes_at=2,
            variants=["43"],
            terms={"text": "Be kind.", "url": None},
            distribution={"capacity": 5, "max_active": None},
        ),
        raw_path(),
    ],
)


WINDOW = {"date": "2026-12-01", "from": "0٩:00", "to": "10:00"}
TAKEN_ONCE: list[dict[str, Any]] = [
    {"products": [raw_product(raw_variant(price="١٢"))]},
    {"products": [raw_product(raw_variant("a/b"))]},
    {"products": [raw_product(raw_variant(price="1.005"))]},
    {"allowed_origins": ["*"]},
    {"paths": [raw_auction(ends_at=9, start_price="٣٠.00", increments=[{"from": "٠", "step": "١"}])]},
    {"paths": [{"id": "fitting", "distribution": {"kind": "appointment", "windows": [WINDOW]}}]},
]
"""What documents said that are refused now, each for one thing."""


def test_a_document_is_taken_as_it_stands_with_the_defaults_filled_in() -> None:
    taken = parse(FULL, "drop")
    assert taken == msgspec.convert(FULL, Experience)
    assert parse(msgspec.to_builtins(taken), "drop") == taken
    assert taken.paths[0].distribution.checkout_window_seconds == 600
    assert taken.paths[1].min_level == "guest"


def test_a_path_is_found_by_its_id_and_sells_what_it_names_or_everything() -> None:
    taken = parse(FULL, "drop")
    vip, general = taken.paths
    assert taken.path("vip") is vip and taken.path("none") is None
    assert taken.variants_of(vip) == ["43"]
    assert taken.variants_of(general) == ["42", "43"]


def test_every_error_of_form_is_told_at_once_with_its_path() -> None:
    raw = raw_document(
        colour="red",
        name="",
        theme={"accent": 1},
        locales="en",
        products=[raw_product(raw_variant(price="12,50", size=1))],
        paths=[
            {"id": "A", "distribution": {"kind": "queue"}, "terms": {"text": 1}},
            raw_path("b", priority=None, lobby_opens_at=-5, distribution={"capacity": -1, "kind": "draw"}),
            {"distribution": []},
        ],
    )
    del raw["checkout_url"]
    found = _problems(raw)
    assert list(found) == [
        "colour",
        "name",
        "paths[0].id",
        "paths[0].distribution.release_rate_per_minute",
        "paths[0].terms.text",
        "paths[1].distribution.closes_at",
        "paths[1].distribution.winner_count",
        "paths[1].distribution.capacity",
        "paths[1].priority",
        "paths[1].lobby_opens_at",
        "paths[2].id",
        "paths[2].distribution",
        "checkout_url",
        "products[0].variants[0].size",
        "products[0].variants[0].price",
        "theme[...]",
        "locales",
    ]
    assert found["colour"].startswith("unknown field; known are id, name, paths")
    assert found["checkout_url"] == "is required"


@pytest.mark.parametrize("raw", [None, [], "x", 1, True])
def test_what_is_no_object_is_one_error(raw: Any) -> None:
    assert list(_problems(raw)) == ["$"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"paths": []}, "paths"),
        ({"paths": {}}, "paths"),
        ({"paths": [raw_path(), None]}, "paths[1]"),
        ({"paths": [raw_path(f"p{n}") for n in range(documents.PATHS_MAX + 1)]}, "paths"),
        ({"products": [raw_product(raw_variant(str(n)), product_id=str(n)) for n in range(201)]}, "products"),
        ({"products": [raw_product(*(raw_variant(str(n)) for n in range(501)))]}, "products[0].variants"),
        ({"products": [raw_product()]}, "products[0].variants"),
        ({"id": "drop\n"}, "id"),
        ({"id": "-drop"}, "id"),
        ({"id": "d" * 65}, "id"),
        ({"paths": [raw_path(distribution={"release_rate_per_minute": 6_000_001})]}, "paths[0].distribution."),
        ({"paths": [raw_path(distribution={"release_rate_per_minute": 1.5})]}, "paths[0].distribution."),
        ({"paths": [raw_path(distribution={"release_rate_per_minute": None})]}, "paths[0].distribution."),
        ({"paths": [raw_path(distribution={"checkout_window_seconds": 0})]}, "paths[0].distribution."),
        ({"paths": [raw_path(opens_at=2**60)]}, "paths[0].opens_at"),
        ({"paths": [raw_path(min_level="king")]}, "paths[0].min_level"),
        ({"paths": [raw_path(audience="")]}, "paths[0].audience"),
        ({"paths": [raw_path(access_code={"code": ""})]}, "paths[0].access_code.code"),
        ({"limit_per_consumer": 2}, "limit_per_consumer"),
        ({"products": [raw_product(raw_variant(price="١٢"))]}, "products[0].variants[0].price"),
        ({"products": [raw_product(raw_variant(price="12.00\n"))]}, "products[0].variants[0].price"),
    ],
)
def test_a_value_out_of_bounds_is_refused(fields: dict[str, Any], path: str) -> None:
    (found,) = _problems(raw_document(**fields))
    assert found.startswith(path)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"id": "other"}, "id"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"checkout_url": "javascript:alert(1)"}, "checkout_url"),
        ({"checkout_url": "https://"}, "checkout_url"),
        ({"checkout_url": "https://[shop.example/checkout"}, "checkout_url"),
        ({"checkout_url": "https://\u2100.example/"}, "checkout_url"),
        ({"checkout_url": "https://shop.example:99999/"}, "checkout_url"),
        ({"checkout_url": "http://x y/"}, "checkout_url"),
        ({"checkout_url": "http://shop.example/\n"}, "checkout_url"),
        ({"paths": [raw_path(terms={"text": "Be kind.", "url": "javascript:alert(1)"})]}, "paths[0].terms.url"),
        ({"allowed_origins": ["https://shop.example", "*"]}, "allowed_origins[1]"),
        ({"allowed_origins": ["https://shop.example/"]}, "allowed_origins[0]"),
        ({"allowed_origins": ["https://*.shop.example"]}, "allowed_origins[0]"),
        ({"allowed_origins": ["shop.example"]}, "allowed_origins[0]"),
        ({"allowed_origins": ["https://Shop.example"]}, "allowed_origins[0]"),
        ({"products": [raw_product(raw_variant(price="1.005"))]}, "products[0].variants[0].price"),
        ({"products": [raw_product(raw_variant(price="9.5", currency="JPY"))]}, "products[0].variants[0].price"),
        ({"products": [raw_product(raw_variant("a/b"))]}, "products[0].variants[0].id"),
        ({"products": [raw_product(raw_variant("a\n"))]}, "products[0].variants[0].id"),
        ({"products": [raw_product(raw_variant(".."))]}, "products[0].variants[0].id"),
        ({"products": [raw_product(raw_variant(), product_id="a\x7f")]}, "products[0].id"),
        ({"paths": [raw_path(), raw_path()]}, "paths"),
        ({"products": [raw_product(raw_variant()), raw_product(raw_variant("43"))]}, "products"),
        ({"products": [raw_product(raw_variant(), raw_variant())]}, "products variants"),
        ({"paths": [raw_path(opens_at=5, closes_at=5)]}, "paths[0].closes_at"),
        ({"paths": [raw_path(distribution={"loyalty_bias": True})]}, "paths[0].distribution.loyalty_bias"),
        ({"paths": [raw_path(variants=["42"])]}, "paths[0].variants"),
    ],
)
def test_fields_that_contradict_one_another_are_refused(fields: dict[str, Any], path: str) -> None:
    assert list(_problems(raw_document(**fields))) == [path]


def test_every_contradiction_is_told_at_once() -> None:
    raw = raw_document(time_zone="Mars", paths=[raw_path(), raw_path(variants=["1"])])
    assert list(_problems(raw)) == ["time_zone", "paths", "paths[1].variants"]


def test_a_variant_named_twice_in_a_path_is_refused() -> None:
    raw = raw_document(products=[raw_product(raw_variant())], paths=[raw_path(variants=["42", "42"])])
    assert _problems(raw) == {"paths[0].variants": "the id '42' stands there more than once"}


def test_there_is_a_bound_for_the_variants_of_all_products_together() -> None:
    products = [
        raw_product(*(raw_variant(f"{product}-{number}") for number in range(VARIANTS_MAX))) | {"id": f"p{product}"}
        for product in range(VARIANTS_OF_ALL_MAX // VARIANTS_MAX + 1)
    ]
    assert _problems(raw_document(products=products)) == {"products": "at most 2000 variants in all are allowed"}


@pytest.mark.parametrize("fields", TAKEN_ONCE)
def test_a_log_holds_what_was_taken_before_it_was_refused(fields: dict[str, Any]) -> None:
    raw = raw_document(**fields)
    assert _problems(raw)
    entry = Entry(1, 5, "0-0", {}, "", [Configured(1, msgspec.convert(raw, Experience), "kid", "merchant")])
    assert codec.decode_entry(codec.encode_entry(entry)) == entry


def test_what_is_rarely_meant_is_a_warning() -> None:
    assert warnings(document(), 0) == []
    stopped = document(
        paths=[raw_path("a"), raw_path("b", distribution={"release_rate_per_minute": 0, "max_active": 0})]
    )
    assert [problem.path for problem in warnings(stopped, 0)] == [
        "paths[1].distribution.release_rate_per_minute",
        "paths[1].distribution.max_active",
    ]


def test_what_nobody_can_join_is_a_warning() -> None:
    code = {"code": "vip", "max_uses": 0, "expires_at": 1_000}
    taken = document(
        paths=[
            raw_path("a", distribution={"capacity": 0}, closes_at=1_000, access_code=code),
            raw_auction(ends_at=1_000),
            {"id": "fitting", "distribution": {"kind": "appointment", "windows": [WINDOW | {"from": "09:00"}]}},
        ]
    )
    lasting = ["paths[0].distribution.capacity", "paths[0].access_code.max_uses"]
    assert [problem.path for problem in warnings(taken, 999)] == lasting
    assert {problem.path for problem in warnings(taken, 2**42)} == {
        *lasting,
        "paths[0].closes_at",
        "paths[0].access_code.expires_at",
        "paths[1].distribution.ends_at",
        "paths[2].distribution.windows",
    }


@pytest.mark.parametrize("item", ["42", "EU 42.5", "size:42", "ä#?%", "...", "a.b"])
def test_an_id_of_a_variant_is_whatever_an_address_can_name(item: str) -> None:
    assert document(products=[raw_product(raw_variant(item), product_id=item)]).products[0].variants[0].id == item


def test_the_origin_of_an_app_or_a_port_is_taken() -> None:
    origins = ["http://localhost:8080", "https://[::1]:8443", "capacitor://localhost", "https://xn--bcher-kva.example"]
    assert document(allowed_origins=origins).allowed_origins == origins


def test_a_part_of_a_document_is_checked_for_its_form_alone() -> None:
    assert form_problems(Path, raw_path(variants=["nowhere"])) == []
    assert [problem.path for problem in form_problems(Path, raw_path(priority="high"))] == ["priority"]


@pytest.mark.parametrize(("value", "fitting"), [(None, True), (0, True), (5, True), (-1, False), ("5", False)])
def test_a_single_value_fits_a_field_or_not(value: Any, fitting: bool) -> None:
    assert fits(value, Count) is fitting


def test_another_release_rate_stands_in_a_new_document() -> None:
    before = parse(FULL, "drop")
    changed = with_release_rate(before, "general", 1, 2, None)
    assert changed.paths[0] is before.paths[0] and changed != before
    terms = changed.paths[1].distribution
    assert (terms.release_rate_per_minute, terms.max_active, terms.max_admissions) == (1, 2, None)
    over_all = with_release_rate(before, "", None, 2, 3)
    assert (over_all.release_rate_per_minute, over_all.max_active, over_all.max_admissions) == (None, 2, 3)
    assert over_all.paths == before.paths


def test_another_stock_stands_in_a_new_document() -> None:
    changed = with_stock(parse(FULL, "drop"), "43", 7)
    assert [variant.stock for variant in changed.products[0].variants] == [10, 7]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 2_000), st.floats(allow_nan=False), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["id", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def _spots(raw: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of decoded JSON."""
    entries = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    return [spot for key, value in list(entries) for spot in [(raw, key), *_spots(value)]]


@given(st.data())
def test_whatever_stands_in_a_document_it_is_taken_whole_or_every_error_is_named(data: st.DataObject) -> None:
    raw = msgspec.json.decode(msgspec.json.encode(FULL))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(_spots(raw)))
        container[key] = data.draw(JSON)
    try:
        taken = parse(raw, "drop")
    except DocumentError as error:
        assert error.problems and all(problem.path and problem.message for problem in error.problems)
    else:
        assert taken == msgspec.convert(raw, Experience)
