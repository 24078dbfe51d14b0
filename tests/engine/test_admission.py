"""The bucket, the caps and the windows, each by itself; the bucket against exact fractions at random instants."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.admission import Bucket, Meter, Window, Windows
from engine.core.limits import UNLIMITED


def _bucket(rate: int | None, *, burst_ms: int = 1_000, at: int = 0) -> Bucket:
    bucket = Bucket(rate, burst_ms)
    bucket.settle(at)
    return bucket


def _emptied(rate: int, *, burst_ms: int = 1_000) -> Bucket:
    bucket = _bucket(rate, burst_ms=burst_ms)
    bucket.take(bucket.tokens(0))
    return bucket


@pytest.mark.parametrize(
    ("rate", "burst_ms", "burst"),
    [(60, 1_000, 2), (600, 1_000, 11), (601, 1_000, 12), (6_000, 1_000, 101), (1, 1, 2), (6_000, 60_000, 6_001)],
)
def test_it_begins_with_one_burst_and_keeps_no_more(rate: int, burst_ms: int, burst: int) -> None:
    bucket = _bucket(rate, burst_ms=burst_ms)
    assert bucket.tokens(0) == burst
    assert bucket.tokens(86_400_000) == burst
    bucket.take(burst)
    assert bucket.tokens(86_400_000) == 0
    assert bucket.tokens(2 * 86_400_000) == burst


def test_the_next_token_comes_at_its_exact_instant() -> None:
    bucket = _emptied(7)
    assert bucket.next_token_ms() == 8_572  # 60000 / 7 = 8571.43
    assert bucket.tokens(8_571) == 0
    assert bucket.tokens(8_572) == 1
    bucket.take(1)
    assert bucket.next_token_ms() == 17_143  # 2 * 60000 / 7 = 17142.86: nothing is lost in rounding


def test_a_token_that_is_there_is_there_since_it_was_last_looked() -> None:
    assert _bucket(60, at=500).next_token_ms() == 500


def test_a_rate_of_zero_gives_nothing_ever() -> None:
    bucket = _bucket(0)
    assert (bucket.tokens(10**9), bucket.next_token_ms()) == (0, None)


def test_no_rate_is_no_limit() -> None:
    bucket = _bucket(None)
    bucket.take(1_000)
    assert (bucket.tokens(5), bucket.next_token_ms(), bucket.level) == (UNLIMITED, 0, 0)


def test_time_that_went_by_before_is_not_earned_again() -> None:
    bucket = _emptied(60_000)
    bucket.settle(5)
    bucket.settle(3)
    assert (bucket.tokens(3), bucket.stamp_ms) == (5, 5)


def test_after_a_cut_at_most_the_new_burst_is_left() -> None:
    bucket = _bucket(6_000)
    bucket.change(60, 1_000, 100)
    assert bucket.tokens(100) == 2
    bucket.change(6_000, 1_000, 100)
    assert bucket.tokens(100) == 2


def test_what_was_earned_before_a_raise_was_earned_at_the_old_rate() -> None:
    bucket = _emptied(60)
    bucket.change(6_000, 1_000, 999)
    assert (bucket.tokens(999), bucket.level) == (0, 60 * 999)
    assert bucket.next_token_ms() == 1_000


def test_a_limit_where_there_was_none_begins_with_its_burst() -> None:
    bucket = _bucket(None)
    bucket.change(600, 1_000, 50)
    assert bucket.tokens(50) == 11


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from((1, 7, 59, 60, 600, 1_001, 59_999, 60_000, 6_000_000)),
    st.sampled_from((1, 999, 1_000)),
    st.lists(st.integers(0, 3_000), max_size=12),
)
def test_it_agrees_with_exact_fractions(rate: int, burst_ms: int, gaps: list[int]) -> None:
    bucket, most = Bucket(rate, burst_ms), 1 + ceil(Fraction(rate * burst_ms, 60_000))
    exact, now = Fraction(most), 0
    for gap in gaps:
        now += gap
        exact = min(Fraction(most), exact + Fraction(rate * gap, 60_000))
        assert bucket.tokens(now) == int(exact)
        assert Fraction(bucket.level, 60_000) == exact
        taken = int(exact)
        bucket.take(taken)
        exact -= taken
        assert bucket.next_token_ms() == now + ceil((1 - exact) * 60_000 / rate)


def test_a_snapshot_of_a_meter_gives_it_back() -> None:
    meter = Meter(_emptied(600), 5, 9)
    meter.admit(3, by_hand=True)
    meter.complete()
    assert vars(Meter.restore(meter.snapshot()).bucket) == vars(meter.bucket)
    assert Meter.restore(meter.snapshot()).snapshot() == meter.snapshot()


def test_the_caps_count_windows_and_orders() -> None:
    meter = Meter(_bucket(None), None, None)
    assert meter.caps() == UNLIMITED
    meter.max_active, meter.max_admissions = 3, 4
    assert meter.caps() == 3
    meter.admit(2, by_hand=False)
    assert meter.caps() == 1
    meter.complete()
    assert (meter.caps(), meter.active, meter.completed) == (2, 1, 1)
    meter.admit(2, by_hand=False)
    assert meter.caps() == 0
    meter.lapse()
    assert meter.caps() == 1  # a lapse gives its place back, an order does not
    meter.max_active = 1
    assert meter.caps() == 0  # lowered below what is open: none is closed, none is let in


def test_an_admission_by_hand_takes_no_token() -> None:
    meter = Meter(_bucket(60), None, None)
    meter.admit(2, by_hand=True)
    assert meter.bucket.tokens(0) == 2
    meter.admit(2, by_hand=False)
    assert meter.bucket.tokens(0) == 0


def _window(expires_at: int, *, grace_ms: int = 0) -> Window:
    return Window(bytes(16), "k1", 0, expires_at, grace_ms, "")


def test_windows_end_by_instant_then_ticket() -> None:
    windows = Windows()
    for ticket, expires_at in ((5, 20), (3, 10), (9, 10), (4, 30)):
        windows.put(ticket, _window(expires_at))
    assert windows.next_deadline_ms() == 10
    assert windows.due(9) == []
    assert windows.due(20) == [3, 9, 5]
    assert windows.next_deadline_ms() == 30


def test_a_window_that_moved_or_closed_does_not_end_when_it_would_have() -> None:
    windows = Windows()
    for ticket in (1, 2, 3):
        windows.put(ticket, _window(10))
    windows.open[1].expires_at = 50
    windows.put(1, windows.open[1])
    windows.close(2)
    assert windows.due(49) == [3]
    windows.close(3)
    assert windows.due(50) == [1]
    windows.close(1)
    assert (windows.next_deadline_ms(), windows.due(10**9)) == (None, [])


def test_a_window_noted_twice_at_one_deadline_ends_once() -> None:
    windows = Windows()
    window = _window(10)
    windows.put(1, window)
    window.redeemed = True
    windows.put(1, window)
    assert windows.due(10) == [1]


def test_only_a_redeemed_window_has_its_grace() -> None:
    window = _window(10, grace_ms=5)
    assert window.deadline_ms == 10
    window.redeemed = True
    assert window.deadline_ms == 15


def test_restored_windows_end_as_they_would_have() -> None:
    windows, restored = Windows(), Windows()
    for ticket in (7, 1, 4):
        windows.put(ticket, _window(10 * ticket))
    restored.restore([[ticket, list(_fields(window))] for ticket, window in windows.snapshot()])
    assert list(restored.open.items()) == list(windows.open.items())
    assert restored.due(100) == [1, 4, 7]


def _fields(window: Window) -> list[object]:
    return [getattr(window, name) for name in window.__struct_fields__]
