"""The experience as a whole: the order of a step, time, outages, priority, snapshots."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.core.experience import Batch, Experience
from protocol import commands as c
from protocol.events import (
    Admitted,
    Configured,
    Expired,
    Joined,
    PhaseChanged,
    StockChanged,
    WindowMoved,
    WriterChanged,
)
from tests.engine.stage import ACTOR, KID, SECRET, SENDER, SHOP, START_MS, Stage, configure, only, rate
from tests.support.samples import EXPERIENCE, consumer, document, raw_path, raw_product, raw_variant


def _path(path_id: str = "general", per_minute: int = 600, **fields: Any) -> dict[str, Any]:
    terms = {"release_rate_per_minute": per_minute, "checkout_window_seconds": 10} | fields.pop("terms", {})
    return raw_path(path_id, distribution=terms, **fields)


def _joins(count: int, path: str = "general", first: int = 0) -> list[c.Command]:
    return [c.Join(consumer(number), path) for number in range(first, first + count)]


def _ends(stage: Stage) -> list[int]:
    return [window.expires_at - START_MS for window in stage.path().windows.open.values()]


# A step


def test_a_first_document_is_told_with_its_phases_and_stock() -> None:
    core = Experience(EXPERIENCE)
    told = document(paths=[_path(), _path("late", opens_at=9)], products=[raw_product(raw_variant("a", stock=3))])
    events, applied = core.step(5, [Batch(SENDER, 1, [configure(told)])])
    assert events[0] == Configured(1, told, KID, ACTOR)
    assert events[1] == PhaseChanged("general", "open", 5, None, None, "")
    assert [type(event).__name__ for event in events[2:]] == ["Answered", "StockChanged"]
    assert (events[3], applied, core.next_deadline_ms()) == (StockChanged("a", 3, 0, 0), {SENDER: 1}, 9)


def test_in_a_step_come_first_the_deadlines_then_the_commands_then_the_admissions() -> None:
    stage = Stage(document(paths=[_path(terms={"max_active": 1})]))
    stage.later(0, *_joins(2))
    events = stage.later(20_500, *_joins(1, first=5))
    assert [type(event) for event in events] == [Expired, Admitted, Expired, Joined, Admitted]
    assert [event.at - START_MS for event in only(events, Expired)] == [10_000, 20_000]
    assert [event.at - START_MS for event in only(events, Admitted)] == [10_000, 20_500]


def test_deadlines_of_one_instant_come_path_by_path() -> None:
    paths = [_path(), _path("vip", priority=10)]
    stage = Stage(document(paths=paths))
    stage.later(0, *_joins(2, "vip"), *_joins(2))
    events = stage.later(10_000)
    assert [(event.path, event.tickets) for event in only(events, Expired)] == [("general", [0, 1]), ("vip", [0, 1])]


def test_time_never_goes_back() -> None:
    core = Experience(EXPERIENCE)
    core.step(5, [])
    with pytest.raises(AssertionError, match="time never goes back"):
        core.step(4, [])


def test_only_the_next_batch_of_a_sender_is_applied() -> None:
    stage = Stage()
    one, two = b"sender-1", b"sender-2"
    events = stage.step_batches(
        START_MS,
        Batch(one, 1, _joins(1)),
        Batch(two, 2, _joins(1, first=1)),
        Batch(one, 1, _joins(1, first=2)),
        Batch(one, 2, _joins(1, first=3)),
    )
    assert only(events, Joined) == [Joined("general", 0, consumer(0) + consumer(3), b"\x01\x01")]


def test_a_sender_that_was_silent_for_too_long_begins_anew() -> None:
    stage = Stage()
    one = b"sender-1"
    assert stage.core.step(START_MS, [Batch(one, 1, [])])[1] == {one: 1}
    assert stage.core.step(START_MS + 900_000, [Batch(one, 2, [])])[1] == {one: 2}
    assert stage.core.step(START_MS + 1_800_001, [Batch(one, 3, [])])[1] == {}
    assert stage.core.step(START_MS + 1_800_001, [Batch(one, 1, [])])[1] == {one: 1}


def test_before_anything_there_is_nothing_to_wait_for() -> None:
    core = Experience(EXPERIENCE)
    assert (core.step(7, []), core.next_deadline_ms(), core.now_ms) == (([], {}), None, 7)


# Metering


def test_the_rate_is_exact_over_ten_minutes() -> None:
    stage = Stage(document(paths=[_path(per_minute=599, terms={"checkout_window_seconds": 3_600})]))
    stage.later(0, *_joins(7_000))
    for _ in range(600):
        stage.later(1_000)
    assert len(stage.admissions) == 11 + 599 * 10
    assert [one.ticket for one in stage.admissions] == list(range(11 + 599 * 10))


@pytest.mark.parametrize(("before", "after", "low", "high"), [(60, 600, 99, 102), (600, 60, 9, 12), (60, 0, 0, 0)])
def test_another_rate_holds_at_once(before: int, after: int, low: int, high: int) -> None:
    stage = Stage(document(paths=[_path(per_minute=before)]))
    stage.later(0, *_joins(500))
    stage.later(5_500)
    count = len(stage.admissions)
    stage.later(0, rate(after))
    stage.later(10_000)
    assert low <= len(stage.admissions) - count <= high


def test_a_cut_leaves_at_most_a_burst_behind() -> None:
    stage = Stage(document(paths=[_path(per_minute=6_000)]))
    stage.later(60_000)
    stage.later(0, rate(60), *_joins(50))
    assert [one.at - START_MS for one in stage.admissions] == [60_000] * 2


def test_a_burst_over_all_paths_goes_by_priority() -> None:
    paths = [_path(), _path("vip", priority=10), _path("press", priority=10)]
    stage = Stage(document(paths=paths, release_rate_per_minute=120))
    stage.later(0, *_joins(1, "press"), *_joins(2, "general"), *_joins(1, "vip"))
    stage.later(500)
    assert [(one.at - START_MS, one.path) for one in stage.admissions] == [
        (0, "vip"),
        (0, "press"),
        (0, "general"),
        (500, "general"),
    ]


def test_caps_over_all_paths_hold_together() -> None:
    stage = Stage(document(paths=[_path(), _path("vip")], max_active=3, max_admissions=4))
    stage.later(0, *_joins(3), *_joins(3, "vip"))
    assert [one.path for one in stage.admissions] == ["general", "general", "general"]
    stage.later(0, c.Complete(SHOP, "", stage.ids[0]), c.Complete(SHOP, "", stage.ids[1]))
    assert [one.path for one in stage.admissions[3:]] == ["vip"]
    stage.later(10_000)
    assert [one.path for one in stage.admissions[4:]] == ["vip", "vip"]


def test_what_a_path_gives_back_goes_to_its_own_line_first() -> None:
    paths = [_path(variants=["a"]), _path("vip", priority=20, variants=["a"]), _path("press", variants=["a"])]
    stage = Stage(document(paths=paths, products=[raw_product(raw_variant("a", stock=2))]))
    stage.later(0, *_joins(3))
    stage.later(5, *_joins(3, "vip", first=5))
    stage.later(0, c.Decline(consumer(0), "general"))
    assert [(one.path, one.ticket) for one in stage.admissions[2:]] == [("general", 2)]
    stage.later(0, c.Decline(consumer(2), "general"))  # nobody waits there any more
    assert [(one.path, one.ticket) for one in stage.admissions[3:]] == [("vip", 0)]


def test_what_is_given_back_goes_on_where_its_own_line_cannot_have_it() -> None:
    paths = [_path(variants=["a"]), _path("vip", priority=20, variants=["a"])]
    stage = Stage(document(paths=paths, products=[raw_product(raw_variant("a", stock=1))]))
    stage.later(0, *_joins(2))
    stage.later(0, *_joins(1, "vip", first=5), rate(0))
    stage.later(0, c.Decline(consumer(0), "general"))
    assert [one.path for one in stage.admissions] == ["general", "vip"]


def test_where_there_is_more_than_what_was_given_back_priority_decides() -> None:
    paths = [_path(variants=["a"]), _path("vip", priority=20, variants=["a"])]
    stock = [raw_product(raw_variant("a", stock=9))]
    stage = Stage(document(paths=paths, products=stock, max_active=1))
    stage.later(0, *_joins(2))
    stage.later(0, *_joins(1, "vip", first=5))
    stage.later(0, c.Decline(consumer(0), "general"))
    assert [one.path for one in stage.admissions] == ["general", "vip"]


def test_priority_may_change_while_people_wait() -> None:
    stage = Stage(document(paths=[_path(per_minute=60), _path("vip", per_minute=60)], max_active=0))
    stage.later(0, *_joins(1), *_joins(1, "vip"))
    told = document(paths=[_path(per_minute=60), _path("vip", per_minute=60, priority=5)], max_active=1)
    stage.later(0, configure(told))
    assert [one.path for one in stage.admissions] == ["vip"]


# Outages


def _interrupted(gap_ms: int, **terms: int) -> Stage:
    """Two windows, opened at 0 and 4 s, end after ten; then nobody writes from 6 s on for ``gap_ms``."""
    stage = Stage(document(paths=[_path(per_minute=15, terms={"burst_ms": 1} | terms)]))
    stage.later(0, *_joins(1))
    stage.later(0, c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(4_000, *_joins(1, first=1))
    stage.later(2_000)
    stage.take_over(stage.now_ms + gap_ms)
    return stage


def test_a_gap_of_a_second_is_none() -> None:
    stage = _interrupted(1_000)
    assert (stage.later(0), _ends(stage)) == ([], [10_000, 14_000])


def test_a_short_outage_moves_what_ends_in_it_or_soon_after() -> None:
    stage = _interrupted(1_001)
    events = only(stage.later(0), WindowMoved)
    assert [(event.ticket, event.expires_at - START_MS) for event in events] == [(0, 11_001)]
    stage = _interrupted(5_000)
    stage.later(0)
    assert _ends(stage) == [15_000, 19_000]


def test_five_seconds_after_a_short_outage_is_not_soon() -> None:
    stage = _interrupted(3_000)
    stage.later(0)
    assert _ends(stage) == [13_000, 14_000]


def test_only_above_five_seconds_an_outage_is_long() -> None:
    for gap_ms, ends in ((5_000, [20_000, 24_000]), (5_001, [25_001, 29_001])):
        stage = _interrupted(gap_ms, checkout_window_seconds=20)
        stage.later(0)
        assert _ends(stage) == ends


def test_a_long_outage_moves_all_windows() -> None:
    stage = _interrupted(60_000)
    assert len(only(stage.later(0), WindowMoved)) == 2
    assert _ends(stage) == [70_000, 74_000]


def test_the_outage_lasts_until_the_first_step_and_counts_once() -> None:
    stage = _interrupted(60_000)
    stage.take_over(stage.now_ms + 1_000)
    stage.later(2_000)
    assert _ends(stage) == [73_000, 77_000]
    stage.later(0)
    assert _ends(stage) == [73_000, 77_000]


def test_nothing_happens_before_the_outage_was_over() -> None:
    told = document(paths=[_path(opens_at=START_MS + 3_000, closes_at=START_MS + 4_000)])
    stage = Stage(told)
    stage.take_over(START_MS + 10_000)
    events = only(stage.later(0), PhaseChanged)
    assert [(event.phase, event.at - START_MS) for event in events] == [
        ("open", 10_000),
        ("settling", 10_000),
        ("ended", 10_000),
    ]


def test_an_outage_earns_a_burst_and_no_more() -> None:
    stage = Stage(document(paths=[_path(terms={"checkout_window_seconds": 3_600})]))
    stage.later(0, *_joins(200))
    stage.later(100)
    assert len(stage.admissions) == 12
    stage.take_over(stage.now_ms + 60_000)
    stage.later(0)
    assert [one.at - START_MS for one in stage.admissions[12:]] == [60_100] * 11
    stage.later(100)
    assert len(stage.admissions) == 24


def test_a_gap_of_a_second_or_less_is_served_at_its_instants() -> None:
    stage = Stage(document(paths=[_path()]))
    stage.later(0, *_joins(200))
    stage.take_over(stage.now_ms + 1_000)
    stage.later(0)
    assert [one.at - START_MS for one in stage.admissions[11:]] == list(range(100, 1_001, 100))


def test_an_epoch_is_a_positive_number() -> None:
    with pytest.raises(AssertionError, match="epoch"):
        Experience(EXPERIENCE).take_over(WriterChanged(0, bytes(16), "0-0", bytes(32)), 5)


# Snapshots


def test_an_empty_experience_can_be_kept_too() -> None:
    core = Experience(EXPERIENCE)
    restored = Experience.restore(EXPERIENCE, core.snapshot())
    assert (restored.digest(), restored.document) == (core.digest(), None)


def test_a_take_over_is_part_of_the_state() -> None:
    stage = _interrupted(60_000)
    restored = Experience.restore(EXPERIENCE, stage.core.snapshot())
    assert restored.digest() == stage.core.digest()
    assert restored.step(stage.now_ms, []) == (stage.later(0), {})


def test_the_digest_tells_states_apart() -> None:
    stage = Stage()
    before = stage.core.digest()
    stage.later(0, *_joins(1))
    assert len(before) == 64
    assert stage.core.digest() != before


def test_a_snapshot_of_another_version_is_not_taken() -> None:
    head, *rest = msgspec.msgpack.decode(Stage().core.snapshot())
    other = msgspec.msgpack.encode([[2, *head[1:]], *rest])
    with pytest.raises(AssertionError, match="snapshots of version 2 are not known"):
        Experience.restore(EXPERIENCE, other)


def test_limits_at_their_most_can_be_kept() -> None:
    stage = Stage(document(paths=[_path()], products=[raw_product(raw_variant("a", stock=1))]))
    most = c.Limits(release_rate_per_minute=6_000_000, max_active=1_000_000_000, max_admissions=1_000_000_000)
    for path in ("general", ""):
        stage.later(0, c.SetReleaseRate(ACTOR, "", path, most))
    stage.later(0, c.SetStock(ACTOR, "", "a", 1_000_000_000))
    stage.later(0, c.SetStock(ACTOR, "", "a", add=1))
    assert Experience.restore(EXPERIENCE, stage.core.snapshot()).digest() == stage.core.digest()


def test_what_is_asked_before_the_first_document_finds_no_path() -> None:
    core = Experience(EXPERIENCE)
    with pytest.raises(AssertionError, match="after the first Configure"):
        core.settings_of("general")
    core.step(1, [Batch(SENDER, 1, [c.Configure(ACTOR, "", document(), SECRET, KID)])])
    with pytest.raises(AssertionError, match="every path stands in the document"):
        core.settings_of("x")
