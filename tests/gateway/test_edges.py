"""Lines, clocks and doors: the small parts at the edge."""

from __future__ import annotations

import asyncio
from collections.abc import Set

import pytest

from gateway.edge import sse
from gateway.edge.bouncer import Door
from gateway.edge.outbox import FACTS_MAX, Outbox
from gateway.edge.parked.lot import Lot
from gateway.log_clock import SPAN_MS, LogClock


class Deaf:
    """The handler of a lot in which nobody says anything."""

    def received(self, slot: int, message: str | bytes) -> None:
        raise AssertionError

    def closed(self, slot: int, code: int) -> None:
        assert slot >= 0

    def missed(self, slot: int, states: Set[str]) -> None:
        raise AssertionError


def test_facts_are_kept_and_states_replaced() -> None:
    box = Outbox()
    box.tell(b"1", "position")
    box.tell(b"joined")
    box.tell(b"2", "position")
    box.tell(b"admitted")
    assert [box.take() for _ in range(4)] == [b"joined", b"2", b"admitted", None]


def test_what_was_told_before_the_end_is_handed_out() -> None:
    box = Outbox()
    box.tell(b"last")
    box.close(1012)
    box.close(1000)
    box.tell(b"late")
    assert (box.take_all(), box.closing) == ([b"last"], 1012)


def test_a_client_that_takes_nothing_is_too_slow() -> None:
    box = Outbox()
    for _ in range(FACTS_MAX + 1):
        box.tell(b"fact")
    assert (box.closing, box.take()) == (4508, None)


def test_states_alone_never_pile_up() -> None:
    box = Outbox()
    for number in range(10 * FACTS_MAX):
        box.tell(b"%d" % number, "position")
    assert (box.closing, box.take_all()) == (None, [b"%d" % (10 * FACTS_MAX - 1)])


async def test_waiting_ends_with_the_first_frame_or_the_end() -> None:
    told, ended = Outbox(), Outbox()
    waiting = [asyncio.create_task(box.wait()) for box in (told, ended)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    told.tell(b"x")
    ended.close(1000)
    await asyncio.gather(*waiting)


async def test_an_event_stream_says_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "COMMENT_MS", 1)
    box = Outbox()
    pieces = sse.stream(box, lambda: "1-2")
    assert await anext(pieces) == b": here\n\n"
    box.tell(b"{}")
    box.tell(b"[]")
    assert await anext(pieces) == b"id: 1-2\ndata: {}\n\nid: 1-2\ndata: []\n\n"
    box.close(1012)
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)


async def test_the_door_counts_who_is_at_it() -> None:
    door, lot = Door(1, 2), Lot(Deaf(), 10)
    lot.open()
    with door.handshake():
        assert door.refusal(lot) is None
        with door.handshake():
            refusal = door.refusal(lot)
    assert refusal is not None
    assert (refusal.reason, refusal.status) == ("busy", 503)
    assert 1_000 <= refusal.detail["retry_after_ms"] <= 5_000
    assert door.refusal(lot) is None
    slots = [lot.add_line(Outbox()) for _ in range(2)]
    assert door.refusal(lot) is not None
    lot.lost(slots[0])
    lot.shut()
    assert door.refusal(lot) is not None


def test_the_log_says_what_time_it_is() -> None:
    clock = LogClock(wall_ms=1_000_000, monotonic_ms=0)
    assert clock.now_ms(5) == 1_000_005
    clock.seen(500_000, 10)
    assert clock.now_ms(20) == 500_010
    clock.seen(500_100, 150)
    assert clock.now_ms(150) == 500_140
    clock.seen(500_200, 200)
    assert clock.now_ms(200) == 500_200
    clock.seen(600_000, 200 + SPAN_MS)
    assert clock.now_ms(200 + SPAN_MS) == 600_000
