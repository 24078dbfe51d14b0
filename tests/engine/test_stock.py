"""Stock: left = total − reserved − completed, whatever is asked, and nothing sold is ever forgotten."""

from __future__ import annotations

from engine.core.limits import UNLIMITED
from engine.core.stock import Shelf, Stock
from protocol.documents import Experience
from protocol.events import StockChanged
from tests.support.samples import document, raw_product, raw_variant


def _document(**totals: int | None) -> Experience:
    return document(products=[raw_product(*(raw_variant(one, stock=total) for one, total in totals.items()))])


def _stock(**totals: int | None) -> Stock:
    stock = Stock()
    stock.configure(_document(**totals))
    stock.told()
    return stock


def test_what_is_reserved_is_not_free_and_comes_back() -> None:
    stock = _stock(a=2)
    assert stock.reserve(["a"]) == "a"
    assert (stock.free(["a"]), stock.reserved(["a"])) == (1, 1)
    stock.give_back("a")
    assert (stock.free(["a"]), stock.reserved(["a"])) == (2, 0)
    stock.reserve(["a"])
    stock.complete("a")
    assert (stock.free(["a"]), stock.reserved(["a"])) == (1, 0)


def test_a_path_reserves_where_most_is_left() -> None:
    stock = _stock(a=1, b=2)
    assert [stock.reserve(["a", "b"]) for _ in range(3)] == ["b", "a", "b"]
    assert stock.free(["a", "b"]) == 0


def test_a_variant_without_a_total_never_runs_out() -> None:
    stock = _stock(a=1, b=None)
    assert stock.free(["a", "b"]) == stock.free(["b"]) == UNLIMITED
    assert stock.reserve(["a", "b"]) == "b"
    assert stock.shelves["b"].left == UNLIMITED


def test_a_path_that_sells_nothing_reserves_nothing() -> None:
    stock = _stock(a=0)
    assert (stock.free([]), stock.reserve([]), stock.reserved([])) == (UNLIMITED, "", 0)
    stock.give_back("")
    stock.complete("")
    assert stock.told() == []


def test_changes_are_told_once_and_together() -> None:
    stock = _stock(a=5, b=None)
    stock.reserve(["a"])
    stock.reserve(["a"])
    stock.reserve(["b"])
    stock.complete("a")
    assert stock.told() == [StockChanged("a", 5, 1, 1)]
    assert stock.told() == []


def test_what_is_given_before_it_is_counted_counts() -> None:
    stock = _stock(a=None)
    stock.reserve(["a"])
    assert stock.below_sold(_document(a=0)) == ["a"]
    stock.set_total("a", 3)
    assert stock.free(["a"]) == 2
    assert stock.told() == [StockChanged("a", 3, 1, 0)]


def test_another_document_tells_the_totals_that_changed() -> None:
    stock = _stock(a=5, b=5)
    stock.reserve(["a"])
    stock.told()
    stock.configure(_document(a=7, b=5, c=1, d=None))
    assert stock.told() == [StockChanged("a", 7, 1, 0), StockChanged("c", 1, 0, 0)]
    assert stock.below_sold(_document(a=0, b=0, e=0)) == ["a"]


def test_a_variant_that_comes_back_has_sold_what_it_had_sold() -> None:
    stock = _stock(a=2, b=1)
    stock.reserve(["a"])
    stock.complete("a")
    stock.configure(_document(b=1))
    stock.told()
    assert (list(stock.shelves), stock.below_sold(_document(a=0, b=1))) == (["b"], ["a"])
    restored = Stock()
    restored.restore(_plain(stock))
    for one in (stock, restored):
        one.configure(_document(a=2, b=1))
        assert (one.free(["a"]), one.shelves["a"]) == (1, Shelf(2, 0, 1))
        assert one.told() == []
    assert restored.snapshot() == stock.snapshot()


def test_a_change_of_a_variant_that_is_gone_is_not_told() -> None:
    stock = _stock(a=2, b=1)
    stock.set_total("a", 5)
    stock.configure(_document(b=1))
    assert stock.told() == []


def _plain(stock: Stock) -> list[object]:
    return [[[variant, [one.total, one.reserved, one.completed]] for variant, one in part] for part in stock.snapshot()]
