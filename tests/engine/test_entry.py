"""Who may take a ticket where: audiences, levels, access codes, choices; the first path by priority for the others."""

from __future__ import annotations

from typing import Any

from protocol import commands as c
from protocol.commands import Credentials
from protocol.events import Answered, Attached, Joined, Left
from protocol.kind_events import Chosen, HoldingDetails
from tests.engine.stage import ACTOR, Stage, only
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant

ALICE, BOB, CAROL = consumer(1), consumer(2), consumer(3)
CODE = {"code": "OPEN", "max_uses": 2, "expires_at": 1_500_000}


def _path(path_id: str = "general", **fields: Any) -> dict[str, Any]:
    terms = {"release_rate_per_minute": 0, "checkout_window_seconds": 10} | fields.pop("terms", {})
    return raw_path(path_id, distribution=terms, **fields)


def _three() -> Stage:
    """For the press with a code, for members, for everybody; in this order by priority."""
    press = _path("press", priority=30, access_code=CODE)
    members = _path("members", priority=20, audience="members")
    return Stage(document(paths=[_path(priority=10), members, press]))


def _joins(who: bytes, path: str = "", **brought: Any) -> c.Join:
    return c.Join(who, path, credentials=Credentials(**brought) if brought else None)


def test_who_names_no_path_gets_the_first_by_priority_that_they_qualify_for() -> None:
    stage = _three()
    stage.later(0, _joins(ALICE), _joins(BOB, audiences=("members",)), _joins(CAROL, code="OPEN"))
    assert [stage.path(one).tickets.consumer(0) for one in ("general", "members", "press")] == [ALICE, BOB, CAROL]


def test_a_path_for_an_audience_takes_nobody_else() -> None:
    stage = _three()
    assert stage.refusal(_joins(ALICE, "members")) == ("not_eligible", {"path": "members"})
    assert stage.refusal(_joins(ALICE, "members", audiences=("press",))) == ("not_eligible", {"path": "members"})
    stage.later(0, _joins(ALICE, "members", audiences=("press", "members")))
    assert stage.states("members") == ["waiting"]


def test_a_path_with_a_code_takes_whoever_names_it_as_often_as_it_says() -> None:
    stage = _three()
    assert stage.refusal(_joins(ALICE, "press")) == ("needs_code", {"path": "press"})
    assert stage.refusal(_joins(ALICE, "press", code="open")) == ("bad_code", {"path": "press"})
    stage.later(0, _joins(ALICE, "press", code="OPEN"), _joins(BOB, "press", code="OPEN"))
    assert stage.refusal(_joins(CAROL, "press", code="OPEN")) == ("bad_code", {"path": "press"})
    stage.later(0, c.Leave(ALICE, "press"))
    stage.later(0, _joins(CAROL, "press", code="OPEN"))
    assert stage.states("press") == ["left", "waiting", "waiting"]
    stage.step(1_500_000, c.Leave(CAROL, "press"))
    assert stage.refusal(_joins(CAROL, "press", code="OPEN")) == ("bad_code", {"path": "press"})


def test_a_completed_ticket_still_counts_as_a_use_of_the_code() -> None:
    stage = _three()
    stage.later(0, _joins(ALICE, "press", code="OPEN"), c.AdmitNow(ACTOR, "", "press", 1))
    stage.later(0, c.Complete("shop", "", stage.admission(0, "press")))
    stage.later(0, _joins(BOB, "press", code="OPEN"))
    assert stage.refusal(_joins(CAROL, "press", code="OPEN"))[0] == "bad_code"


def _enters(stage: Stage, who: bytes, code: str = "OPEN", **fields: Any) -> dict[str, Any]:
    told = only(stage.later(0, c.EnterCode(who, credentials=Credentials(code=code), **fields)), Answered)
    assert len(told) == 1
    return told[0].answer


def test_a_code_that_leads_further_gives_a_ticket_there_and_keeps_the_old_one() -> None:
    stage = _three()
    stage.later(0, _joins(ALICE, "general"))
    events = stage.later(0, c.EnterCode(ALICE, credentials=Credentials(code="OPEN")))
    assert [type(event) for event in events] == [Joined, Attached, Answered]
    assert only(events, Answered)[0].answer == {"outcome": "advanced", "path": "press"}
    assert (stage.states("general"), stage.states("press")) == (["waiting"], ["waiting"])


def test_a_code_changes_nothing_for_whoever_is_as_far_already() -> None:
    stage = _three()
    assert _enters(stage, ALICE)["outcome"] == "advanced"
    assert _enters(stage, ALICE) == {"outcome": "unchanged", "path": "press"}
    assert stage.states("press") == ["waiting"]


def test_a_code_that_is_used_up_or_over_changes_nothing_for_whoever_is_in_by_it() -> None:
    stage = _one_path(max_uses=1, expires_at=1_500_000)
    assert _enters(stage, ALICE)["outcome"] == "advanced"
    assert _enters(stage, ALICE) == {"outcome": "unchanged", "path": "press"}
    entered = c.EnterCode(BOB, credentials=Credentials(code="OPEN"))
    assert stage.refusal(entered) == ("bad_code", {})
    stage.step(1_500_000)
    assert _enters(stage, ALICE) == {"outcome": "unchanged", "path": "press"}
    assert stage.refusal(c.EnterCode(ALICE, credentials=Credentials(code="open"))) == ("bad_code", {})
    stage.later(0, c.Leave(ALICE, "press"))
    assert stage.refusal(c.EnterCode(ALICE, credentials=Credentials(code="OPEN"))) == ("bad_code", {})


def test_a_code_of_two_paths_leads_to_the_better_one_that_it_still_opens() -> None:
    used_up = _path("press", priority=30, access_code={"code": "OPEN", "max_uses": 1})
    stage = Stage(document(paths=[used_up, _path("guests", priority=20, access_code={"code": "OPEN"})]))
    stage.later(0, _joins(ALICE, "guests", code="OPEN"), _joins(BOB, "press", code="OPEN"))
    assert _enters(stage, ALICE) == {"outcome": "unchanged", "path": "guests"}
    stage.later(0, c.Leave(BOB, "press"))
    assert _enters(stage, ALICE) == {"outcome": "advanced", "path": "press"}


def test_the_right_code_does_not_help_against_what_else_is_in_the_way() -> None:
    stage = Stage(document(paths=[_path("press", access_code={"code": "OPEN"}, min_level="verified")]))
    gated = {"outcome": "gated", "path": "press", "reason": "needs_level"}
    assert _enters(stage, ALICE) == gated
    assert stage.states("press") == []
    assert _enters(stage, ALICE, level=2)["outcome"] == "advanced"


def _one_path(**fields: Any) -> Stage:
    """For the press with a code, and for everybody: one person has one of them."""
    press = _path("press", priority=30, access_code=CODE | fields)
    return Stage(document(paths=[_path(priority=10), press], one_path=True))


def test_where_one_person_has_one_path_there_is_no_other() -> None:
    stage = _one_path()
    stage.later(0, _joins(ALICE, "general"))
    elsewhere = ("one_path", {"path": "general", "state": "waiting"})
    assert stage.refusal(_joins(ALICE, "press", code="OPEN")) == elsewhere
    assert stage.refusal(_joins(ALICE, "press"))[0] == "needs_code"
    brought = Credentials(code="OPEN")
    assert only(stage.later(0, c.Join(ALICE, "press", True, credentials=brought)), Attached)
    stage.later(0, c.Leave(ALICE, "general"), _joins(ALICE, "press", code="OPEN"))
    assert (stage.states(), stage.states("press")) == (["left"], ["waiting"])


def test_where_one_person_has_one_path_a_code_moves_them() -> None:
    stage = _one_path()
    stage.later(0, _joins(ALICE, "general"), _joins(BOB, "general"), c.AdmitNow(ACTOR, "", "general", 1))
    assert _enters(stage, ALICE) == {"outcome": "gated", "path": "press", "reason": "one_path"}
    assert (stage.states(), stage.states("press")) == (["admitted", "waiting"], [])
    events = stage.later(0, c.EnterCode(BOB, credentials=Credentials(code="OPEN")))
    assert [type(event) for event in events] == [Left, Joined, Attached, Answered]
    assert (stage.states(), stage.states("press")) == (["admitted", "left"], ["waiting"])


def test_where_one_person_has_one_path_a_bid_or_a_claim_elsewhere_takes_no_ticket() -> None:
    drop = {"id": "drop", "distribution": {"kind": "timed_release"}}
    stage = Stage(document(paths=[_path(), drop], one_path=True))
    stage.later(0, _joins(ALICE, "general"))
    assert stage.refusal(c.Claim(ALICE, "drop"))[0] == "one_path"
    stage.later(0, _joins(BOB, "drop"))
    assert stage.refusal(c.Claim(ALICE, "drop"))[0] == "one_path"


def test_a_missed_turn_is_not_taken_back_beside_another_path_nor_beyond_the_uses_of_the_code() -> None:
    stage = _one_path(max_uses=1)
    stage.later(0, _joins(ALICE, "press", code="OPEN"), c.AdmitNow(ACTOR, "", "press", 1))
    stage.later(10_000, _joins(ALICE, "general"))
    assert stage.refusal(c.Rejoin(ALICE, "press"))[0] == "one_path"
    stage.later(0, c.Leave(ALICE, "general"), _joins(BOB, "press", code="OPEN"))
    assert stage.refusal(c.Rejoin(ALICE, "press")) == ("bad_code", {"path": "press"})
    stage.later(0, c.Leave(BOB, "press"), c.Rejoin(ALICE, "press"))
    assert stage.states("press") == ["waiting", "left"]


def test_a_code_that_is_nobodys_is_refused() -> None:
    stage = _three()
    assert stage.refusal(c.EnterCode(ALICE, credentials=Credentials(code="SHUT"))) == ("bad_code", {})
    assert stage.refusal(c.EnterCode(ALICE)) == ("bad_code", {})
    assert stage.refusal(c.EnterCode(b"short", credentials=Credentials(code="OPEN")))[0] == "invalid"


def test_a_new_join_after_a_missed_turn_brings_what_it_needs() -> None:
    stage = Stage(document(paths=[_path(audience="members", keep_place_once=False)]))
    brought = Credentials(("members",))
    stage.later(0, c.Join(ALICE, "general", credentials=brought), c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(10_000)
    assert stage.refusal(c.Rejoin(ALICE, "general"))[0] == "not_eligible"
    stage.later(0, c.Rejoin(ALICE, "general", credentials=brought))
    assert stage.states() == ["expired", "waiting"]


def _shoes(selection: str, **stock: int | None) -> Stage:
    products = [raw_product(*(raw_variant(one, stock=left) for one, left in stock.items()))]
    path = _path(product_selection=selection, terms={"release_rate_per_minute": 6_000})
    return Stage(document(paths=[path], products=products))


def test_whoever_wants_what_is_not_free_is_passed_over_and_may_choose_another() -> None:
    stage = _shoes("consumer", a=1, b=2)
    stage.later(0, _joins(ALICE, "general", variant="a"), _joins(BOB, "general", variant="a"), _joins(CAROL, "general"))
    assert stage.states() == ["admitted", "waiting", "admitted"]
    assert [stage.path().windows.open[ticket].variant for ticket in (0, 2)] == ["a", "b"]
    assert [one.details for one in only(stage.later(0, c.Attach(BOB)), HoldingDetails)] == [{"wanted": "a"}]
    assert only(stage.later(0, c.Choose(BOB, "general", "b")), Chosen) == [Chosen("general", 1, "b")]
    assert stage.states() == ["admitted", "admitted", "admitted"]
    assert stage.path().windows.open[1].variant == "b"


def test_whoever_was_passed_over_is_served_when_theirs_comes_back() -> None:
    stage = _shoes("consumer", a=1, b=None)
    stage.later(0, _joins(ALICE, "general", variant="a"), _joins(BOB, "general", variant="a"))
    stage.later(0, c.Decline(ALICE, "general"))
    assert stage.states() == ["left", "admitted"]


def test_a_forgiven_turn_is_for_what_was_chosen() -> None:
    stage = _shoes("consumer", a=1, b=1)
    stage.later(0, _joins(ALICE, "general", variant="b"))
    stage.later(10_000, c.Rejoin(ALICE, "general"))
    assert stage.path().windows.open[0].variant == "b"


def test_only_what_the_path_sells_can_be_chosen_and_only_where_people_choose() -> None:
    stage = _shoes("consumer", a=0)
    assert stage.refusal(_joins(ALICE, "general", variant="z"))[0] == "sold_out"
    stage = _shoes("consumer", a=5)
    assert stage.refusal(_joins(ALICE, "general", variant="z")) == ("invalid", {"path": "general"})
    assert stage.refusal(c.Choose(ALICE, "nowhere", "a"))[0] == "not_found"
    assert stage.refusal(c.Choose(ALICE, "general", "a"))[0] == "no_ticket"
    stage.later(0, c.Pause(ACTOR, "", "general"), _joins(ALICE, "general"))
    assert stage.refusal(c.Choose(ALICE, "general", "z"))[0] == "invalid"
    assert _shoes("checkout", a=5).refusal(_joins(ALICE, "general", variant="a"))[0] == "invalid"


def test_the_system_gives_the_first_that_is_there_in_document_order() -> None:
    stage = _shoes("system", a=1, b=5)
    stage.later(0, _joins(ALICE, "general"), _joins(BOB, "general"))
    assert [stage.path().windows.open[ticket].variant for ticket in (0, 1)] == ["a", "b"]


def test_by_hand_people_are_admitted_who_want_different_things() -> None:
    stage = _shoes("consumer", a=1, b=1)
    stage.later(0, c.SetReleaseRate(ACTOR, "", "general", c.Limits(release_rate_per_minute=0)))
    stage.later(0, _joins(ALICE, "general", variant="b"), _joins(BOB, "general", variant="b"), _joins(CAROL, "general"))
    assert stage.answer(c.AdmitNow(ACTOR, "", "general", 9)) == {"admitted": 2}
    assert stage.states() == ["admitted", "waiting", "admitted"]


def test_a_path_of_another_kind_is_another_path() -> None:
    stage = _three()
    assert stage.refusal(c.Claim(ALICE, "general")) == ("not_taken", {"path": "general"})
    assert stage.refusal(c.Claim(ALICE, "nowhere"))[0] == "not_found"
    assert stage.refusal(c.Offer(ACTOR, "", "general", 1)) == ("not_taken", {"path": "general"})
