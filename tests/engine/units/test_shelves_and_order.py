"""Stock beside its own arithmetic, and the queue beside a search through everybody."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.core.limits import UNLIMITED
from engine.core.stock import Stock
from engine.core.ticket import Tickets
from engine.distributions.queue import Queue
from protocol.events import StockChanged
from protocol.refusals import Reason
from protocol.states import TicketState
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant

PATH = document().paths[0]


def _stock(**totals: int | None) -> Stock:
    stock = Stock()
    stock.configure(_selling(**totals))
    stock.told()
    return stock


def _selling(**totals: int | None) -> Any:
    return document(products=[raw_product(*(raw_variant(name, stock=total) for name, total in totals.items()))])


def test_a_unit_comes_from_the_variant_with_most_left() -> None:
    stock = _stock(a=1, b=2)
    assert [stock.reserve(["a", "b"]) for _ in range(3)] == ["b", "a", "b"]
    assert (stock.free(["a", "b"]), stock.reserved(["a", "b"])) == (0, 3)
    stock.give_back("b")
    stock.complete("a")
    assert (stock.free(["a", "b"]), stock.reserved(["a", "b"]), stock.free(["a"])) == (1, 1, 0)
    assert stock.told() == [StockChanged("b", 2, 1, 0), StockChanged("a", 1, 0, 1)]
    assert stock.told() == []


def test_what_is_not_counted_never_runs_out_and_is_not_told() -> None:
    stock = _stock(a=None)
    assert stock.reserve(["a"]) == "a"
    assert (stock.free(["a"]), stock.free([]), stock.reserve([])) == (UNLIMITED, UNLIMITED, "")
    stock.give_back("")
    stock.complete("")
    assert stock.told() == []
    stock.set_total("a", 5)
    assert (stock.free(["a"]), stock.told()) == (4, [StockChanged("a", 5, 1, 0)])


def test_another_document_keeps_what_is_sold_and_tells_what_changed() -> None:
    stock = _stock(a=3, b=3)
    stock.reserve(["a"])
    stock.told()
    assert stock.below_sold(_selling(a=0, b=0, c=0)) == ["a"]
    assert stock.below_sold(_selling(a=None, c=1)) == []
    stock.configure(_selling(a=2, c=1))
    assert stock.told() == [StockChanged("a", 2, 1, 0), StockChanged("c", 1, 0, 0)]
    assert stock.free(["a", "c"]) == 2


def test_stock_comes_back_from_a_snapshot() -> None:
    stock, restored = _stock(a=3, b=None), Stock()
    stock.reserve(["a"])
    stock.told()
    kept = stock.snapshot()
    restored.restore(_plain(kept))
    assert _plain(restored.snapshot()) == _plain(kept)


def _plain(value: Any) -> Any:
    """Structs and tuples as the lists that they are once they have been bytes."""
    if hasattr(value, "__struct_fields__"):
        return [_plain(getattr(value, field)) for field in value.__struct_fields__]
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


@given(st.lists(st.tuples(st.sampled_from(["join", "serve", "leave", "return"]), st.integers(0, 9)), max_size=40))
def test_the_next_one_is_always_the_first_who_waits(moves: list[tuple[str, int]]) -> None:
    tickets = Tickets()
    queue = Queue(PATH, tickets)
    for kind, ticket in moves:
        state = tickets.state(ticket) if ticket < len(tickets) else None
        if kind == "join":
            tickets.add(consumer(len(tickets)), 1)
        elif kind == "serve":
            served = queue.next_ticket()
            assert served == next((one for one, state in enumerate(tickets.states) if state == 0), None)
            if served is not None:
                tickets.move(served, TicketState.ADMITTED)
                tickets.move(served, TicketState.EXPIRED)
        elif kind == "leave" and state is TicketState.WAITING:
            tickets.move(ticket, TicketState.LEFT)
        elif kind == "return" and state is TicketState.EXPIRED and ticket not in tickets.forgiven:
            tickets.move(ticket, TicketState.WAITING)
            queue.returned(ticket)
        kept = queue.snapshot()
        queue = Queue(PATH, tickets)
        queue.restore(kept)


def test_a_full_queue_takes_nobody_until_somebody_goes() -> None:
    tickets = Tickets()
    queue = Queue(document(paths=[raw_path(distribution={"capacity": 1})]).paths[0], tickets)
    assert queue.join_refusal() is None
    tickets.add(consumer(1), 1)
    refusal = queue.join_refusal()
    assert refusal is not None and (refusal.reason, refusal.detail) == (Reason.FULL, {"capacity": 1})
    tickets.move(0, TicketState.LEFT)
    assert queue.join_refusal() is None
    queue.configure(document().paths[0])
    tickets.add(consumer(2), 1)
    assert queue.join_refusal() is None
