"""The pure parts behind a socket: backlog, wheel, slots, frames, bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from gateway.edge.parked.backlog import Backlog, Kept, LastWords
from gateway.edge.parked.framing import BINARY, close_frame, frame, text_frame
from gateway.edge.parked.limits import FILES_MIN, Limits, sockets_max
from gateway.edge.parked.slots import GONE, PINGED, SLOTS_MIN, SLOW, Slots
from gateway.edge.parked.wheel import SPAN, Wheel


def drained(backlog: Backlog, step: int = 1_000) -> bytes:
    out = b""
    while (data := backlog.next()) is not None:
        taken = min(step, len(data))
        out += bytes(data[:taken])
        backlog.wrote(taken, 0)
    return out


@pytest.mark.parametrize("step", [1, 3, 1_000])
def test_a_begun_frame_goes_first_and_whole(step: int) -> None:
    backlog = Backlog(b"rest", 0, 100)
    backlog.add(b"[fact]", None)
    backlog.add(b"[state]", "position")
    assert drained(backlog, step) == b"rest[fact][state]"


def test_the_latest_state_wins_and_goes_behind_the_facts() -> None:
    backlog = Backlog(b"", 0, 100)
    assert backlog.add(b"[p1]", "position") is Kept.WAITS
    assert backlog.add(b"[joined]", None) is Kept.WAITS
    assert backlog.add(b"[p2]", "position") is Kept.DROPPED
    assert backlog.add(b"[stock]", "stock") is Kept.WAITS
    assert drained(backlog) == b"[joined][p2][stock]"


def test_without_room_a_state_is_dropped_and_a_fact_is_too_much() -> None:
    backlog = Backlog(b"rest", 0, 10)
    assert backlog.add(b"x" * 30, None) is Kept.WAITS, "one is always kept"
    assert backlog.add(b"s", "position") is Kept.DROPPED
    assert backlog.add(b"f", None) is Kept.TOO_MUCH
    assert drained(backlog) == b"rest" + b"x" * 30
    assert backlog.missed == {"position"}
    assert backlog.add(b"t", "position") is Kept.WAITS
    assert backlog.missed == set()


def test_last_words_come_last_and_once() -> None:
    backlog = Backlog(b"rest", 0, 100)
    backlog.add(b"[fact]", None)
    backlog.end_with(LastWords(b"[close]", shut=False))
    assert drained(backlog) == b"rest[fact][close]"
    assert backlog.next() is None


def test_last_words_that_are_under_way_are_not_replaced() -> None:
    backlog = Backlog(b"", 0, 100)
    backlog.end_with(LastWords(b"[1]", shut=False))
    assert backlog.next() == b"[1]"
    backlog.end_with(LastWords(b"[2]", shut=True))
    assert drained(backlog) == b"[1]"
    assert backlog.last_words is not None
    assert backlog.last_words.shut


def test_progress_is_a_byte() -> None:
    backlog = Backlog(b"rest", 5, 100)
    backlog.wrote(0, 9)
    assert backlog.progress == 5
    backlog.wrote(1, 9)
    assert backlog.progress == 9


def test_what_is_not_begun_can_be_forgotten() -> None:
    backlog = Backlog(b"rest", 0, 10)
    backlog.add(b"[fact]", None)
    backlog.forget()
    assert backlog.add(b"0123456789", None) is Kept.WAITS
    assert drained(backlog) == b"rest0123456789"


def test_the_wheel_gives_who_is_due_once() -> None:
    wheel = Wheel()
    wheel.resize(4)
    wheel.set(0, 2)
    wheel.set(1, 3)
    wheel.set(2, 2)
    wheel.clear(2)
    assert wheel.turn(1) == []
    assert wheel.turn(2) == [0]
    assert wheel.turn(3) == [1]
    assert wheel.turn(200) == []


def test_a_slot_is_due_at_one_tick_only_the_last_that_was_set() -> None:
    wheel = Wheel()
    wheel.resize(1)
    for tick in (5, 3, 5, 9, 3):
        wheel.set(0, tick)
    assert wheel.turn(3) == [0]
    assert wheel.turn(100) == []


def test_after_a_long_stall_nobody_is_missed() -> None:
    wheel = Wheel()
    wheel.resize(SPAN)
    for slot in range(1, SPAN):
        wheel.set(slot, slot)
    assert sorted(wheel.turn(10 * SPAN)) == list(range(1, SPAN))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, SPAN - 1), st.integers(0, 3)), max_size=60))
def test_the_wheel_does_what_a_dict_would(steps: list[tuple[int, int, int]]) -> None:
    wheel, plain, tick = Wheel(), dict[int, int](), 0
    wheel.resize(6)
    for slot, delay, on in steps:
        wheel.set(slot, tick + delay)
        plain[slot] = tick + delay
        tick += on
        due = sorted(slot for slot, when in plain.items() if when <= tick)
        assert sorted(wheel.turn(tick)) == due
        plain = {slot: when for slot, when in plain.items() if when > tick}


def test_slots_are_dense_used_again_and_known_by_their_stamp() -> None:
    slots = Slots()
    first, second = slots.take(10, 0, 0), slots.take(11, 0, 0)
    assert (first, second) == (0, 1)
    both = np.array([0, 1], np.int32)
    stamps = slots.stamps(both)
    slots.flags[first] |= GONE
    slots.free(first)
    assert slots.take(12, 0, 0) == first
    assert slots.same(both, stamps).tolist() == [False, True]
    assert slots.used == 2


def test_slots_grow_and_their_views_with_them() -> None:
    slots = Slots()
    taken = [slots.take(file, 0, 7) for file in range(SLOTS_MIN + 1)]
    assert taken == list(range(SLOTS_MIN + 1))
    all_of_them = np.array(taken, np.int32)
    assert slots.files_of(all_of_them) == taken
    slots.flags[SLOTS_MIN] |= SLOW
    slots.flags[0] |= PINGED
    assert np.flatnonzero(~slots.plain(all_of_them)).tolist() == [SLOTS_MIN]
    slots.mark_told(all_of_them, 9)
    assert slots.told[SLOTS_MIN] == 9
    assert slots.capacity == 2 * SLOTS_MIN


def test_frames_said_are_counted_by_the_tick() -> None:
    slots = Slots()
    slot = slots.take(3, 0, 0)
    slots.count_spoken(slot, 2, 5)
    slots.count_spoken(slot, 3, 5)
    assert slots.spoken_in(slot, 5) == 5
    assert slots.spoken_in(slot, 6) == 0
    slots.count_spoken(slot, 1_000_000, 6)
    assert slots.spoken_in(slot, 6) == 65_535


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_frames_are_those_of_the_rfc(length: int) -> None:
    payload = b"x" * length
    assert frame(BINARY, payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)
    assert text_frame(payload)[0] == 0x81


def test_a_close_frame_has_code_and_a_reason_that_fits() -> None:
    assert close_frame(1005) == b"\x88\x00"
    assert close_frame(4508) == b"\x88\x02\x11\x9c"
    long = close_frame(1000, "é" * 100)
    assert len(long) <= 2 + 125
    assert long[4:].decode() == "é" * 61


def test_the_bounds_fit_each_other() -> None:
    with pytest.raises(AssertionError):
        Limits(slow_s_max=20)
    with pytest.raises(AssertionError):
        Limits(answer_s_max=30)
    assert [sockets_max(files_max) for files_max in (FILES_MIN, 1_024, 4_096, 20_000)] == [48, 768, 3_072, 18_976]
    with pytest.raises(ValueError, match="the file limit is 63"):
        sockets_max(FILES_MIN - 1)
