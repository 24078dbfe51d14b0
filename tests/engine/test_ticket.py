"""Tickets: every pair of states, the arrays, and that an illegal move changes nothing."""

from __future__ import annotations

import pytest

from engine.core.ticket import MOVES, REASONS, IllegalMove, Tickets
from protocol.states import LIVE, TicketState
from tests.support.samples import consumer

TABLE = """
waiting   admitted offered held left lost refused
offered   admitted left expired lost
held      booked waiting lost
booked    held waiting completed expired
admitted  redeemed completed booked expired left
redeemed  completed booked expired left
expired   waiting
completed
left
lost
refused
"""
"""The transitions as the documentation has them; an offered or held ticket is lost when its path is ended,
and one that pays for a slot is booked."""

ALLOWED = {line.split()[0]: set(line.split()[1:]) for line in TABLE.strip().splitlines()}
PAIRS = [(before, after) for before in TicketState for after in TicketState]


def _one(state: TicketState) -> Tickets:
    tickets = Tickets()
    tickets.add(consumer(1), 1)
    tickets.states[0] = state
    tickets.waiting = int(state == TicketState.WAITING)
    return tickets


def test_every_state_stands_in_the_table() -> None:
    assert {state.word for state in MOVES} == set(ALLOWED) == {state.word for state in TicketState}


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=lambda state: state.word)
def test_a_move_is_made_exactly_if_the_table_has_it(before: TicketState, after: TicketState) -> None:
    tickets = _one(before)
    if after.word in ALLOWED[before.word]:
        tickets.move(0, after, "left")
        assert (tickets.state(0), tickets.reason(0)) == (after, "left")
        assert tickets.waiting == (after == TicketState.WAITING)
        assert tickets.live(consumer(1)) == (0 if after in LIVE else None)
    else:
        kept = tickets.snapshot(), tickets.waiting
        with pytest.raises(IllegalMove, match=f"ticket 0 cannot go from {before.word} to {after.word}"):
            tickets.move(0, after, "left")
        assert (tickets.snapshot(), tickets.waiting) == kept


def test_a_reason_that_nobody_knows_changes_nothing() -> None:
    tickets = _one(TicketState.WAITING)
    kept = tickets.snapshot(), tickets.waiting
    with pytest.raises(KeyError, match="whim"):
        tickets.move(0, TicketState.LEFT, "whim")
    assert (tickets.snapshot(), tickets.waiting) == kept


def test_a_missed_turn_is_forgiven_once() -> None:
    tickets = _one(TicketState.EXPIRED)
    tickets.move(0, TicketState.WAITING)
    tickets.move(0, TicketState.ADMITTED)
    tickets.move(0, TicketState.EXPIRED)
    with pytest.raises(IllegalMove, match="from expired to waiting"):
        tickets.move(0, TicketState.WAITING)
    assert (tickets.state(0), tickets.waiting, tickets.forgiven) == (TicketState.EXPIRED, 0, {0: None})


def test_tickets_are_dense_and_the_latest_of_a_consumer_is_known() -> None:
    tickets = Tickets()
    assert [tickets.add(consumer(number), hats) for number, hats in ((1, 1), (2, 5), (1, 2))] == [0, 1, 2]
    assert (len(tickets), tickets.waiting, tickets.hats) == (3, 3, bytearray([1, 5, 2]))
    assert {one: tickets.latest[one] for one in tickets.latest} == {consumer(1): 2, consumer(2): 1}
    assert [tickets.consumer(ticket) for ticket in range(3)] == [consumer(1), consumer(2), consumer(1)]
    assert tickets.live(consumer(9)) is None


def test_the_next_who_waits_is_found_from_anywhere() -> None:
    tickets = Tickets()
    for number in range(4):
        tickets.add(consumer(number), 1)
    tickets.move(1, TicketState.LEFT, "left")
    assert [tickets.next_waiting(start) for start in range(5)] == [0, 2, 2, 3, None]


def test_all_who_wait_are_lost_and_nobody_else() -> None:
    tickets = Tickets()
    for number in range(4):
        tickets.add(consumer(number), 1)
    tickets.move(1, TicketState.ADMITTED)
    assert tickets.lose_waiting("ended") == 3
    assert [tickets.state(ticket).word for ticket in range(4)] == ["lost", "admitted", "lost", "lost"]
    assert [tickets.reason(ticket) for ticket in range(4)] == ["ended", "", "ended", "ended"]
    assert (tickets.waiting, tickets.lose_waiting("ended")) == (0, 0)


def test_completed_and_refused_tickets_are_counted_against_their_consumer() -> None:
    tickets = Tickets()
    for state in (TicketState.COMPLETED, TicketState.EXPIRED):
        ticket = tickets.add(consumer(1), 1)
        tickets.move(ticket, TicketState.ADMITTED)
        tickets.move(ticket, state)
    tickets.move(tickets.add(consumer(1), 1), TicketState.REFUSED, "refused")
    tickets.move(tickets.add(consumer(2), 1), TicketState.LEFT, "left")
    assert tickets.spent == {consumer(1): 2}


def test_the_merchants_words_are_the_reason_where_there_are_any() -> None:
    tickets = _one(TicketState.WAITING)
    tickets.move(0, TicketState.REFUSED, "refused")
    assert tickets.reason(0) == "refused"
    tickets.texts[0] = "a bot"
    assert tickets.reason(0) == "a bot"


def test_a_snapshot_gives_back_everything() -> None:
    tickets = Tickets()
    for number in (1, 2, 1, 3):
        tickets.add(consumer(number), number)
    for state in (TicketState.ADMITTED, TicketState.EXPIRED, TicketState.WAITING):
        tickets.move(0, state)
    tickets.move(1, TicketState.REFUSED, "refused")
    tickets.texts[1] = "a bot"
    restored = Tickets.restore(tickets.snapshot())
    assert restored.latest.shards == tickets.latest.shards
    assert vars(restored) == vars(tickets) | {"latest": restored.latest}


def test_nobody_without_an_id_holds_anything() -> None:
    assert (b"" in Tickets().latest, Tickets().latest.get(b"")) == (False, None)


def test_no_reason_stands_for_none() -> None:
    assert REASONS[0] == ""
