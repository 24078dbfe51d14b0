"""The bucket beside a loop over every ms, the caps beside a count, the windows beside a sorted list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.admission import Bucket, Meter, Window, Windows
from engine.core.limits import UNLIMITED

TOKEN = 60_000
RATES = st.sampled_from([0, 1, 7, 60, 600, 59_999, 60_000, 6_000_000])
BURSTS_MS = st.sampled_from([1, 999, 1_000, 60_000])


def _burst(rate: int, burst_ms: int) -> int:
    """1 + the next whole number from rate * burst_ms / 60000 on."""
    return 1 + (rate * burst_ms + TOKEN - 1) // TOKEN


class EveryMs:
    """The same bucket, one ms after the other."""

    def __init__(self, rate: int, burst_ms: int) -> None:
        self.rate, self.burst_ms, self.now_ms = rate, burst_ms, 0
        self.level = _burst(rate, burst_ms) * TOKEN

    def live_until(self, now_ms: int) -> None:
        for _ in range(now_ms - self.now_ms):
            self.level = min(_burst(self.rate, self.burst_ms) * TOKEN, self.level + self.rate)
        self.now_ms = now_ms

    @property
    def tokens(self) -> int:
        return self.level // TOKEN if self.rate else 0


STEPS = st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 3), st.one_of(st.none(), RATES)), max_size=8)


@given(RATES, BURSTS_MS, STEPS)
@settings(max_examples=60, deadline=None)
def test_the_bucket_is_exact_to_the_ms(rate: int, burst_ms: int, steps: list[tuple[int, int, int | None]]) -> None:
    bucket, slow = Bucket(rate, burst_ms), EveryMs(rate, burst_ms)
    for gap_ms, wanted, changed in steps:
        now_ms = slow.now_ms + gap_ms
        slow.live_until(now_ms)
        assert bucket.tokens(now_ms) == slow.tokens
        taken = min(wanted, slow.tokens)
        bucket.take(taken)
        slow.level -= taken * TOKEN
        if changed is not None:
            bucket.change(changed, burst_ms, now_ms)
            slow.rate = changed
            slow.level = min(slow.level, _burst(changed, burst_ms) * TOKEN)
        assert Bucket.restore(bucket.snapshot()).snapshot() == bucket.snapshot()


@given(RATES.filter(bool), BURSTS_MS, st.integers(0, 5_000))
@settings(max_examples=60, deadline=None)
def test_the_next_token_is_there_at_its_ms_and_not_one_earlier(rate: int, burst_ms: int, begun_ms: int) -> None:
    bucket = Bucket(rate, burst_ms)
    bucket.take(bucket.tokens(begun_ms))
    instant = bucket.next_token_ms()
    assert instant is not None and instant > begun_ms
    assert Bucket.restore(bucket.snapshot()).tokens(instant - 1) == 0
    assert bucket.tokens(instant) >= 1


def test_a_rate_of_zero_never_comes_and_no_rate_is_always_there() -> None:
    stopped, free = Bucket(0, 1_000), Bucket(None, 1_000)
    assert (stopped.tokens(10**9), stopped.next_token_ms()) == (0, None)
    assert (free.tokens(5), free.next_token_ms()) == (UNLIMITED, 0)
    free.take(10**6)
    assert free.tokens(6) == UNLIMITED
    free.change(60, 1_000, 9)
    assert free.tokens(9) == 2
    free.change(None, 1_000, 9)
    assert free.tokens(9) == UNLIMITED


def test_time_that_does_not_go_on_earns_nothing() -> None:
    bucket = Bucket(60, 1)
    bucket.take(bucket.tokens(5_000))
    assert bucket.tokens(5_000) == bucket.tokens(4_000) == 0


def test_the_caps_count_open_windows_and_orders() -> None:
    meter = Meter(Bucket(None, 1_000), 3, 4)
    meter.admit(3, by_hand=False)
    assert meter.caps() == 0
    meter.lapse()
    meter.complete()
    assert (meter.active, meter.completed, meter.caps()) == (1, 1, 2)
    meter.max_admissions = 1
    assert meter.caps() == 0
    meter.max_active = meter.max_admissions = None
    assert meter.caps() == UNLIMITED
    meter.max_active = 2
    assert meter.caps() == 1
    assert Meter.restore(meter.snapshot()).snapshot() == meter.snapshot()


def test_whoever_is_admitted_by_hand_takes_no_token() -> None:
    meter = Meter(Bucket(60, 1_000), None, None)
    meter.admit(2, by_hand=True)
    assert meter.bucket.tokens(0) == 2
    meter.admit(2, by_hand=False)
    assert (meter.bucket.tokens(0), meter.active) == (0, 4)


MOVES = st.lists(
    st.tuples(st.sampled_from(["put", "put", "move", "redeem", "close", "due"]), st.integers(0, 5), st.integers(0, 50)),
    max_size=30,
)


@given(MOVES, st.booleans())
def test_windows_end_in_the_order_of_their_ends(moves: list[tuple[str, int, int]], put_away: bool) -> None:
    windows, ends = Windows(), dict[int, int]()
    for kind, ticket, instant in moves:
        if kind == "put":
            windows.put(ticket, Window(bytes(16), "k1", 0, instant, 10, ""))
            ends[ticket] = instant
        elif kind == "due":
            due = sorted((end, ticket) for ticket, end in ends.items() if end <= instant)
            assert windows.due(instant) == [ticket for _, ticket in due]
            for _, ended in due:
                windows.close(ended)
                del ends[ended]
        elif ticket in ends:
            window = windows.open[ticket]
            if kind == "close":
                assert windows.close(ticket) is window
                del ends[ticket]
                continue
            if kind == "move":
                window.expires_at = instant
            else:
                window.redeemed = True
            windows.put(ticket, window)
            ends[ticket] = window.deadline_ms
        if put_away:
            kept, windows = windows.snapshot(), Windows()
            windows.restore([[ticket, _listed(window)] for ticket, window in kept])
        assert windows.next_deadline_ms() == min(ends.values(), default=None)


def _listed(window: Window) -> list[object]:
    return [getattr(window, field) for field in window.__struct_fields__]
