"""The time of the log: never back, never standing still, at most half a per cent from true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.io.clock import (
    CLOCKS_DIFFER_MS_MAX,
    NS_PER_MS,
    SLEW_PARTS,
    LogClock,
    Reading,
    Sighting,
    read_clocks,
    start_after,
)

HOUR_MS = 3_600_000


def reading(steady_ms: int, wall_ms: int) -> Reading:
    return Reading(steady_ms * NS_PER_MS, wall_ms * NS_PER_MS)


def test_it_follows_a_wall_clock_that_is_right() -> None:
    clock = LogClock(5_000, reading(0, 5_000))
    assert [clock.read(reading(ms, 5_000 + ms)) for ms in (1, 2, 1_000, HOUR_MS)] == [5_001, 5_002, 6_000, 3_605_000]


def test_a_wall_clock_that_jumps_ahead_makes_it_half_a_per_cent_faster() -> None:
    clock = LogClock(0, reading(0, 0))
    assert clock.read(reading(10_000, HOUR_MS)) == 10_050


def test_a_wall_clock_that_jumps_back_makes_it_half_a_per_cent_slower() -> None:
    clock = LogClock(HOUR_MS, reading(0, HOUR_MS))
    assert clock.read(reading(10_000, 0)) == HOUR_MS + 9_950


def test_while_it_is_slower_the_promised_part_of_the_rate_is_kept() -> None:
    minute_ms = 60_000
    clock = LogClock(HOUR_MS, reading(0, HOUR_MS))
    assert clock.read(reading(minute_ms, 0)) - HOUR_MS > minute_ms * 99 // 100


def test_it_comes_to_the_wall_clock_and_stays_there() -> None:
    clock = LogClock(0, reading(0, 50))
    assert clock.read(reading(10_000, 10_050)) == 10_050
    assert clock.read(reading(20_000, 20_050)) == 20_050


def test_a_steady_clock_that_goes_back_counts_as_standing_still() -> None:
    clock = LogClock(1_000, reading(500, 1_000))
    assert clock.read(reading(400, 2_000)) == 1_000
    assert clock.read(reading(700, 2_000)) == 1_201


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10 * HOUR_MS)), min_size=1))
def test_whatever_the_wall_does_it_runs_within_half_a_per_cent(moves: list[tuple[int, int]]) -> None:
    clock = LogClock(HOUR_MS, reading(0, HOUR_MS))
    steady_ms, before_ms = 0, HOUR_MS
    for passed_ms, wall_ms in moves:
        steady_ms += passed_ms
        now_ms = clock.read(reading(steady_ms, wall_ms))
        slew_ms = passed_ms // SLEW_PARTS + 1
        assert passed_ms - slew_ms <= now_ms - before_ms <= passed_ms + slew_ms
        assert now_ms >= before_ms
        before_ms = now_ms


def test_a_standby_goes_on_from_the_entry_that_it_saw() -> None:
    seen = Sighting(b"chain", 1_000 * NS_PER_MS)
    assert start_after(80_000, seen, reading(4_200, HOUR_MS), store_ms=0) == (83_200, False)


def test_a_cold_start_takes_the_wall_clock_where_the_store_agrees() -> None:
    store_ms = HOUR_MS + CLOCKS_DIFFER_MS_MAX
    assert start_after(80_000, None, reading(0, HOUR_MS), store_ms) == (HOUR_MS, False)


def test_clocks_that_differ_give_the_nearest_after_the_last_entry_and_a_doubt() -> None:
    late, early = 3 * HOUR_MS, 2 * HOUR_MS
    assert start_after(HOUR_MS, None, reading(0, late), early) == (early, True)
    assert start_after(HOUR_MS, None, reading(0, early), late) == (early, True)
    assert start_after(early + 1, None, reading(0, early), late) == (late, True)


def test_time_goes_on_slowly_from_the_last_entry_where_every_clock_lies_behind() -> None:
    for store_ms in (0, HOUR_MS):
        start = start_after(2 * HOUR_MS, None, reading(0, HOUR_MS), store_ms)
        assert start == (2 * HOUR_MS, store_ms != HOUR_MS)
        clock = LogClock(start.now_ms, reading(0, HOUR_MS))
        assert clock.read(reading(1_000, HOUR_MS + 1_000)) == 2 * HOUR_MS + 995


def test_the_clocks_of_this_machine() -> None:
    first, second = read_clocks(), read_clocks()
    assert second.steady_ns >= first.steady_ns
    assert first.wall_ms * NS_PER_MS <= first.wall_ns
