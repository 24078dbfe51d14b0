"""The waitlist: fed by whatever becomes free, in order, one offer a ticket, and every skip with its reason."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.audits.promises import Broken
from engine.core.experience import Experience
from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.commands import Credentials
from protocol.events import AnyEvent
from tests.engine.stage import ACTOR, SHOP, START_MS, Stage, configure, only
from tests.support.samples import EXPERIENCE, consumer, document, raw_path, raw_product, raw_variant

ALICE, BOB, CAROL, DAVE, ERIN, FRANK = (consumer(number) for number in range(1, 7))


def _list(**settings: Any) -> dict[str, Any]:
    """A waitlist as decoded JSON: offers of twenty seconds, windows of ten; ``terms`` are those of its distribution."""
    terms = {"kind": "waitlist", "claim_window_seconds": 20, "checkout_window_seconds": 10, "payment_grace_seconds": 0}
    return {"id": "waitlist", "distribution": terms | settings.pop("terms", {})} | settings


def _queue(path_id: str = "general", **settings: Any) -> dict[str, Any]:
    terms = {"release_rate_per_minute": 6_000, "checkout_window_seconds": 10, "payment_grace_seconds": 0}
    return raw_path(path_id, distribution=terms | settings.pop("terms", {}), **settings)


def _stage(*paths: dict[str, Any], stock: int | None = 1, **fields: Any) -> Stage:
    return Stage(document(paths=list(paths), products=[raw_product(raw_variant("a", stock=stock))], **fields))


def attached(*waiting: bytes, stock: int | None = 1, terms: dict[str, Any] | None = None, **queue: Any) -> Stage:
    """A queue of which Alice holds the one admission, and its waitlist with ``waiting``."""
    stage = _stage(_queue(**queue), _list(attached_to="general", terms=terms or {}), stock=stock)
    stage.later(0, c.Join(ALICE, "general"), *(c.Join(one, "waitlist") for one in waiting))
    return stage


def alone(*waiting: bytes, stock: int | None = 0, terms: dict[str, Any] | None = None, **fields: Any) -> Stage:
    """A waitlist that stands alone, with ``waiting``."""
    stage = _stage(_list(terms=terms or {}, **fields), stock=stock)
    stage.later(0, *(c.Join(one, "waitlist") for one in waiting))
    return stage


def claim(who: bytes, **fields: Any) -> c.Claim:
    return c.Claim(who, "waitlist", **fields)


def offers(events: list[AnyEvent]) -> list[tuple[list[int], str]]:
    """Who was offered something, and because of what."""
    return [(event.tickets, event.cause) for event in only(events, k.Offered)]


def add(count: int) -> c.SetStock:
    return c.SetStock(ACTOR, "", "a", add=count)


# What feeds it


def test_an_expired_admission_feeds_it() -> None:
    stage = attached(BOB, CAROL)
    events = stage.later(10_000)
    assert only(events, k.UnitsFreed) == [k.UnitsFreed("waitlist", START_MS + 10_000, "general", "expired", 1)]
    assert offers(events) == [([0], "expired")]
    assert stage.states("waitlist") == ["offered", "waiting"]


@pytest.mark.parametrize("cause", ["declined", "released"])
def test_an_admission_that_is_given_up_feeds_it(cause: str) -> None:
    stage = attached(BOB)
    given_up = c.Decline(ALICE, "general") if cause == "declined" else c.Release(SHOP, "", stage.admission(0))
    assert offers(stage.later(0, given_up)) == [([0], cause)]


def test_its_paths_own_line_comes_first() -> None:
    stage = attached(BOB)
    stage.later(0, c.Join(CAROL, "general"))
    assert offers(stage.later(0, c.Decline(ALICE, "general"))) == []
    assert (stage.states("general"), stage.states("waitlist")) == (["left", "admitted"], ["waiting"])


def test_it_comes_before_other_paths_that_sell_the_same() -> None:
    stage = _stage(_queue("vip", priority=50), _queue(), _list(attached_to="general"))
    stage.later(0, c.Join(ALICE, "general"), c.Join(BOB, "waitlist"), c.Join(CAROL, "vip"))
    stage.later(0, c.SetReleaseRate(ACTOR, "", "vip", c.Limits(release_rate_per_minute=0)))
    assert stage.states() == ["admitted"] or stage.states("vip") == ["admitted"]
    stage = _stage(_queue("vip", priority=-5), _queue(), _list(attached_to="general"))
    stage.later(0, c.Join(ALICE, "general"), c.Join(BOB, "waitlist"), c.Join(CAROL, "vip"))
    assert offers(stage.later(0, c.Decline(ALICE, "general"))) == [([0], "declined")]
    assert stage.states("vip") == ["waiting"]


def test_added_stock_feeds_it_but_not_more_than_its_path_leaves() -> None:
    stage = attached(BOB, CAROL, terms={"strategy": "batch", "batch": 5})
    stage.later(0, c.Join(DAVE, "general"), c.SetReleaseRate(ACTOR, "", "general", c.Limits(release_rate_per_minute=0)))
    assert offers(stage.later(0, add(2))) == [([0], "stock_added")]
    assert stage.states("general") == ["admitted", "waiting"]


def test_alone_it_is_fed_by_added_stock_and_by_its_own_lapses() -> None:
    stage = alone(ALICE, BOB, CAROL)
    assert offers(stage.later(0, add(1))) == [([0], "stock_added")]
    assert offers(stage.later(0, c.Decline(ALICE, "waitlist"))) == [([1], "declined")]
    assert offers(stage.later(20_000)) == [([2], "expired")]
    stage.later(0, claim(CAROL))
    stage.later(0, c.Join(DAVE, "waitlist"))
    assert offers(stage.later(10_000)) == [([3], "expired")]
    assert stage.states("waitlist") == ["left", "expired", "expired", "offered"]


def test_stock_that_another_document_adds_feeds_it_as_well() -> None:
    stage = alone(ALICE)
    more = document(paths=[_list()], products=[raw_product(raw_variant("a", stock=1))])
    assert offers(stage.later(0, configure(more))) == [([0], "stock_added")]


def test_a_timed_release_that_is_sold_out_hands_on_what_comes_back() -> None:
    drop = {"id": "general", "distribution": {"kind": "timed_release", "limit": 1, "checkout_window_seconds": 10}}
    stage = _stage(drop, _list(attached_to="general"), stock=None)
    stage.later(0, c.Claim(ALICE, "general"), c.Claim(BOB, "general"), c.Join(BOB, "waitlist"))
    assert stage.states("general") == ["admitted", "lost"]
    assert offers(stage.later(10_000)) == [([0], "expired")]
    stage.later(0, claim(BOB))
    assert stage.states("waitlist") == ["admitted"]
    assert stage.path("general").given_out()


def test_at_the_opening_all_are_told_and_nothing_is_kept() -> None:
    stage = _stage(_queue(opens_at=START_MS + 500), _list(attached_to="general"))
    stage.later(0, c.Join(ALICE, "waitlist"))
    events = stage.later(500)
    assert only(events, k.Announced) == [k.Announced("waitlist", START_MS + 500, "general")]
    assert offers(events) == []
    assert only(stage.later(1, c.Join(BOB, "waitlist")), k.Announced) == []
    stage.later(0, c.Close(ACTOR, "", "general"))
    assert only(stage.later(0, c.Open(ACTOR, "", "general")), k.Announced) == []


def test_by_hand_the_merchant_offers_what_there_is_whatever_the_strategy() -> None:
    stage = alone(ALICE, BOB, CAROL, stock=2)
    assert stage.answer(c.Offer(ACTOR, "", "waitlist", 9)) == {"offered": 2}
    assert stage.states("waitlist") == ["offered", "offered", "waiting"]
    assert stage.refusal(c.Offer(ACTOR, "", "waitlist", 0)) == (
        "invalid",
        {"field": "count", "allowed": "1 or more"},
    )


def test_by_hand_nothing_is_offered_before_it_opens_or_when_it_has_ended() -> None:
    stage = _stage(_list(opens_at=START_MS + 500), stock=2)
    assert stage.refusal(c.Offer(ACTOR, "", "waitlist", 1)) == ("not_open", {"path": "waitlist"})
    stage.later(500, c.End(ACTOR, "", "waitlist"))
    assert stage.refusal(c.Offer(ACTOR, "", "waitlist", 1)) == ("closed", {"path": "waitlist"})


def test_what_nobody_wants_yet_is_kept_until_somebody_takes_it() -> None:
    stage = attached(stock=2)
    stage.later(0, c.Decline(ALICE, "general"))
    assert offers(stage.later(5, c.Join(BOB, "waitlist"))) == [([0], "declined")]
    stage = attached()
    stage.later(0, c.Decline(ALICE, "general"))
    stage.later(0, c.Join(CAROL, "general"))
    assert offers(stage.later(0, c.Join(BOB, "waitlist"))) == [], "the queue has it"


# What is free, and cannot be offered yet


def kept(stage: Stage) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """What came free and cannot be offered yet, and what can, as (cause, count) each."""
    fresh, units, *_ = msgspec.to_builtins(stage.path("waitlist").distribution.snapshot())
    return [(cause, count) for _, cause, count, _ in fresh], [(cause, count) for _, cause, count, _ in units]


def test_what_the_line_of_its_path_does_not_take_after_all_is_offered() -> None:
    stage = attached(CAROL)
    stage.later(0, c.Join(BOB, "general"), c.Pause(ACTOR, "", "general"))
    assert offers(stage.later(10_000)) == [], "it is for the line"
    assert offers(stage.later(1_000, c.Leave(BOB, "general"))) == [([0], "expired")]
    stage = attached(CAROL)
    stage.later(0, c.Join(BOB, "general"), c.Pause(ACTOR, "", "general"))
    stage.later(10_000)
    stage.later(0, c.Resume(ACTOR, "", "general"))
    assert (stage.states("general"), stage.states("waitlist"), kept(stage)) == (
        ["expired", "admitted"],
        ["waiting"],
        ([], []),
    )


def test_what_nobody_here_has_taken_is_offered_when_the_line_that_came_meanwhile_is_gone() -> None:
    stage = attached()
    stage.later(0, c.Decline(ALICE, "general"), c.Pause(ACTOR, "", "general"))
    stage.later(0, c.Join(BOB, "general"))
    assert offers(stage.later(0, c.Join(CAROL, "waitlist"))) == []
    assert offers(stage.later(0, c.Leave(BOB, "general"))) == [([0], "declined")]


def test_what_nobody_in_line_chooses_is_offered_once_the_others_are_served() -> None:
    chosen = {"product_selection": "consumer"}
    products = [raw_product(raw_variant("a", stock=2), raw_variant("b", stock=0))]
    stage = Stage(document(paths=[_queue(**chosen), _list(attached_to="general")], products=products))
    wants = [(ALICE, "a"), (BOB, "a"), (CAROL, "b"), (DAVE, "b"), (ERIN, "a")]
    stage.later(0, *(c.Join(who, "general", credentials=Credentials(variant=one)) for who, one in wants))
    stage.later(0, c.Join(FRANK, "waitlist"), c.Pause(ACTOR, "", "general"))
    assert offers(stage.later(10_000)) == []
    assert offers(stage.later(0, c.Resume(ACTOR, "", "general"))) == [([0], "expired")]
    assert stage.states("general") == ["expired", "expired", "waiting", "waiting", "admitted"]


def test_what_is_beyond_the_caps_is_offered_when_they_allow_it() -> None:
    stage = alone(ALICE, BOB, CAROL, terms={"max_active": 1, "strategy": "batch", "batch": 2})
    assert offers(stage.later(0, add(3))) == [([0], "stock_added")]
    assert offers(stage.later(0, claim(ALICE))) == []
    assert offers(stage.later(0, c.Complete(SHOP, "", stage.admission(0, "waitlist")))) == [([1], "stock_added")]
    stage.later(0, c.SetReleaseRate(ACTOR, "", "waitlist", c.Limits(max_active=None)))
    assert stage.states("waitlist") == ["completed", "offered", "offered"]


def test_what_comes_for_one_reason_waits_together() -> None:
    stage = _stage(_queue(), _list(attached_to="general"), stock=4)
    stage.later(0, *(c.Join(who, "general") for who in (ALICE, BOB, CAROL, DAVE)))
    stage.later(0, c.Pause(ACTOR, "", "general"), *(c.Join(consumer(who), "general") for who in range(20, 24)))
    stage.later(0, c.Decline(ALICE, "general"))
    stage.later(10_000)
    assert kept(stage) == ([("declined", 1), ("expired", 3)], [])
    events = stage.later(0, *(c.Leave(consumer(who), "general") for who in range(20, 23)))
    assert [(one.cause, one.count) for one in only(events, k.UnitsFreed)] == [("declined", 1), ("expired", 2)]
    assert kept(stage) == ([("expired", 1)], [("declined", 1), ("expired", 2)])
    stage.later(0, c.Resume(ACTOR, "", "general"))
    assert kept(stage) == ([], [("declined", 1), ("expired", 2)]), "the line takes what was for it"


def test_what_another_path_takes_is_there_no_more() -> None:
    stage = _stage(_queue("other"), _queue(), _list(attached_to="general"))
    stage.later(0, c.Pause(ACTOR, "", "other"), c.Join(CAROL, "other"))
    stage.later(0, c.Join(ALICE, "general"), c.Join(BOB, "general"))
    stage.later(0, c.Pause(ACTOR, "", "general"), c.Decline(ALICE, "general"))
    assert kept(stage) == ([("declined", 1)], [])
    stage.later(0, c.Resume(ACTOR, "", "other"))
    assert (stage.states("other"), kept(stage)) == (["admitted"], ([], []))


@pytest.mark.parametrize("most", [None, 1])
def test_where_stock_is_not_counted_what_the_line_takes_is_there_no_more(most: int | None) -> None:
    stage = _stage(_queue(terms={"max_active": most}), _list(attached_to="general"), stock=None)
    for who in range(20, 30):
        stage.later(0, c.Join(consumer(who), "general"))
        stage.later(0, c.Join(consumer(who + 20), "general"))
        stage.later(0, c.Decline(consumer(who), "general"))
        stage.later(0, c.Decline(consumer(who + 20), "general"))
    assert kept(stage) == ([], [("declined", 1)] * (2 if most is None else 1))
    assert offers(stage.later(0, c.Join(BOB, "waitlist"))) == [([0], "declined")]


def test_a_second_chance_comes_before_the_waitlist() -> None:
    terms = {"kind": "auction", "currency": "EUR", "start_price": "10.00", "ends_at": START_MS + 99_000}
    more = {"second_chance": True, "checkout_window_seconds": 10, "payment_grace_seconds": 0}
    auction = {"id": "general", "min_level": "guest", "distribution": terms | more}
    stage = _stage(auction, _list(attached_to="general"), stock=None)
    bids = ((ALICE, 2_000), (BOB, 1_500))
    stage.later(0, *(c.PlaceBid(who, "general", maximum=most, id="bid") for who, most in bids))
    stage.later(0, c.Join(CAROL, "waitlist"))
    stage.later(99_000)
    events = stage.later(10_000)
    assert [one.path for one in only(events, k.Offered)] == ["general"] and kept(stage) == ([], [])
    assert offers(stage.later(0, c.Decline(BOB, "general"))) == [([0], "declined")]


# Strategies


def test_one_by_one_has_one_offer_open_at_a_time() -> None:
    stage = alone(ALICE, BOB, CAROL)
    assert offers(stage.later(0, add(3))) == [([0], "stock_added")]
    assert offers(stage.later(0, claim(ALICE))) == [([1], "stock_added")]


def test_a_batch_has_so_many_offers_open_at_a_time() -> None:
    stage = alone(ALICE, BOB, CAROL, DAVE, terms={"strategy": "batch", "batch": 2})
    assert offers(stage.later(0, add(4))) == [([0, 1], "stock_added")]
    assert offers(stage.later(0, claim(BOB))) == [([2], "stock_added")]
    assert offers(stage.later(0, c.Decline(ALICE, "waitlist"))) == [([3], "stock_added")]


def test_all_are_offered_it_and_the_first_to_claim_gets_it() -> None:
    stage = alone(ALICE, BOB, CAROL, terms={"strategy": "all"})
    (told,) = only(stage.later(0, add(1)), k.Offered)
    assert (told.tickets, told.reserved, stage.path("waitlist").meter.active) == ([0, 1, 2], False, 0)
    events = stage.later(0, claim(BOB), claim(CAROL))
    assert only(events, e.Refused)[0].reason == "gone"
    assert only(events, k.UnitsGone) == [k.UnitsGone("waitlist", START_MS, True)]
    assert stage.states("waitlist") == ["offered", "admitted", "offered"]
    events = stage.later(10_000)
    assert only(events, k.UnitsGone) == [k.UnitsGone("waitlist", START_MS + 10_000, False)]
    stage.later(0, claim(CAROL))
    assert stage.states("waitlist") == ["offered", "expired", "admitted"]
    stage.later(10_000)
    assert stage.states("waitlist") == ["expired", "expired", "expired"]


def test_by_hand_something_is_offered_to_all() -> None:
    stage = alone(ALICE, BOB, stock=5, terms={"strategy": "all"})
    events = stage.later(0, c.Offer(ACTOR, "", "waitlist", 1))
    assert only(events, e.Answered)[0].answer == {"offered": 1}
    stage.later(0, claim(ALICE))
    assert stage.refusal(claim(BOB)) == ("gone", {"path": "waitlist"})


# Claims


def test_a_claim_admits_and_an_offer_counts_as_a_window_until_then() -> None:
    stage = alone(ALICE, BOB, stock=2, terms={"max_active": 1, "strategy": "batch", "batch": 9})
    assert stage.answer(c.Offer(ACTOR, "", "waitlist", 2)) == {"offered": 1}
    assert stage.path("waitlist").meter.active == 1
    stage.later(0, claim(ALICE))
    assert (stage.states("waitlist"), stage.path("waitlist").meter.active) == (["admitted", "waiting"], 1)


def test_claims_are_metered_and_served_in_the_order_in_which_they_came() -> None:
    terms = {"strategy": "batch", "batch": 9, "release_rate_per_minute": 60, "burst_ms": 1}
    stage = alone(ALICE, BOB, CAROL, DAVE, terms=terms)
    stage.later(0, add(4))
    stage.later(0, claim(DAVE), claim(CAROL), claim(BOB), claim(ALICE))
    stage.later(19_000)
    assert [one.ticket for one in stage.admissions] == [3, 2, 1, 0]
    assert [one.at - START_MS for one in stage.admissions] == [0, 0, 1_000, 2_000]


def test_a_claimed_offer_has_no_end_but_can_be_declined() -> None:
    stage = alone(ALICE, BOB, terms={"release_rate_per_minute": 0})
    stage.later(0, add(1))
    stage.later(0, claim(ALICE))
    assert stage.refusal(claim(ALICE)) == ("already_done", {"path": "waitlist", "state": "offered"})
    stage.later(60_000)
    assert stage.states("waitlist") == ["offered", "waiting"]
    assert offers(stage.later(0, c.Decline(ALICE, "waitlist"))) == [([1], "declined")]


def test_only_whoever_has_this_offer_can_claim_it() -> None:
    stage = alone(ALICE, BOB)
    assert stage.refusal(claim(ALICE)) == ("no_ticket", {"path": "waitlist", "state": "waiting"})
    assert stage.refusal(claim(ERIN)) == ("no_ticket", {"path": "waitlist"})
    stage.later(0, add(1))
    assert stage.refusal(claim(ALICE, offer=bytes(16)))[0] == "no_ticket"
    stage.later(0, claim(ALICE, offer=stage.path("waitlist").offers.open[0].offer))
    assert stage.refusal(claim(ALICE)) == ("no_ticket", {"path": "waitlist", "state": "admitted"})
    assert len(stage.path("waitlist").tickets) == 2, "a refused claim takes no ticket"


def test_whoever_names_an_offer_declines_that_and_no_other() -> None:
    stage = alone(ALICE, BOB)
    waits = c.Decline(ALICE, "waitlist", bytes(16))
    assert stage.refusal(waits) == ("no_ticket", {"path": "waitlist"})
    assert stage.refusal(c.Decline(ERIN, "waitlist", bytes(16))) == ("no_ticket", {"path": "waitlist"})
    stage.later(0, add(1))
    assert stage.refusal(waits) == ("no_ticket", {"path": "waitlist"})
    offer = stage.path("waitlist").offers.open[0].offer
    assert offers(stage.later(0, c.Decline(ALICE, "waitlist", offer))) == [([1], "declined")]


def test_a_missed_offer_is_not_forgiven_a_new_join_is_at_the_back() -> None:
    stage = alone(ALICE, BOB, CAROL)
    stage.later(0, add(1))
    assert offers(stage.later(20_000, c.Rejoin(ALICE, "waitlist"))) == [([1], "expired")]
    assert stage.states("waitlist") == ["expired", "offered", "waiting", "waiting"]


def test_an_offer_is_told_to_whoever_asks_for_what_they_hold() -> None:
    stage = alone(ALICE)
    stage.later(0, add(1))
    (told,) = only(stage.later(0, c.Attach(ALICE)), k.HoldingDetails)
    offer = stage.path("waitlist").offers.open[0].offer.hex()
    assert told.details == {"offer": offer, "claim_by": START_MS + 20_000, "claimed": False}


def test_paused_nothing_is_offered_or_claimed_and_claim_windows_go_on() -> None:
    stage = alone(ALICE, BOB)
    stage.later(0, add(2), c.Pause(ACTOR, "", "waitlist"))
    assert stage.states("waitlist") == ["waiting", "waiting"]
    stage.later(0, c.Resume(ACTOR, "", "waitlist"))
    stage.later(0, c.Pause(ACTOR, "", "waitlist"))
    assert stage.refusal(claim(ALICE)) == ("paused", {"path": "waitlist"})
    assert stage.refusal(c.Offer(ACTOR, "", "waitlist", 1)) == ("paused", {"path": "waitlist"})
    stage.later(20_000)
    assert stage.states("waitlist") == ["expired", "waiting"]


def test_an_outage_gives_the_time_of_an_offer_back() -> None:
    stage = alone(ALICE, BOB, terms={"strategy": "batch", "batch": 2, "release_rate_per_minute": 0})
    stage.later(0, add(2))
    stage.later(0, claim(BOB))
    stage.take_over(stage.now_ms + 6_000)
    assert only(stage.later(0), k.OfferMoved) == [k.OfferMoved("waitlist", 0, START_MS + 26_000)]
    stage.take_over(stage.now_ms + 2_000)
    assert only(stage.later(0), k.OfferMoved) == []


# Skips


def test_whoever_is_admitted_in_its_path_is_passed_over_and_the_log_says_why() -> None:
    stage = attached(ALICE, BOB, stock=1)
    events = stage.later(0, add(1))
    assert only(events, k.OfferSkipped) == [k.OfferSkipped("waitlist", START_MS, 0, "already_admitted")]
    assert offers(events) == [([1], "stock_added")]
    assert only(stage.later(0, c.Decline(BOB, "waitlist")), k.OfferSkipped) == [], "it is said once"
    events = stage.later(10_000)
    assert offers(events) == [([0], "declined")]


def test_whoever_wants_something_else_is_passed_over_until_it_is_free() -> None:
    products = [raw_product(raw_variant("a", stock=0), raw_variant("b", stock=0))]
    stage = Stage(document(paths=[_list(product_selection="consumer")], products=products))
    wants = [(ALICE, "a"), (BOB, "b"), (CAROL, "b")]
    stage.later(0, *(c.Join(who, "waitlist", credentials=Credentials(variant=one)) for who, one in wants))
    events = stage.later(0, c.SetStock(ACTOR, "", "b", add=1))
    assert only(events, k.OfferSkipped) == [k.OfferSkipped("waitlist", START_MS, 0, "variant_not_free")]
    (told,) = only(events, k.Offered)
    assert (told.tickets, told.variants) == ([1], ["b"])
    assert stage.answer(c.Offer(ACTOR, "", "waitlist", 2)) == {"offered": 0}
    stage.later(0, c.SetStock(ACTOR, "", "a", add=1), c.SetStock(ACTOR, "", "b", add=1))
    assert stage.answer(c.Offer(ACTOR, "", "waitlist", 2)) == {"offered": 2}


def test_offered_to_all_a_claim_needs_what_the_holder_wants() -> None:
    products = [raw_product(raw_variant("a", stock=0), raw_variant("b", stock=0))]
    terms = {"strategy": "all"}
    stage = Stage(document(paths=[_list(product_selection="consumer", terms=terms)], products=products))
    stage.later(0, *(c.Join(who, "waitlist", credentials=Credentials(variant="b")) for who in (ALICE, BOB)))
    stage.later(0, c.SetStock(ACTOR, "", "b", add=1), c.SetStock(ACTOR, "", "a", add=1))
    stage.later(0, claim(ALICE))
    assert stage.refusal(claim(BOB)) == ("gone", {"path": "waitlist"})


# Its end


def test_it_takes_as_many_as_its_capacity() -> None:
    stage = alone(ALICE, terms={"capacity": 1})
    assert stage.refusal(c.Join(BOB, "waitlist")) == ("full", {"capacity": 1})


def test_it_takes_people_when_everything_is_sold() -> None:
    stage = attached(BOB)
    stage.later(0, c.Complete(SHOP, "", stage.admission(0)))
    assert stage.refusal(c.Join(CAROL, "general"))[0] == "sold_out"
    stage.later(0, c.Join(CAROL, "waitlist"))
    assert stage.states("waitlist") == ["waiting", "waiting"]


def test_it_ends_with_its_path_once_nothing_is_left_to_offer() -> None:
    stage = attached(BOB, CAROL)
    events = stage.later(0, c.Close(ACTOR, "", "general"), c.Decline(ALICE, "general"))
    assert offers(events) == [([0], "declined")]
    assert (stage.path("general").phase, stage.path("waitlist").phase) == ("ended", "open")
    stage.later(0, claim(BOB))
    events = stage.later(0, c.Complete(SHOP, "", stage.admission(0, "waitlist")))
    assert [one.phase for one in only(events, e.PhaseChanged)] == ["settling", "ended"]
    assert stage.states("waitlist") == ["completed", "lost"]


def test_closed_it_takes_nobody_and_offers_go_on() -> None:
    stage = alone(ALICE, BOB)
    stage.later(0, c.Close(ACTOR, "", "waitlist"))
    assert stage.refusal(c.Join(CAROL, "waitlist"))[0] == "closed"
    assert offers(stage.later(0, add(1))) == [([0], "stock_added")]


def test_ended_by_hand_those_who_wait_or_have_an_offer_are_lost_and_windows_stay() -> None:
    stage = alone(ALICE, BOB, CAROL, DAVE, terms={"strategy": "batch", "batch": 2})
    stage.later(0, add(3))
    stage.later(0, claim(ALICE))
    events = stage.later(0, c.End(ACTOR, "", "waitlist"))
    assert only(events, k.TicketsLost) == [k.TicketsLost("waitlist", START_MS, [1, 2], "ended")]
    assert stage.states("waitlist") == ["admitted", "lost", "lost", "lost"]
    assert stage.core.stock.free(["a"]) == 2
    stage.later(10_000)
    assert stage.path("waitlist").phase == "ended"


def test_a_snapshot_keeps_offers_claims_units_and_skips() -> None:
    stage = attached(ALICE, BOB, CAROL, DAVE, stock=9, terms={"strategy": "batch", "batch": 2, "max_active": 3})
    stage.later(0, add(5))
    stage.later(0, c.SetReleaseRate(ACTOR, "", "waitlist", c.Limits(release_rate_per_minute=0)), claim(CAROL))
    kept = stage.core.snapshot()
    restored = Experience.restore(EXPERIENCE, kept)
    assert restored.snapshot() == kept
    assert restored.next_deadline_ms() == stage.core.next_deadline_ms() == START_MS + 10_000


# The auditor finds what would be wrong


def _breaks(stage: Stage, message: str, *events: AnyEvent) -> None:
    with pytest.raises(Broken, match=message):
        stage.write(stage.now_ms, *events)


def _offer(*tickets: int, cause: str = "stock_added", reserved: bool = True) -> k.Offered:
    ids, variants, prices = bytes(16 * len(tickets)), [""] * len(tickets), [None] * len(tickets)
    return k.Offered("waitlist", START_MS, START_MS + 5, list(tickets), ids, cause, reserved, variants, list(prices))


FREED = k.UnitsFreed("waitlist", START_MS, "waitlist", "stock_added", 9)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([_offer(0)], "1 more were offered than came free"),
        ([FREED, _offer(1)], "ticket 1 got an offer, but 0 was before it and not passed over"),
        ([FREED, _offer(0, 1)], "2 offers are open together, the strategy is one_by_one"),
        ([FREED, _offer(0), _offer(0)], "ticket 0 was offered"),
        ([k.OfferSkipped("waitlist", START_MS, 0, "")], "ticket 0 was passed over without a reason"),
        ([k.OfferSkipped("waitlist", START_MS, 0, "why"), FREED, _offer(1), _offer(0)], "2 offers are open together"),
        ([k.Claimed("waitlist", START_MS, 0)], "ticket 0 was waiting"),
        ([FREED, _offer(0), *[k.Claimed("waitlist", START_MS, 0)] * 2], "claimed what was claimed or over"),
        ([FREED, _offer(0), k.Claimed("waitlist", START_MS + 6, 0)], "claimed what was claimed or over"),
        ([_offer(0, reserved=False), k.Claimed("waitlist", START_MS, 0)], "1 more were offered than came free"),
        ([FREED, _offer(0), k.OfferExpired("waitlist", START_MS, [0])], "was to last until"),
        ([FREED, _offer(0), k.OfferMoved("waitlist", 0, START_MS + 4)], "the offer of ticket 0 was cut short"),
    ],
)
def test_the_auditor_finds_what_is_wrong_with_an_offer(events: list[AnyEvent], message: str) -> None:
    _breaks(alone(ALICE, BOB), message, *events)


def test_the_auditor_finds_a_second_offer_to_one_ticket() -> None:
    stage = alone(ALICE, BOB)
    stage.audit.paths["waitlist"].offered[0] = None  # type: ignore[attr-defined]
    _breaks(stage, "ticket 0 was offered something twice", FREED, _offer(0))


def test_the_auditor_finds_claims_that_are_served_out_of_order() -> None:
    stage = alone(ALICE, BOB, terms={"strategy": "batch", "batch": 2, "release_rate_per_minute": 0})
    stage.later(0, add(2))
    stage.later(0, claim(BOB), claim(ALICE))
    admitted = e.Admitted("waitlist", START_MS, START_MS + 10_000, "k1", [0], bytes(16), True)
    _breaks(stage, "ticket 0 was admitted, but 1 was the first that waits", admitted)


def test_the_auditor_counts_what_a_waitlist_has_among_the_places_of_its_path() -> None:
    stage = attached(BOB, stock=None)
    stage.later(0, c.SetReleaseRate(ACTOR, "", "general", c.Limits(max_active=1)))
    _breaks(stage, "2 windows are open, max_active is 1", FREED, _offer(0))


def test_the_auditor_finds_an_offer_of_a_path_that_makes_none() -> None:
    offer = k.Offered("general", START_MS, START_MS + 5, [0], bytes(16), "", True, [""], [None])
    _breaks(attached(BOB), "general is of another kind than what tells Offered", offer)
