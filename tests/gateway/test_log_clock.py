"""The log's time as a gateway tells it: from the entries that come, and never back by a little."""

from __future__ import annotations

from gateway.log_clock import BACK_MS_MAX, SPAN_MS, LogClock

WALL_MS = 1_800_000_000_000


def test_until_an_entry_comes_the_wall_clock_has_to_do() -> None:
    clock = LogClock(WALL_MS, 0)
    assert (clock.now_ms(0), clock.now_ms(250)) == (WALL_MS, WALL_MS + 250)


def test_the_entry_that_was_least_late_says_what_time_it_is() -> None:
    clock = LogClock(WALL_MS, 0)
    clock.seen(WALL_MS + 10_000, 100)
    clock.seen(WALL_MS + 10_010, 200)
    assert clock.now_ms(300) == WALL_MS + 10_200


def test_a_first_entry_that_came_late_does_not_take_time_back() -> None:
    clock = LogClock(WALL_MS, 0)
    assert clock.now_ms(1_000) == WALL_MS + 1_000
    clock.seen(WALL_MS + 700, 1_010)
    assert [clock.now_ms(at) for at in (1_010, 1_300, 1_400)] == [WALL_MS + 1_000, WALL_MS + 1_000, WALL_MS + 1_090]


def test_when_the_best_sample_is_too_old_time_does_not_go_back_either() -> None:
    clock = LogClock(WALL_MS, 0)
    clock.seen(WALL_MS, 0)
    for span in (1, 2):
        clock.seen(WALL_MS + span * SPAN_MS - 400, span * SPAN_MS)
        assert clock.now_ms(span * SPAN_MS) == WALL_MS + (SPAN_MS if span == 1 else 2 * SPAN_MS - 400)
    clock.seen(WALL_MS + 3 * SPAN_MS - 900, 3 * SPAN_MS)
    told = clock.now_ms(3 * SPAN_MS)
    clock.seen(WALL_MS + 4 * SPAN_MS - 900, 4 * SPAN_MS)
    assert told <= clock.now_ms(4 * SPAN_MS)


def test_a_clock_that_was_wrong_is_corrected_at_once() -> None:
    clock = LogClock(WALL_MS + BACK_MS_MAX + 1, 0)
    assert clock.now_ms(0) == WALL_MS + BACK_MS_MAX + 1
    clock.seen(WALL_MS, 0)
    assert clock.now_ms(0) == WALL_MS
