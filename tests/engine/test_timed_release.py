"""The timed release: not a claim before the opening, every claim in its turn, and an end that is one for all."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from engine.audits.promises import Broken
from engine.core.experience import Experience
from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.commands import Credentials
from protocol.distributions import TimedRelease
from tests.engine.stage import ACTOR, SHOP, START_MS, Stage, configure, only
from tests.support.samples import EXPERIENCE, consumer, document, raw_product, raw_variant

ALICE, BOB, CAROL, DAVE = (consumer(number) for number in range(1, 5))
OPENS_MS = START_MS + 1_000


def drop(*, stock: int | None = None, terms: dict[str, Any] | None = None, **fields: Any) -> Stage:
    """A timed release of whatever there is ``stock`` of, with windows of ten seconds."""
    settings = {"kind": "timed_release", "checkout_window_seconds": 10, "payment_grace_seconds": 0} | (terms or {})
    products = [raw_product(raw_variant("a", stock=stock), raw_variant("b", stock=fields.pop("stock_b", 0)))]
    path = {"id": "drop", "distribution": settings} | fields
    return Stage(document(paths=[{"variants": ["a"]} | path], products=products))


def claims(*people: bytes) -> list[c.Command]:
    return [c.Claim(one, "drop") for one in people]


def test_no_claim_before_the_opening_is_taken_and_one_at_the_instant_is() -> None:
    stage = drop(opens_at=OPENS_MS, lobby_opens_at=START_MS + 500)
    told = ("not_open", {"path": "drop", "opens_at": OPENS_MS})
    assert stage.refusal(*claims(ALICE)) == told
    stage.later(500, c.Join(ALICE, "drop"))
    assert stage.path("drop").phase == "lobby"
    stage.step(OPENS_MS - 1)
    assert (stage.refusal(*claims(ALICE)), stage.refusal(*claims(BOB))) == (told, told)
    assert stage.answerless(OPENS_MS, *claims(ALICE)) == ["admitted"]


def test_claims_are_served_in_the_order_in_which_they_came_whatever_the_tickets() -> None:
    stage = drop(terms={"release_rate_per_minute": 60, "burst_ms": 1})
    stage.later(0, *(c.Join(one, "drop") for one in (ALICE, BOB, CAROL, DAVE)))
    stage.later(0, *claims(DAVE, BOB, ALICE))
    stage.later(2_000)
    assert [one.ticket for one in stage.admissions] == [3, 1, 0]
    assert stage.states("drop") == ["admitted", "admitted", "waiting", "admitted"]


def test_whoever_leaves_the_line_or_is_turned_away_is_in_no_line() -> None:
    stage = drop(terms={"release_rate_per_minute": 0})
    stage.later(0, *claims(ALICE, BOB, CAROL))
    stage.later(0, c.Leave(ALICE, "drop"), c.RefuseTicket(ACTOR, "", "drop", 1, "a bot"))
    assert stage.path("drop").distribution.in_line() == 1
    assert stage.answer(c.AdmitNow(ACTOR, "", "drop", 9)) == {"admitted": 1}


@pytest.mark.parametrize("state", ["in line", "admitted"])
def test_a_claim_that_was_made_is_not_made_again(state: str) -> None:
    stage = drop(terms={"release_rate_per_minute": 0 if state == "in line" else 60})
    stage.later(0, *claims(ALICE))
    words = {"in line": "waiting", "admitted": "admitted"}
    assert stage.refusal(*claims(ALICE)) == ("already_done", {"path": "drop", "state": words[state]})


def test_when_the_limit_is_reached_all_others_are_lost_and_late_ones_hear_why() -> None:
    stage = drop(terms={"limit": 2})
    events = stage.later(0, c.Join(DAVE, "drop"), *claims(ALICE, BOB, CAROL))
    assert only(events, e.SoldOutChanged) == [e.SoldOutChanged("drop", True, False)]
    assert only(events, e.WaitingLost) == [e.WaitingLost("drop", START_MS, "sold_out")]
    assert stage.states("drop") == ["lost", "admitted", "admitted", "lost"]
    assert stage.refusal(*claims(consumer(9))) == ("sold_out", {"path": "drop"})
    assert stage.path("drop").phase == "settling"


def test_what_comes_back_after_that_is_for_nobody_here() -> None:
    stage = drop(stock=1)
    stage.later(0, *claims(ALICE, BOB))
    assert stage.states("drop") == ["admitted", "lost"]
    events = stage.later(0, c.Decline(ALICE, "drop"))
    assert only(events, e.SoldOutChanged) == []
    assert stage.path("drop").phase == "ended"
    assert stage.refusal(*claims(CAROL)) == ("sold_out", {"path": "drop"})


def test_opened_again_by_hand_it_gives_out_what_was_added() -> None:
    stage = drop(stock=1)
    stage.later(0, *claims(ALICE))
    stage.later(0, c.SetStock(ACTOR, "", "a", add=1), c.Open(ACTOR, "", "drop"), *claims(BOB))
    assert stage.states("drop") == ["admitted", "admitted"]


def test_a_forgiven_turn_is_the_next_and_one_that_is_too_late_is_lost() -> None:
    stage = drop(stock=5, terms={"release_rate_per_minute": 6_000})
    stage.later(0, *claims(ALICE))
    stage.later(10_000, c.Rejoin(ALICE, "drop"))
    assert stage.states("drop") == ["admitted"]
    stage = drop(stock=2)
    stage.later(0, *claims(ALICE, BOB))
    stage.later(0, c.Extend(SHOP, "", stage.admission(1, "drop")))
    stage.later(10_000, c.SetStock(ACTOR, "", "a", add=-1), c.Rejoin(ALICE, "drop"))
    assert stage.states("drop") == ["lost", "admitted"]


def test_forgiven_turns_wait_for_a_pause_and_for_the_rate() -> None:
    terms = {"release_rate_per_minute": 60, "burst_ms": 1, "limit": 4}
    stage = drop(terms=terms)
    stage.later(0, *claims(ALICE, BOB, CAROL))
    stage.later(1_000)
    stage.later(1_000, *claims(DAVE))
    stage.later(9_000, c.Redeem(SHOP, "", stage.admission(3, "drop")))
    assert (stage.states("drop"), stage.path("drop").phase) == (["expired"] * 3 + ["redeemed"], "settling")
    stage.later(0, c.Pause(ACTOR, "", "drop"))
    stage.later(0, *(c.Rejoin(one, "drop") for one in (CAROL, BOB, ALICE)))
    assert stage.states("drop") == ["waiting"] * 3 + ["redeemed"]
    admitted = only(stage.later(0, c.Resume(ACTOR, "", "drop")), e.Admitted)
    assert [one.tickets for one in admitted] == [[0, 1]]
    assert [one.tickets for one in only(stage.later(1_000), e.Admitted)] == [[2]]


def test_of_those_who_came_back_as_many_wait_as_there_is_for() -> None:
    stage = drop(stock=2, terms={"limit": 2})
    stage.later(0, *claims(ALICE, BOB))
    stage.later(9_000, c.Extend(SHOP, "", stage.admission(1, "drop")))
    stage.later(1_000, c.Pause(ACTOR, "", "drop"), c.Rejoin(ALICE, "drop"))
    assert stage.states("drop") == ["waiting", "admitted"]
    events = stage.later(0, c.SetStock(ACTOR, "", "a", add=-1))
    assert [one.reason for one in only(events, e.WaitingLost)] == ["sold_out"]
    assert stage.states("drop") == ["lost", "admitted"]


def test_when_it_closes_only_those_in_line_are_still_served() -> None:
    stage = drop(terms={"release_rate_per_minute": 60, "burst_ms": 1}, closes_at=OPENS_MS)
    stage.later(0, c.Join(ALICE, "drop"), *claims(BOB, CAROL, DAVE))
    events = stage.step(OPENS_MS)
    assert only(events, k.TicketsLost) == [k.TicketsLost("drop", OPENS_MS, [0], "ended")]
    assert stage.refusal(*claims(consumer(9))) == ("closed", {"path": "drop"})
    stage.later(1_000)
    assert stage.states("drop") == ["lost", "admitted", "admitted", "admitted"]


def test_ended_by_hand_nobody_in_line_is_served() -> None:
    stage = drop(terms={"release_rate_per_minute": 0})
    stage.later(0, c.Join(ALICE, "drop"), *claims(BOB))
    stage.later(0, c.End(ACTOR, "", "drop"))
    assert stage.states("drop") == ["lost", "lost"]
    assert stage.path("drop").phase == "ended"
    assert stage.path("drop").distribution.snapshot() == []


def test_paused_it_takes_no_claim_and_admits_nobody() -> None:
    stage = drop(terms={"release_rate_per_minute": 60, "burst_ms": 1})
    stage.later(0, *claims(ALICE, BOB, CAROL))
    stage.later(0, c.Pause(ACTOR, "", "drop"))
    assert stage.refusal(*claims(DAVE)) == ("paused", {"path": "drop"})
    assert len(stage.path("drop").tickets) == 3, "a refused claim takes no ticket"
    stage.later(5_000)
    assert stage.states("drop").count("admitted") == 2
    stage.later(0, c.Resume(ACTOR, "", "drop"))
    assert stage.states("drop").count("admitted") == 3


def test_a_claim_for_something_else_waits_for_it() -> None:
    stage = drop(stock=1, stock_b=1, product_selection="consumer", variants=["a", "b"])
    wanted = [c.Claim(one, "drop", credentials=Credentials(variant="a")) for one in (ALICE, BOB)]
    stage.later(0, *wanted)
    assert stage.states("drop") == ["admitted", "waiting"]
    assert stage.path("drop").distribution.next_ticket() is None
    stage.later(0, c.Choose(BOB, "drop", "b"))
    assert stage.states("drop") == ["admitted", "admitted"]


def test_a_claim_is_told_to_whoever_asks_for_what_they_hold() -> None:
    stage = drop(terms={"release_rate_per_minute": 0})
    stage.later(0, *claims(ALICE))
    (told,) = only(stage.later(0, c.Attach(ALICE)), k.HoldingDetails)
    assert (told.path, told.ticket, told.details) == ("drop", 0, {"claimed": True})


def test_limit_counts_open_and_completed_and_may_be_changed_while_it_runs() -> None:
    stage = drop(terms={"limit": 1})
    stage.later(0, *claims(ALICE))
    stage.later(0, c.Complete(SHOP, "", stage.admission(0, "drop")))
    assert stage.path("drop").phase == "ended"
    stage = drop(terms={"limit": 2, "max_active": 1})
    stage.later(0, *claims(ALICE, BOB))
    told = stage.core.document
    assert told is not None
    raised = document(paths=[_with_limit(3)], products=[raw_product(raw_variant("a"), raw_variant("b", stock=0))])
    stage.later(0, configure(raised))
    assert stage.path("drop").meter.max_admissions == 3
    limits = c.Limits(max_admissions=1)
    assert stage.answer(c.SetReleaseRate(ACTOR, "", "drop", limits))["changed"] is True
    assert stage.path("drop").meter.max_admissions == 1


def test_other_limits_leave_the_burst_rate_as_it_is() -> None:
    stage = drop(terms={"burst_rate_per_minute": 60})
    events = stage.later(0, c.SetReleaseRate(ACTOR, "", "drop", c.Limits(max_active=9)))
    assert only(events, e.ReleaseRateChanged) == [e.ReleaseRateChanged("drop", None, 9, None, 2, ACTOR)]
    stage.later(0, c.SetReleaseRate(ACTOR, "", "drop", c.Limits(release_rate_per_minute=600)))
    none = c.SetReleaseRate(ACTOR, "", "drop", c.Limits(release_rate_per_minute=None))
    assert (stage.answer(none)["changed"], stage.answer(none)["changed"]) == (True, False)
    stage.later(1_000, *claims(ALICE, BOB, CAROL, DAVE))
    assert [one.at - START_MS for one in stage.admissions] == [1_000, 1_000]
    told = stage.core.document
    assert told is not None
    (path,) = told.paths
    assert isinstance(path.distribution, TimedRelease)
    quicker = structs.replace(path, distribution=structs.replace(path.distribution, burst_rate_per_minute=6_000))
    stage.later(0, configure(structs.replace(told, paths=[quicker])))
    stage.later(20)
    assert [one.at - START_MS for one in stage.admissions] == [1_000, 1_000, 1_010, 1_020]


def _with_limit(limit: int) -> dict[str, Any]:
    settings = {"kind": "timed_release", "checkout_window_seconds": 10, "payment_grace_seconds": 0, "max_active": 1}
    return {"id": "drop", "variants": ["a"], "distribution": settings | {"limit": limit}}


def test_a_snapshot_keeps_the_line() -> None:
    stage = drop(terms={"release_rate_per_minute": 0})
    stage.later(0, c.Join(ALICE, "drop"), *claims(CAROL, BOB))
    kept = stage.core.snapshot()
    stage.core = Experience.restore(EXPERIENCE, kept)
    assert stage.core.snapshot() == kept
    stage.later(0, c.AdmitNow(ACTOR, "", "drop", 1))
    assert stage.states("drop") == ["waiting", "admitted", "waiting"]


# The auditor finds what would be wrong


def _breaks(stage: Stage, message: str, *events: e.AnyEvent) -> None:
    with pytest.raises(Broken, match=message):
        stage.write(stage.now_ms, *events)


def test_the_auditor_finds_a_claim_out_of_time() -> None:
    stage = drop(opens_at=OPENS_MS, lobby_opens_at=START_MS)
    stage.later(0, c.Join(ALICE, "drop"))
    _breaks(stage, "ticket 0 claimed while the path was lobby", k.Claimed("drop", START_MS, 0))


def test_the_auditor_finds_a_claim_that_is_made_twice() -> None:
    stage = drop(terms={"release_rate_per_minute": 0})
    stage.later(0, *claims(BOB, ALICE))
    _breaks(stage, "ticket 0 claimed twice", k.Claimed("drop", START_MS, 0))


def test_the_auditor_finds_a_turn_out_of_order() -> None:
    stage = drop(terms={"release_rate_per_minute": 0})
    stage.later(0, *claims(BOB, ALICE))
    admitted = e.Admitted("drop", START_MS, START_MS + 10_000, "k1", [1], bytes(16), True)
    _breaks(stage, "ticket 1 was admitted, but 0 was the first that waits", admitted)


def test_the_auditor_finds_more_than_the_limit() -> None:
    stage = drop(terms={"limit": 1, "release_rate_per_minute": 0})
    stage.later(0, *claims(BOB, ALICE))
    admitted = e.Admitted("drop", START_MS, START_MS + 10_000, "k1", [0, 1], bytes(range(32)), True)
    _breaks(stage, "2 are open or completed, max_admissions is 1", admitted)
