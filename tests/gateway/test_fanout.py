"""Pacing: a position is told when it says something new, not more often than once a second, and never not at all."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from gateway.columns import Column
from gateway.fanout import CROWD_MS_MIN, KEEPALIVE_MS, LOOK_MS_MIN, PACE_MS_MIN, RANK_MS_MIN, Pacing, aheads
from protocol.lottery import packed
from protocol.roster import EVERYBODY, NO_PLACE, Roster

Told = tuple[int, int, str | None]


def line_of(count: int, *here: int) -> tuple[Roster, Pacing]:
    """``count`` wait; the owners of the tickets ``here`` are ours (with the same numbers), told at time 0."""
    roster, tickets = Roster(), Column("i")
    pacing = Pacing(tickets)
    roster.append(count)
    for ticket in here:
        tickets.reach(ticket)
        tickets.one[ticket] = ticket
        pacing.add(ticket, roster.ahead(ticket), 0)
    return roster, pacing


def due(roster: Roster, pacing: Pacing, now_ms: int) -> list[Told]:
    """(ticket, ahead, why) of all who are due."""
    found = pacing.due(roster, now_ms)
    return sorted(
        (ticket, ahead, one.why)
        for one in found
        for ticket, ahead in zip(one.tickets.tolist(), one.aheads.tolist(), strict=True)
    )


def serve(roster: Roster, pacing: Pacing, *tickets: int) -> None:
    for ticket in tickets:
        roster.remove(ticket)
        pacing.drop(ticket)
        pacing.move()


def test_near_the_front_every_change_is_told() -> None:
    roster, pacing = line_of(50, 40)
    serve(roster, pacing, 0)
    assert due(roster, pacing, PACE_MS_MIN) == [(40, 39, None)]


def test_at_most_once_a_second() -> None:
    roster, pacing = line_of(50, 40)
    serve(roster, pacing, 0)
    assert due(roster, pacing, PACE_MS_MIN - LOOK_MS_MIN) == []
    assert due(roster, pacing, PACE_MS_MIN) == [(40, 39, None)]
    serve(roster, pacing, 1)
    assert due(roster, pacing, PACE_MS_MIN + LOOK_MS_MIN) == []
    assert due(roster, pacing, 2 * PACE_MS_MIN) == [(40, 38, None)]


def test_who_is_due_is_looked_for_now_and_then_or_for_a_reason() -> None:
    roster, pacing = line_of(50, 40)
    assert due(roster, pacing, PACE_MS_MIN - 1) == []
    serve(roster, pacing, 0)
    assert due(roster, pacing, PACE_MS_MIN + LOOK_MS_MIN - 2) == []
    pacing.stir("paused")
    assert due(roster, pacing, PACE_MS_MIN + LOOK_MS_MIN - 2) != []


def test_far_from_it_only_two_percent_are_news() -> None:
    roster, pacing = line_of(1_100, 1_000)
    serve(roster, pacing, *range(19))
    assert due(roster, pacing, 5_000) == []
    serve(roster, pacing, 19)
    assert due(roster, pacing, 5_000 + RANK_MS_MIN) == [(1_000, 980, None)]


def test_ranks_are_counted_once_a_second_however_the_line_moves() -> None:
    roster, pacing = line_of(1_100, 50)
    serve(roster, pacing, 0)
    assert due(roster, pacing, 5_000) == [(50, 49, None)]
    serve(roster, pacing, 1)
    assert due(roster, pacing, 5_000 + LOOK_MS_MIN) == []
    assert due(roster, pacing, 5_000 + RANK_MS_MIN) == [(50, 48, None)]


def test_silence_is_broken_by_a_sign_of_life() -> None:
    roster, pacing = line_of(1_100, 1_000)
    assert due(roster, pacing, KEEPALIVE_MS - LOOK_MS_MIN) == []
    assert due(roster, pacing, KEEPALIVE_MS) == [(1_000, 1_000, None)]


def test_a_reason_is_told_to_everybody_once() -> None:
    roster, pacing = line_of(1_100, 5, 7, 1_000)
    pacing.drop(7)
    pacing.stir("paused")
    assert due(roster, pacing, PACE_MS_MIN) == [(5, 5, "paused"), (1_000, 1_000, "paused")]
    assert due(roster, pacing, 2 * PACE_MS_MIN) == []
    pacing.add(7, 7, PACE_MS_MIN)
    assert due(roster, pacing, 3 * PACE_MS_MIN) == []


def test_a_position_rises_only_when_somebody_returned() -> None:
    roster, pacing = line_of(10, 5)
    serve(roster, pacing, 0)
    pacing.due(roster, PACE_MS_MIN)
    roster.restore(0)
    pacing.move()
    pacing.stir("paused")
    assert due(roster, pacing, 2 * PACE_MS_MIN) == [(5, 5, "returned")]


def test_who_is_dropped_is_forgotten_and_the_others_stay() -> None:
    roster, pacing = line_of(200, *range(100, 190))
    for ticket in range(100, 180):
        pacing.drop(ticket)
    pacing.drop(3)
    assert pacing.persons().tolist() == list(range(180, 190))
    assert (len(pacing), 185 in pacing, 100 in pacing, 10_000 in pacing) == (10, True, False, False)
    assert [ticket for ticket, _, _ in due(roster, pacing, KEEPALIVE_MS)] == list(range(180, 190))


def test_what_is_due_holds_only_as_long_as_it_is_true() -> None:
    roster, pacing = line_of(30, 5, 6, 7)
    (found,) = pacing.due(roster, KEEPALIVE_MS)
    pacing.drop(5)
    pacing._tickets.one[6] = 29
    assert pacing.still(found).tolist() == [False, False, True]


@given(st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29), min_size=1))
def test_what_is_told_is_exact(gone: set[int], here: set[int]) -> None:
    roster, pacing = line_of(30, *here)
    serve(roster, pacing, *sorted(gone))
    waiting = [ticket for ticket in range(30) if ticket not in gone]
    for ticket, ahead, _ in due(roster, pacing, KEEPALIVE_MS):
        assert ahead == waiting.index(ticket)
    left = sorted(here - gone)
    assert aheads(roster, left) == [waiting.index(ticket) for ticket in left]


def test_who_has_no_place_is_told_how_many_there_are_and_then_a_place() -> None:
    roster, pacing = line_of(100, 5, 6)
    roster.unplaced = EVERYBODY
    pacing.add(5, NO_PLACE, 0)
    pacing.add(6, NO_PLACE, 0)
    assert due(roster, pacing, PACE_MS_MIN) == [(5, NO_PLACE, None), (6, NO_PLACE, None)]
    roster.append(1)
    assert due(roster, pacing, PACE_MS_MIN + CROWD_MS_MIN) == [], "one of a hundred is no news"
    roster.append(1)
    assert due(roster, pacing, PACE_MS_MIN + CROWD_MS_MIN + LOOK_MS_MIN) == [(5, NO_PLACE, None), (6, NO_PLACE, None)]
    roster.append(50)
    assert due(roster, pacing, 3 * PACE_MS_MIN + CROWD_MS_MIN) == [], "a moment ago"
    roster.arrange(packed(array("I", range(151, -1, -1))))
    pacing.move()
    assert due(roster, pacing, 4 * PACE_MS_MIN + CROWD_MS_MIN) == [(5, 146, None), (6, 145, None)]


def test_who_is_passed_over_is_told_so_and_again_only_when_there_is_another_reason_to_tell() -> None:
    roster, pacing = line_of(10, 3, 5)
    serve(roster, pacing, 4)
    pacing.serve(roster, [4])
    assert due(roster, pacing, PACE_MS_MIN) == [(3, 3, "passed_over"), (5, 4, None)]
    roster.remove(9)
    pacing.serve(roster, [9])
    assert due(roster, pacing, 2 * PACE_MS_MIN) == [(5, 4, "passed_over")], "3 was told, and stands where it stood"
    serve(roster, pacing, 0)
    assert due(roster, pacing, 3 * PACE_MS_MIN) == [(3, 2, "passed_over"), (5, 3, None)]
    serve(roster, pacing, 1)
    assert due(roster, pacing, 4 * PACE_MS_MIN) == [(3, 1, None), (5, 2, None)]


def test_what_everybody_is_told_comes_before_that_one_was_passed_over() -> None:
    roster, pacing = line_of(10, 3)
    pacing.pass_over(3)
    pacing.stir("paused")
    assert due(roster, pacing, PACE_MS_MIN) == [(3, 3, "paused")]
    assert due(roster, pacing, 2 * PACE_MS_MIN) == [(3, 3, "passed_over")]


def test_who_chooses_something_else_or_waits_anew_was_not_passed_over() -> None:
    roster, pacing = line_of(10, 3, 5)
    for ticket in (3, 5, 7):
        pacing.pass_over(ticket)
    pacing.choose(3)
    pacing.choose(7)
    pacing.add(5, 5, 0)
    assert due(roster, pacing, PACE_MS_MIN) == []


def test_in_an_order_that_was_drawn_places_say_who_was_passed_over() -> None:
    roster, pacing = line_of(4, 0, 3)
    roster.arrange(packed(array("I", (3, 2, 1, 0))))
    for ticket in (0, 3):
        pacing.add(ticket, roster.ahead(ticket), 0)
    serve(roster, pacing, 1)
    pacing.serve(roster, [1])
    assert due(roster, pacing, PACE_MS_MIN) == [(0, 2, None), (3, 0, "passed_over")]
