"""The auditor: a sound log passes, and each promise, broken on purpose, is found and named."""

from __future__ import annotations

from typing import Any

import pytest

from engine.audit import Audit
from engine.audits.promises import Broken, SpanMeter
from protocol import codec
from protocol import events as e
from protocol.documents import Experience
from protocol.events import AnyEvent, Entry
from tests.support.samples import consumer, document, raw_path

WRITER = bytes(16)
T = 1_000


class Log:
    """A log written by hand: a queue of 60 a minute, configured at ``T``, with four people waiting."""

    def __init__(self, told: Experience | None = None) -> None:
        self.audit = Audit()
        self.write(e.WriterChanged(1, WRITER, "0-0", bytes(32)), now_ms=0)
        self.write(e.Configured(1, told or document(paths=[raw_path(distribution=RATE_60)]), "k1", "control"))
        self.write(_joined(0, 4))

    def write(self, *events: AnyEvent, now_ms: int = T) -> None:
        payload = codec.encode_entry(Entry(1, now_ms, "0-0", {}, "", list(events)))
        chain = codec.next_chain(self.audit.chain, payload)
        self.audit.entry(f"1-{self.audit.entries}", payload, chain)


RATE_60 = {"release_rate_per_minute": 60}


def _joined(first: int, count: int, path: str = "general", *, who: int | None = None) -> e.Joined:
    start = first if who is None else who
    ids = b"".join(consumer(start + index) for index in range(count))
    return e.Joined(path, first, ids, bytes([1] * count))


def _admitted(
    *tickets: int, at: int = T, path: str = "general", by_hand: bool = False, turn: int = 0, ends: int = 600_000
) -> e.Admitted:
    salt = 1_000 * (path == "vip") + 100 * turn + 1
    ids = b"".join(consumer(ticket + salt) for ticket in tickets)
    return e.Admitted(path, at, at + ends, "k1", list(tickets), ids, by_hand)


def _two_paths(**fields: Any) -> Experience:
    fast = {"release_rate_per_minute": 60_000}
    return document(paths=[raw_path(distribution=fast), raw_path("vip", distribution=fast)], **fields)


def _limited(**terms: int) -> Experience:
    return document(paths=[raw_path(distribution={"release_rate_per_minute": 60_000} | terms)])


# A sound log


def test_a_sound_log_passes_and_is_summed_up() -> None:
    log = Log()
    log.write(_admitted(0, 1))
    log.write(e.Redeemed("general", T, 0, "shop"), e.Completed("general", T, 0, "order", "shop"))
    log.write(e.Left("general", T, 1, "declined"), e.TicketRefused("general", T, 2, "a bot", "ops"))
    log.write(_admitted(3, at=T + 1_000, ends=5_000), now_ms=T + 1_000)
    log.write(e.WindowMoved("general", 3, T + 7_000), now_ms=T + 2_000)
    log.write(e.Expired("general", T + 7_000, [3]), now_ms=T + 7_000)
    log.write(e.Returned("general", 3), e.Attached(consumer(3), []), now_ms=T + 7_000)
    log.write(_admitted(3, at=T + 7_000, by_hand=True, turn=1), now_ms=T + 7_000)
    log.write(e.StockChanged("42", 5, 2, 3), e.StockChanged("43", None, 9, 9), _joined(4, 1), now_ms=T + 7_000)
    log.write(e.WaitingLost("general", T + 7_000, "ended"), now_ms=T + 7_000)
    log.write(_joined(5, 1, who=4), now_ms=T + 7_000)
    assert log.audit.summary() == {
        "entries": 14,
        "writers": 1,
        "last": "1-13",
        "paths": {
            "general": {
                "tickets": 6,
                "admitted": 4,
                "by_hand": 1,
                "completed": 1,
                "metering_worst": 2.0,
                "burst": 2,
            }
        },
    }
    assert log.audit.paths["general"].times == [T, T, T + 1_000, T + 7_000]


def test_a_document_that_comes_again_keeps_what_was_metered() -> None:
    log = Log()
    log.write(_admitted(0, 1))
    assert log.audit.document is not None
    log.write(e.Configured(2, log.audit.document, "k1", "control"))
    with pytest.raises(Broken, match="more than 60 a minute"):
        log.write(_admitted(2))


def test_another_rate_begins_another_part_of_the_metering() -> None:
    log = Log()
    log.write(_admitted(0, 1))
    log.write(e.ReleaseRateChanged("general", 600, None, None, 2, "control"))
    log.write(_admitted(2, 3))
    log = Log(_two_paths(release_rate_per_minute=60))
    log.write(_admitted(0, 1))
    log.write(e.ReleaseRateChanged("", None, None, None, 2, "control"))
    log.write(_admitted(2, 3))


def test_the_next_document_may_drop_a_path_and_bring_it_back() -> None:
    log = Log(_two_paths())
    log.write(e.Configured(2, document(paths=[raw_path("vip")]), "k1", "control"))
    log.write(e.Configured(3, _two_paths(), "k1", "control"))
    log.write(_joined(0, 1))
    assert len(log.audit.paths["general"].states) == 1


# Every promise, broken


def _breaks(log: Log, message: str, *events: AnyEvent, now_ms: int = T) -> None:
    entry_id = f"1-{log.audit.entries}"
    with pytest.raises(Broken, match=rf"entry {entry_id}: .*{message}"):
        log.write(*events, now_ms=now_ms)


def test_a_missing_entry() -> None:
    log = Log()
    payload = codec.encode_entry(Entry(1, T, "0-0", {}, "", []))
    with pytest.raises(Broken, match="entry 1-4: expected sequence number 3 behind 1-2"):
        log.audit.entry("1-4", payload, codec.next_chain(log.audit.chain, payload))


def test_a_changed_entry() -> None:
    log = Log()
    payload = codec.encode_entry(Entry(1, T, "0-0", {}, "", []))
    with pytest.raises(Broken, match="entry 1-3: the chain is broken"):
        log.audit.entry("1-3", payload, bytes(32))


def test_time_that_goes_back() -> None:
    _breaks(Log(), "time went back from 1000 to 999", now_ms=T - 1)


@pytest.mark.parametrize("at", [T - 1, T + 6])
def test_what_happened_before_the_last_step_or_after_this_one(at: int) -> None:
    message = f"{at} is not between the last step, 1000, and this one, 1005"
    _breaks(Log(), message, _admitted(0, at=at), now_ms=T + 5)
    log = Log()
    log.write(_admitted(0, ends=0))
    _breaks(log, message, e.Expired("general", at, [0]), now_ms=T + 5)


def test_a_take_over_is_no_step() -> None:
    log = Log()
    log.write(e.WriterChanged(2, WRITER, log.audit.entry_id, log.audit.chain), now_ms=T + 500)
    log.write(_admitted(0, at=T + 200), now_ms=T + 600)
    assert log.audit.writers == 2


@pytest.mark.parametrize("first", [3, 5])
def test_tickets_that_are_not_dense(first: int) -> None:
    _breaks(Log(), f"ticket {first} joined behind 4 tickets", _joined(first, 1, who=77))


@pytest.mark.parametrize("redeemed", [False, True])
def test_two_live_tickets_of_one_consumer(redeemed: bool) -> None:
    log = Log()
    if redeemed:
        log.write(_admitted(0), e.Redeemed("general", T, 0, "shop"))
    _breaks(log, "tickets 0 and 4 are both live and of one consumer", _joined(4, 1, who=0))


def test_somebody_who_is_passed_over() -> None:
    _breaks(Log(), "ticket 1 was admitted, but 0 was the first that waits", _admitted(1))
    log = Log()
    log.write(e.Left("general", T, 0, "left"))
    _breaks(log, "ticket 2 was admitted, but 1 was the first that waits", _admitted(2))


def test_a_forgiven_turn_that_is_passed_over() -> None:
    log = Log()
    log.write(_admitted(0, ends=0), e.Expired("general", T, [0]), e.Returned("general", 0))
    _breaks(log, "ticket 1 was admitted, but 0 was the first that waits", _admitted(1))


def test_somebody_who_is_admitted_twice() -> None:
    log = Log()
    log.write(_admitted(0))
    _breaks(log, "ticket 0 was admitted, but 1 was the first that waits", _admitted(0))


def test_an_admission_id_that_comes_again() -> None:
    log = Log()
    log.write(_admitted(0))
    again = e.Admitted("general", T, T + 5, "k1", [1], consumer(1), False)
    _breaks(log, r"ticket 1 got an admission id that \('general', 0\) has had", again)


def test_more_than_the_rate_and_a_burst() -> None:
    _breaks(Log(), "more than 60 a minute and a burst of 2 admitted at 1000", _admitted(0, 1, 2))
    log = Log()
    log.write(_admitted(0, 1))
    log.write(_admitted(2, at=T + 1_000), now_ms=T + 1_000)
    _breaks(log, "admitted at 2999", _admitted(3, at=T + 1_999), now_ms=T + 1_999)


def test_anything_at_a_rate_of_zero() -> None:
    log = Log()
    log.write(e.ReleaseRateChanged("general", 0, None, None, 2, "control"))
    _breaks(log, "more than 0 a minute", _admitted(0))


def test_more_than_the_rate_over_all_paths() -> None:
    log = Log(_two_paths(release_rate_per_minute=60))
    log.write(_joined(0, 2, "vip"))
    log.write(_admitted(0, 1, path="vip"))
    _breaks(log, "more than 60 a minute and a burst of 2", _admitted(0))


def test_what_is_admitted_by_hand_stands_outside_the_rate() -> None:
    log = Log()
    log.write(_admitted(0, 1, 2, by_hand=True))
    log.write(_admitted(3))


def test_more_windows_than_the_cap() -> None:
    _breaks(Log(_limited(max_active=1)), "2 windows are open, max_active is 1", _admitted(0, 1, by_hand=True))


def test_more_admissions_than_the_cap() -> None:
    log = Log(_limited(max_admissions=2))
    log.write(_admitted(0), e.Left("general", T, 0, "declined"))  # a lapse gives its place back
    log.write(_admitted(1), e.Completed("general", T, 1, "", "shop"))
    _breaks(log, "3 are open or completed, max_admissions is 2", _admitted(2, 3))


def test_more_windows_than_the_cap_over_all_paths() -> None:
    log = Log(_two_paths(max_active=1))
    log.write(_joined(0, 1, "vip"), _admitted(0))
    _breaks(log, "2 windows are open over all paths, max_active is 1", _admitted(0, path="vip"))


def test_more_admissions_than_the_cap_over_all_paths() -> None:
    log = Log(_two_paths(max_admissions=1))
    log.write(_joined(0, 1, "vip"), _admitted(0), e.Completed("general", T, 0, "", "shop"))
    _breaks(log, "2 are open or completed over all paths, the most is 1", _admitted(0, path="vip"))


def test_more_given_than_there_is() -> None:
    _breaks(Log(), "6 of 42 are given, there are 5", e.StockChanged("42", 5, 2, 4))


def test_a_window_that_ends_too_early() -> None:
    log = Log()
    log.write(_admitted(0, ends=500))
    _breaks(log, "ticket 0 expired 1 ms before its window's end", e.Expired("general", T + 499, [0]), now_ms=T + 499)


def test_a_window_that_is_cut_short() -> None:
    log = Log()
    log.write(_admitted(0, ends=500))
    _breaks(log, "the window of ticket 0 was cut short", e.WindowMoved("general", 0, T + 499))


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (e.Expired("general", T, [0]), "waiting"),
        (e.Redeemed("general", T, 0, "shop"), "waiting"),
        (e.Completed("general", T, 0, "", "shop"), "waiting"),
        (e.Returned("general", 0), "waiting"),
        (e.TicketRefused("general", T, 1, "", "ops"), "left"),
        (e.Left("general", T, 1, "left"), "left"),
    ],
)
def test_a_move_that_no_ticket_can_make(event: AnyEvent, state: str) -> None:
    log = Log()
    log.write(e.Left("general", T, 1, "left"))
    _breaks(log, f"ticket . was {state}", event)


def test_a_span_between_two_others_is_found_too() -> None:
    meter = SpanMeter(600, 1_000)
    for at in (0, 5_000, *[10_000] * 11):
        meter.admit(at)
    with pytest.raises(Broken, match="admitted at 10099"):
        meter.admit(10_099)


def test_how_close_a_log_came_is_told() -> None:
    meter = SpanMeter(600, 1_000)
    for at in [0] * 11:
        meter.admit(at)
    assert (meter.worst, meter.burst) == (11 * 60_000, 11)
    unlimited = SpanMeter(None, 1_000)
    unlimited.admit(0)
    assert (unlimited.worst, unlimited.burst, unlimited.admitted) == (0, None, 1)
