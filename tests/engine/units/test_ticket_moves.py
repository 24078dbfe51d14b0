"""Tickets: all that is not in the table is refused and changes nothing."""

from __future__ import annotations

from itertools import product

import pytest

from engine.core.ticket import MOVES, REASONS, IllegalMove, Tickets
from protocol.states import LIVE, TicketState
from tests.support.samples import consumer

ROADS = {
    TicketState.WAITING: [],
    TicketState.OFFERED: [TicketState.OFFERED],
    TicketState.HELD: [TicketState.HELD],
    TicketState.BOOKED: [TicketState.HELD, TicketState.BOOKED],
    TicketState.ADMITTED: [TicketState.ADMITTED],
    TicketState.REDEEMED: [TicketState.ADMITTED, TicketState.REDEEMED],
    TicketState.COMPLETED: [TicketState.ADMITTED, TicketState.COMPLETED],
    TicketState.EXPIRED: [TicketState.ADMITTED, TicketState.EXPIRED],
    TicketState.LEFT: [TicketState.LEFT],
    TicketState.LOST: [TicketState.LOST],
    TicketState.REFUSED: [TicketState.REFUSED],
}
"""The moves that bring a new ticket into each state."""


def _in_state(state: TicketState) -> Tickets:
    tickets = Tickets()
    tickets.add(consumer(1), 1)
    for step in ROADS[state]:
        tickets.move(0, step)
    return tickets


@pytest.mark.parametrize(("before", "after"), list(product(TicketState, TicketState)))
def test_a_move_is_in_the_table_or_changes_nothing(before: TicketState, after: TicketState) -> None:
    tickets = _in_state(before)
    kept = tickets.snapshot()
    if after in MOVES[before]:
        tickets.move(0, after)
        assert tickets.state(0) is after
        assert tickets.waiting == (after is TicketState.WAITING)
    else:
        with pytest.raises(IllegalMove, match=f"from {before.word} to {after.word}"):
            tickets.move(0, after)
        assert tickets.snapshot() == kept


def test_only_an_expired_ticket_comes_back_to_wait_and_only_once() -> None:
    tickets = _in_state(TicketState.EXPIRED)
    tickets.move(0, TicketState.WAITING)
    tickets.move(0, TicketState.ADMITTED)
    tickets.move(0, TicketState.EXPIRED)
    with pytest.raises(IllegalMove):
        tickets.move(0, TicketState.WAITING)


@pytest.mark.parametrize("state", list(TicketState))
def test_a_ticket_is_live_or_it_is_not(state: TicketState) -> None:
    tickets = _in_state(state)
    assert tickets.live(consumer(1)) == (0 if state in LIVE else None)
    assert tickets.live(consumer(2)) is None
    spent = state in {TicketState.COMPLETED, TicketState.REFUSED}
    assert tickets.spent == ({consumer(1): 1} if spent else {})


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_kept_and_the_merchants_words_go_first(reason: str) -> None:
    tickets = Tickets()
    tickets.add(consumer(1), 1)
    tickets.move(0, TicketState.LEFT, reason)
    assert tickets.reason(0) == reason
    tickets.texts[0] = "a bot"
    assert tickets.reason(0) == "a bot"


def test_all_who_wait_are_lost_at_once_and_nobody_else() -> None:
    tickets = Tickets()
    for number in range(5):
        tickets.add(consumer(number), 1 + number)
    tickets.move(1, TicketState.ADMITTED)
    tickets.move(3, TicketState.LEFT)
    assert tickets.lose_waiting("ended") == 3
    assert [tickets.state(ticket).word for ticket in range(5)] == ["lost", "admitted", "lost", "left", "lost"]
    assert (tickets.waiting, tickets.next_waiting(0), tickets.lose_waiting("ended")) == (0, None, 0)
    assert tickets.reason(4) == "ended"


def test_tickets_come_back_from_a_snapshot() -> None:
    tickets = _in_state(TicketState.EXPIRED)
    tickets.move(0, TicketState.WAITING)
    tickets.add(consumer(2), 3)
    tickets.move(1, TicketState.REFUSED, "refused")
    tickets.texts[1] = "a bot"
    restored = Tickets.restore(tickets.snapshot())
    assert restored.snapshot() == tickets.snapshot()
    assert (restored.latest, restored.waiting, len(restored)) == (tickets.latest, 1, 2)
    assert [restored.consumer(ticket) for ticket in range(2)] == [consumer(1), consumer(2)]
