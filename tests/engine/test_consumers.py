"""What consumers may ask, in every state that a ticket, a path or they themselves can be in."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.consumers import HATS_MAX
from protocol import commands as c
from protocol.events import Attached, Joined, Left, Returned
from protocol.states import TicketState
from tests.engine.stage import ACTOR, SHOP, START_MS, Stage, configure, only, rate
from tests.support.samples import consumer, document, raw_path

ALICE, BOB, CAROL = consumer(1), consumer(2), consumer(3)


def _stage(**fields: Any) -> Stage:
    """A queue that admits nobody by itself, with windows of ten seconds."""
    return Stage(document(paths=[_path(**fields)]))


def _path(path_id: str = "general", **fields: Any) -> dict[str, Any]:
    terms = {"release_rate_per_minute": 0, "checkout_window_seconds": 10} | fields.pop("terms", {})
    return raw_path(path_id, distribution=terms, **fields)


def _missed(stage: Stage) -> None:
    """Alice joins, is admitted by hand and misses her turn."""
    stage.later(0, c.Join(ALICE, "general"))
    stage.later(0, c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(10_000)
    assert stage.states()[-1] == "expired"


def test_joins_of_one_batch_are_tickets_in_their_order() -> None:
    events = _stage().later(0, c.Join(ALICE, "general", hats=3), c.Join(BOB, "general"))
    assert events == [Joined("general", 0, ALICE + BOB, b"\x03\x01")]


def test_joining_again_gives_the_live_ticket() -> None:
    stage = _stage()
    stage.later(0, c.Join(ALICE, "general", hats=2))
    (told,) = only(stage.later(5, c.Join(ALICE, "general")), Attached)
    assert told.consumer == ALICE
    (holding,) = told.holdings
    assert (holding.path, holding.ticket, holding.hats, holding.state) == ("general", 0, 2, TicketState.WAITING)
    assert stage.states() == ["waiting"]


def test_twice_in_one_batch_is_one_ticket() -> None:
    events = _stage().later(0, c.Join(ALICE, "general"), c.Join(ALICE, "general"))
    assert [type(event) for event in events] == [Joined, Attached]


def test_who_is_admitted_is_told_all_about_the_window() -> None:
    stage = _stage()
    stage.later(0, c.Join(ALICE, "general"))
    stage.later(0, c.AdmitNow(ACTOR, "", "general", 1))
    ((holding,),) = [told.holdings for told in only(stage.later(5, c.Attach(ALICE)), Attached)]
    assert holding.admission == stage.admission(0)
    assert (holding.kid, holding.admitted_at, holding.expires_at) == ("k1", START_MS, START_MS + 10_000)
    assert (holding.state, holding.may_rejoin) == (TicketState.ADMITTED, False)


def test_who_holds_nothing_is_told_so() -> None:
    assert _stage().later(0, c.Attach(ALICE)) == [Attached(ALICE, [])]


def test_a_new_ticket_is_told_with_what_is_held_elsewhere() -> None:
    stage = Stage(document(paths=[_path(), _path("vip")]))
    assert [type(event) for event in stage.later(0, c.Join(ALICE, "general"))] == [Joined]
    events = stage.later(0, c.Join(ALICE, "vip"))
    assert [type(event) for event in events] == [Joined, Attached]
    assert [holding.path for holding in only(events, Attached)[0].holdings] == ["general", "vip"]


def test_a_path_that_is_not_there_is_not_found() -> None:
    stage = _stage()
    for command in (c.Join(ALICE, "x"), c.Leave(ALICE, "x"), c.Decline(ALICE, "x"), c.Rejoin(ALICE, "x")):
        assert stage.refusal(command) == ("not_found", {"path": "x"})


def test_before_the_opening_and_after_the_close_nobody_joins() -> None:
    stage = _stage(opens_at=START_MS + 5, closes_at=START_MS + 9)
    assert stage.refusal(c.Join(ALICE, "general")) == ("not_open", {"path": "general", "opens_at": START_MS + 5})
    assert only(stage.later(5, c.Join(ALICE, "general")), Joined)
    stage.later(4)
    assert stage.refusal(c.Join(BOB, "general")) == ("closed", {"path": "general"})
    assert stage.refusal(c.Join(BOB)) == ("closed", {"path": "general"})


def test_a_level_that_is_too_low_is_refused() -> None:
    stage = _stage(min_level="registered")
    assert stage.refusal(c.Join(ALICE, "general")) == ("needs_level", {"path": "general", "level": "registered"})
    stage.later(0, c.Join(ALICE, "general", level=1), c.Join(BOB, "general", level=2))
    assert stage.states() == ["waiting", "waiting"]


@pytest.mark.parametrize(
    "join",
    [
        c.Join(b"short", "general"),
        c.Join(ALICE, "general", hats=0),
        c.Join(ALICE, "general", hats=HATS_MAX + 1),
        c.Join(ALICE, "general", level=3),
    ],
)
def test_a_join_that_makes_no_sense_is_refused(join: c.Join) -> None:
    assert _stage().refusal(join) == ("invalid", {"path": "general"})


def test_a_full_line_takes_nobody() -> None:
    stage = _stage(terms={"capacity": 1})
    stage.later(0, c.Join(ALICE, "general"))
    assert stage.refusal(c.Join(BOB, "general")) == ("full", {"capacity": 1})
    stage.later(0, c.Leave(ALICE, "general"))
    assert only(stage.later(0, c.Join(BOB, "general")), Joined)


def test_who_names_no_path_gets_the_first_by_priority_that_takes_them() -> None:
    paths = [
        _path(),
        _path("vip", priority=20, min_level="verified"),
        _path("late", priority=30, opens_at=START_MS * 2),
    ]
    stage = Stage(document(paths=paths))
    stage.later(0, c.Join(ALICE), c.Join(BOB, level=2))
    assert (stage.states("general"), stage.states("vip"), stage.states("late")) == (["waiting"], ["waiting"], [])
    (told,) = only(stage.later(0, c.Join(BOB, level=2)), Attached)
    assert [holding.path for holding in told.holdings] == ["vip"]


def test_who_names_no_path_and_gets_none_is_told_why_by_the_first() -> None:
    paths = [_path(opens_at=START_MS + 50), _path("vip", priority=20, min_level="verified")]
    stage = Stage(document(paths=paths))
    assert stage.refusal(c.Join(ALICE))[0] == "needs_level"


def test_leaving_gives_up_the_place() -> None:
    stage = _stage()
    stage.later(0, c.Join(ALICE, "general"), c.Join(BOB, "general"))
    assert stage.later(5, c.Leave(ALICE, "general")) == [Left("general", START_MS + 5, 0, "left")]
    assert stage.states() == ["left", "waiting"]
    assert stage.refusal(c.Leave(ALICE, "general")) == ("no_ticket", {"path": "general"})
    assert stage.refusal(c.Leave(CAROL, "general")) == ("no_ticket", {"path": "general"})


def test_whoever_left_joins_at_the_back() -> None:
    stage = _stage()
    stage.later(0, c.Join(ALICE, "general"), c.Join(BOB, "general"), c.Leave(ALICE, "general"))
    events = stage.later(0, c.Join(ALICE, "general"))
    assert only(events, Joined) == [Joined("general", 2, ALICE, b"\x01")]
    assert [holding.ticket for holding in only(events, Attached)[0].holdings] == [2]


def test_declining_gives_up_an_admission_that_was_not_redeemed() -> None:
    stage = _stage()
    stage.later(0, c.Join(ALICE, "general"), c.Join(BOB, "general"))
    assert stage.refusal(c.Decline(ALICE, "general")) == ("no_ticket", {"path": "general"})
    stage.later(0, c.AdmitNow(ACTOR, "", "general", 2))
    stage.later(0, c.Redeem(SHOP, "", stage.admission(1)))
    assert stage.refusal(c.Decline(BOB, "general")) == ("no_ticket", {"path": "general"})
    assert stage.refusal(c.Leave(ALICE, "general")) == ("no_ticket", {"path": "general"})
    assert stage.later(0, c.Decline(ALICE, "general")) == [Left("general", START_MS, 0, "declined")]
    assert (stage.states(), stage.path().meter.active) == (["left", "redeemed"], 1)


def test_after_an_order_there_is_no_other_join_unless_the_path_has_more() -> None:
    stage = _stage()
    stage.later(0, c.Join(ALICE, "general"))
    stage.later(0, c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(0, c.Complete(SHOP, "", stage.admission(0)))
    assert stage.refusal(c.Join(ALICE, "general")) == ("already_done", {"path": "general"})
    assert stage.refusal(c.Join(ALICE)) == ("already_done", {"path": "general"})
    stage.later(0, configure(document(paths=[_path(joins_per_consumer=2)])))
    assert only(stage.later(0, c.Join(ALICE, "general")), Joined)


def test_a_refused_consumer_hears_the_merchants_words_again() -> None:
    stage = _stage()
    stage.later(0, c.Join(ALICE, "general"), c.RefuseTicket(ACTOR, "", "general", 0, "a bot"))
    assert stage.refusal(c.Join(ALICE, "general")) == ("refused", {"path": "general", "text": "a bot"})


def test_a_missed_turn_comes_back_once_and_is_the_next() -> None:
    stage = _stage()
    stage.later(0, c.Join(CAROL, "general"), c.Leave(CAROL, "general"))
    _missed(stage)
    stage.later(0, c.Join(BOB, "general"))
    assert stage.later(0, c.Rejoin(ALICE, "general")) == [Returned("general", 1)]
    stage.later(0, c.AdmitNow(ACTOR, "", "general", 1))
    assert stage.states() == ["left", "admitted", "waiting"]
    first, second = stage.ids[0], stage.admission(1)
    assert first != second
    stage.later(10_000)
    events = stage.later(0, c.Rejoin(ALICE, "general"))
    assert only(events, Joined) == [Joined("general", 3, ALICE, b"\x01")]


def test_a_rejoin_with_a_live_ticket_or_none_to_bring_back() -> None:
    stage = _stage()
    assert stage.refusal(c.Rejoin(ALICE, "general")) == ("no_ticket", {"path": "general"})
    stage.later(0, c.Join(ALICE, "general"))
    assert [type(event) for event in stage.later(0, c.Rejoin(ALICE, "general"))] == [Attached]
    stage.later(0, c.Leave(ALICE, "general"))
    assert [type(event) for event in stage.later(0, c.Rejoin(ALICE, "general"))] == [Attached]
    assert stage.states() == ["left"]


def test_where_nothing_is_forgiven_a_rejoin_is_a_join_with_its_hats_and_level() -> None:
    stage = _stage(keep_place_once=False, min_level="registered")
    stage.later(0, c.Join(ALICE, "general", level=1))
    stage.later(0, c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(10_000)
    assert stage.refusal(c.Rejoin(ALICE, "general"))[0] == "needs_level"
    events = stage.later(0, c.Rejoin(ALICE, "general", hats=4, level=1))
    assert only(events, Joined) == [Joined("general", 1, ALICE, b"\x04")]


def test_a_missed_turn_comes_back_after_the_close_but_not_after_the_end() -> None:
    stage = _stage()
    _missed(stage)
    stage.later(0, c.Join(BOB, "general"))
    stage.later(0, c.Close(ACTOR, "", "general"))
    kept = stage.core.snapshot()
    assert stage.later(0, c.Rejoin(ALICE, "general")) == [Returned("general", 0)]
    stage.core = stage.core.restore(stage.core.id, kept)
    events, _ = stage.core.step(stage.now_ms, [])
    assert events == []
    stage = _stage()
    _missed(stage)
    stage.later(0, c.Join(BOB, "general"), c.AdmitNow(ACTOR, "", "general", 1), c.End(ACTOR, "", "general"))
    assert stage.path().phase == "settling"
    assert stage.refusal(c.Rejoin(ALICE, "general")) == ("closed", {"path": "general"})


def test_connecting_keeps_a_turn_that_can_be_forgiven_and_joining_gives_it_up() -> None:
    stage = _stage()
    _missed(stage)
    for join in (c.Join(ALICE, "general", implicit=True), c.Join(ALICE, implicit=True)):
        (told,) = only(stage.later(0, join), Attached)
        assert [(holding.ticket, holding.may_rejoin) for holding in told.holdings] == [(0, True)]
    assert only(stage.later(0, c.Join(ALICE, "general")), Joined) == [Joined("general", 1, ALICE, b"\x01")]
    assert only(stage.later(0, c.Join(ALICE, "general", implicit=True)), Joined) == []


def test_connecting_without_a_turn_to_forgive_joins() -> None:
    stage = _stage(keep_place_once=False)
    assert only(stage.later(0, c.Join(ALICE, implicit=True)), Joined)
    _missed(stage)
    assert only(stage.later(0, c.Join(ALICE, "general", implicit=True)), Joined)


def test_connecting_where_no_ticket_can_be_had_tells_what_was_held() -> None:
    stage = Stage(document(paths=[_path(keep_place_once=False), _path("vip", priority=5, min_level="verified")]))
    _missed(stage)
    stage.later(0, c.Close(ACTOR, "", "general"))
    for join in (c.Join(ALICE, "general", implicit=True), c.Join(ALICE, implicit=True)):
        (told,) = only(stage.later(0, join), Attached)
        assert [(holding.path, holding.state) for holding in told.holdings] == [("general", TicketState.EXPIRED)]
    assert stage.refusal(c.Join(BOB, "general", implicit=True))[0] == "closed"
    assert stage.refusal(c.Join(BOB, implicit=True))[0] == "needs_level"
    assert stage.refusal(c.Join(ALICE, "general"))[0] == "closed"


def test_who_is_done_in_the_first_path_joins_the_next_only_if_they_ask() -> None:
    stage = Stage(document(paths=[_path(), _path("vip", priority=5)]))
    stage.later(0, c.Join(ALICE))
    stage.later(0, c.AdmitNow(ACTOR, "", "vip", 1))
    stage.later(0, c.Complete(SHOP, "", stage.ids[0]))
    events = stage.later(0, c.Join(ALICE))
    assert [event.path for event in only(events, Joined)] == ["general"]


def test_places_are_kept_while_the_rate_is_nothing() -> None:
    stage = _stage()
    stage.later(0, *(c.Join(consumer(number), "general") for number in range(50)))
    stage.later(600_000)
    stage.later(0, rate(6_000))
    stage.later(490)
    assert [one.ticket for one in stage.admissions] == list(range(50))
