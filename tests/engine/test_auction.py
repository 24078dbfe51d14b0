"""The auctions: what is refused, what can be changed, how a bid is known again; see also the table."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from engine.core.limits import ANSWER_AGE_MS_MAX, ANSWERS_MAX
from engine.distributions.auction import Auction
from engine.distributions.bidding import BidIds, Bids, Rules
from engine.distributions.dutch_auction import DutchAuction
from protocol import commands as c
from protocol.events import Admitted, PhaseChanged, Refused
from protocol.kind_events import AuctionEnded, BidPlaced, EndMoved, PriceChanged, PriceDropped, UnitTaken
from tests.engine.auctions import Play
from tests.engine.stage import ACTOR, START_MS, Stage, assert_agree, configure, only
from tests.support.samples import consumer, document, raw_auction, raw_product, raw_variant

ENDS = START_MS + 60_000
DUTCH: dict[str, Any] = {
    "style": "dutch",
    "start_price": "3.00",
    "floor_price": "1.00",
    "drop_amount": "1.00",
    "drop_interval_seconds": 10,
}


def _stage(path: dict[str, Any] | None = None, **terms: Any) -> Stage:
    raw = raw_auction(**{"ends_at": ENDS} | terms) | (path or {})
    return Stage(document(paths=[raw]))


def _bid(who: int, maximum: int, bid: str = "") -> c.PlaceBid:
    return c.PlaceBid(consumer(who), "auction", maximum=maximum, id=bid)


def _claim(who: int, price: int | None = None) -> c.Claim:
    return c.Claim(consumer(who), "auction", price=price)


def _reconfigured(stage: Stage, **terms: Any) -> list[str]:
    """The fields that these settings may not change now; none where they hold from now on."""
    told = raw_auction(**{"ends_at": ENDS} | terms)
    refused = only(stage.later(0, configure(document(paths=[told]))), Refused)
    return [field.removeprefix("paths.auction.") for one in refused for field in one.detail["fields"]]


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_random_auctions_are_what_the_naive_model_says(first: int) -> None:
    for seed in range(first, first + 100):
        Play(seed).run()


# What is refused


def test_nobody_bids_before_the_opening() -> None:
    times = {"opens_at": START_MS + 2_000, "lobby_opens_at": START_MS + 1_000}
    stage = _stage(times)
    assert stage.refusal(_bid(1, 500)) == ("not_open", {"path": "auction", "opens_at": START_MS + 2_000})
    stage.later(1_000, c.Join(consumer(1), "auction"))
    assert stage.refusal(_bid(1, 500)) == ("not_open", {"path": "auction", "opens_at": START_MS + 2_000})
    stage.later(1_000, _bid(1, 500))
    assert stage.states("auction") == ["waiting"]


@pytest.mark.parametrize("bid", [_bid(1, -1), _bid(1, 10**15 + 1), _bid(1, 500, "x" * 65)])
def test_a_bid_without_the_form_of_one_is_refused(bid: c.PlaceBid) -> None:
    stage = _stage()
    assert stage.refusal(bid) == ("invalid", {"path": "auction"})
    assert stage.states("auction") == []


def test_an_auction_is_no_place_for_other_commands() -> None:
    stage = _stage()
    assert stage.refusal(c.Hold(consumer(1), "auction", slot="s"))[0] == "not_taken"
    assert stage.refusal(_claim(1))[0] == "no_ticket"
    stage = _stage(**DUTCH)
    assert stage.refusal(_bid(1, 500))[0] == "not_taken"


def test_nobody_comes_in_after_the_hammer_and_it_is_not_opened_again() -> None:
    stage = _stage(second_chance=True)
    stage.later(0, _bid(1, 500), _bid(2, 600))
    stage.step(ENDS)
    again = stage.later(0, c.Open(ACTOR, "", "auction"), c.Join(consumer(3), "auction"), _bid(2, 900))
    assert [one.reason for one in only(again, Refused)] == ["closed"] * 3
    assert only(again, PhaseChanged) == []
    assert only(again, AuctionEnded) == []
    assert stage.states("auction") == ["waiting", "admitted"]


def test_a_consumer_who_hopes_for_a_second_chance_may_leave_and_be_turned_away() -> None:
    stage = _stage(second_chance=True)
    stage.later(0, _bid(1, 500), _bid(2, 600), _bid(3, 700))
    stage.step(ENDS)
    assert stage.path("auction").distribution.hoping() == 2
    stage.later(0, c.Leave(consumer(2), "auction"), c.RefuseTicket(ACTOR, "", "auction", 0, ""))
    stage.later(0, c.Decline(consumer(3), "auction"))
    assert stage.states("auction") == ["refused", "left", "left"]
    assert stage.path("auction").phase == "ended"


def test_ending_by_hand_has_no_hammer() -> None:
    stage = _stage()
    stage.later(0, _bid(1, 500), _bid(2, 600))
    assert only(stage.later(0, c.End(ACTOR, "", "auction")), AuctionEnded) == []
    assert stage.states("auction") == ["lost", "lost"]
    assert stage.replica.paths["auction"].phase == "ended"
    assert_agree(stage.core, stage.replica)


def test_ending_by_hand_after_the_hammer_takes_back_what_is_offered() -> None:
    stage = _stage(second_chance=True, quantity=2, max_active=1)
    stage.later(0, _bid(1, 900), _bid(2, 800), _bid(3, 700))
    stage.step(ENDS)
    assert stage.states("auction") == ["admitted", "waiting", "waiting"]
    stage.later(0, c.RefuseTicket(ACTOR, "", "auction", 1, ""), c.Decline(consumer(1), "auction"))
    assert stage.states("auction") == ["left", "refused", "offered"]
    stage.later(0, c.End(ACTOR, "", "auction"))
    assert stage.states("auction") == ["left", "refused", "lost"]
    assert stage.path("auction").phase == "ended"


# A bid that comes again


def test_a_bid_that_comes_again_is_the_same_bid() -> None:
    stage = _stage()
    assert len(only(stage.later(0, _bid(1, 500, "a")), BidPlaced)) == 1
    answer = {"path": "auction", "status": "leading", "max": "5.00"}
    assert stage.answer(_bid(1, 500, "a")) == answer
    stage.later(0, _bid(2, 600, "a"))
    assert stage.answer(_bid(1, 500, "a")) == answer | {"status": "outbid"}
    assert stage.refusal(_bid(1, 700, "a")) == ("key_reused", {"path": "auction"})


def test_ids_are_forgotten_when_they_are_old_or_many() -> None:
    ids = BidIds()
    ids.keep(1, "", 500, 0)
    assert ids.snapshot() == []
    ids.keep(1, "a", 500, 0)
    ids.keep(1, "b", 600, ANSWER_AGE_MS_MAX)
    assert (ids.find(1, "a"), ids.find(2, "a")) == (500, None)
    ids.keep(1, "c", 700, ANSWER_AGE_MS_MAX + 1)
    assert (ids.find(1, "a"), ids.find(1, "b")) == (None, 600)
    for number in range(ANSWERS_MAX):
        ids.keep(2, str(number), 500, ANSWER_AGE_MS_MAX + 1)
    assert len(ids.snapshot()) == ANSWERS_MAX
    assert ids.find(1, "c") is None


def test_what_was_never_bid_can_be_taken_out() -> None:
    bids = Bids(Rules(1, 100, None, ((0, 5),)))
    bids.place(3, 200)
    bids.remove(4)
    assert (bids.leaders(), bids.maximum(4)) == ([3], None)


# What can be changed


def test_prices_are_fixed_by_the_first_bid_and_the_quantity_by_the_hammer() -> None:
    stage = _stage(second_chance=True)
    stage.later(0, c.Join(consumer(1), "auction"))
    assert _reconfigured(stage, currency="USD", **DUTCH) == [
        "distribution.style",
        "distribution.currency",
    ]
    assert _reconfigured(stage, second_chance=True, start_price="2.00") == []
    stage.later(0, _bid(1, 500), _bid(2, 400))
    assert _reconfigured(stage, second_chance=True, start_price="3.00", reserve_price="9.00") == [
        "distribution.start_price",
        "distribution.reserve_price",
    ]
    assert _reconfigured(stage, second_chance=True, start_price="2.00", quantity=2) == []
    stage.step(ENDS)
    assert _reconfigured(stage, second_chance=True, start_price="2.00", quantity=1) == ["distribution.quantity"]


def test_more_units_give_more_leaders_and_fewer_take_them_back() -> None:
    stage = _stage()
    stage.later(0, _bid(1, 500), _bid(2, 500))
    events = stage.later(0, configure(document(paths=[raw_auction(ends_at=ENDS, quantity=3)])))
    (changed,) = only(events, PriceChanged)
    assert (changed.leading, changed.outbid, changed.price) == ([1], [], 500)
    (changed,) = only(stage.later(0, configure(document(paths=[raw_auction(ends_at=ENDS)]))), PriceChanged)
    assert (changed.leading, changed.outbid, changed.price) == ([], [1], 500)


def test_other_prices_after_everybody_was_turned_away_are_told() -> None:
    stage = _stage()
    stage.later(0, _bid(1, 500), c.RefuseTicket(ACTOR, "", "auction", 0, ""))
    dearer = raw_auction(ends_at=ENDS, reserve_price="9.00", increments=[{"from": "0", "step": "2.00"}])
    (changed,) = only(stage.later(0, configure(document(paths=[dearer]))), PriceChanged)
    assert (changed.min_next, changed.reserve_met, changed.bids) == (200, False, 1)
    assert_agree(stage.core, stage.replica)


def test_another_style_without_live_tickets_is_another_path() -> None:
    stage = _stage()
    stage.later(0, c.Join(consumer(1), "auction"))
    stage.later(0, c.Leave(consumer(1), "auction"))
    assert _reconfigured(stage, **DUTCH) == []
    assert isinstance(stage.path("auction").distribution, DutchAuction)
    assert stage.states("auction") == []
    assert_agree(stage.core, stage.replica)
    assert _reconfigured(stage) == []
    assert isinstance(stage.path("auction").distribution, Auction)


def test_dutch_prices_are_fixed_by_the_first_claim() -> None:
    stage = _stage(**DUTCH | {"quantity": 2})
    stage.later(0, c.Join(consumer(1), "auction"))
    assert _reconfigured(stage, **DUTCH | {"quantity": 2, "drop_amount": "0.50"}) == []
    stage.later(0, _claim(1, 300))
    changed = DUTCH | {"quantity": 2, "drop_amount": "1.00", "floor_price": "0.50"}
    assert _reconfigured(stage, **changed) == ["distribution.floor_price", "distribution.drop_amount"]


def test_units_that_are_claimed_stay() -> None:
    stage = _stage(**DUTCH | {"quantity": 3, "max_active": 1})
    stage.later(0, _claim(1, 300), _claim(2, 300))
    assert _reconfigured(stage, **DUTCH | {"quantity": 1, "max_active": 1}) == ["distribution.quantity"]
    assert _reconfigured(stage, **DUTCH | {"quantity": 4, "max_active": 1}) == []
    assert stage.path("auction").phase == "open"
    assert _reconfigured(stage, **DUTCH | {"quantity": 2, "max_active": 1}) == []
    assert stage.path("auction").phase == "settling"
    stage.later(0, c.Complete("shop", "", stage.admission(0, "auction")))
    assert stage.states("auction") == ["completed", "admitted"]


@pytest.mark.parametrize("terms", [{"quantity": 3}, DUTCH | {"quantity": 3}])
def test_the_cap_is_not_set_below_what_is_promised(terms: dict[str, Any]) -> None:
    stage = _stage(**terms)

    def capped(most: int | None, **limits: int) -> c.SetReleaseRate:
        return c.SetReleaseRate(ACTOR, "", "auction", c.Limits(max_admissions=most, **limits))

    why = {"field": "max_admissions", "allowed": "at least quantity, 3, or null: so many are promised a turn"}
    assert stage.refusal(capped(2)) == ("invalid", why)
    assert stage.refusal(capped(0, max_active=7)) == ("invalid", why)
    for most in (3, 4, None):
        assert stage.answer(capped(most))["changed"] is True
    assert stage.path("auction").settings.distribution.max_active is None
    assert stage.answer(c.SetReleaseRate(ACTOR, "", "", c.Limits(max_admissions=1)))["changed"] is True


def test_a_cap_below_the_quantity_from_a_document_of_before_ends_a_dutch_auction_when_it_is_reached() -> None:
    told = document(paths=[raw_auction(ends_at=ENDS, **DUTCH | {"quantity": 2})])
    (path,) = told.paths
    capped = structs.replace(path, distribution=structs.replace(path.distribution, max_admissions=1))
    stage = Stage(structs.replace(told, paths=[capped]))
    stage.later(0, c.Join(consumer(2), "auction"), _claim(1, 300))
    assert (stage.path("auction").phase, stage.states("auction")) == ("settling", ["lost", "admitted"])


# Time that is given back


def test_an_end_that_was_set_during_a_pause_moves_by_the_pause() -> None:
    stage = _stage()
    stage.later(0, c.Pause(ACTOR, "", "auction"))
    told = document(paths=[raw_auction(ends_at=START_MS + 5_000)])
    stage.later(1_000, configure(told))
    stage.later(9_000)
    assert stage.path("auction").phase == "open"
    (moved,) = only(stage.later(0, c.Resume(ACTOR, "", "auction")), EndMoved)
    assert moved.ends_at == START_MS + 15_000


def test_an_end_that_was_over_before_the_pause_comes_with_its_end() -> None:
    stage = _stage()
    stage.later(1_000, c.Pause(ACTOR, "", "auction"))
    stage.later(0, configure(document(paths=[raw_auction(ends_at=START_MS + 500)])))
    events = stage.later(100, c.Resume(ACTOR, "", "auction"))
    assert [one.phase for one in only(events, PhaseChanged)] == ["settling", "ended"]


def test_a_pause_from_before_the_opening_counts_from_the_opening() -> None:
    stage = _stage({"opens_at": START_MS + 2_000})
    stage.later(0, c.Pause(ACTOR, "", "auction"))
    stage.later(5_000)
    assert only(stage.later(0, c.Resume(ACTOR, "", "auction")), EndMoved)[0].ends_at == ENDS + 3_000
    stage.step(stage.path("auction").closes_at or 0, c.Pause(ACTOR, "", "auction"))
    assert only(stage.later(1_000, c.Resume(ACTOR, "", "auction")), EndMoved) == []


def test_an_outage_moves_what_fell_into_it_and_nothing_twice() -> None:
    stage = _stage(**DUTCH)
    stage.step(START_MS + 9_000)
    stage.take_over(START_MS + 12_000)
    events = stage.step(START_MS + 12_000)
    assert only(events, EndMoved) == [EndMoved("auction", ENDS, START_MS + 13_000)]
    stage.later(0, c.Pause(ACTOR, "", "auction"))
    stage.take_over(START_MS + 19_000)
    assert only(stage.step(START_MS + 19_000), EndMoved) == []
    events = stage.step(START_MS + 22_000, c.Resume(ACTOR, "", "auction"))
    assert only(events, EndMoved) == [EndMoved("auction", ENDS + 10_000, START_MS + 23_000)]
    (dropped,) = only(stage.step(START_MS + 23_000), PriceDropped)
    assert (dropped.at, dropped.price, dropped.next_drop_at) == (START_MS + 23_000, 200, START_MS + 33_000)
    stage.step(stage.path("auction").closes_at or 0)
    stage.take_over(stage.now_ms + 6_000)
    assert only(stage.step(stage.now_ms), EndMoved) == []


def test_an_auction_without_an_end_is_not_extended() -> None:
    stage = _stage()
    stage.path("auction").closes_at = stage.audit.paths["auction"].closes_at = None
    (placed,) = only(stage.later(0, _bid(1, 500)), BidPlaced)
    assert (placed.ends_at, placed.extensions) == (None, 0)


# Dutch


def test_who_waits_for_a_turn_pays_what_was_claimed_and_is_lost_at_the_end_by_hand() -> None:
    stage = _stage(**DUTCH | {"quantity": 3, "max_active": 1})
    stage.later(0, _claim(1, 300), _claim(2, 400))
    assert stage.refusal(_claim(2, 400)) == ("already_done", {"path": "auction", "state": "waiting"})
    assert stage.path("auction").distribution.hoping() == 1
    stage.step(START_MS + 10_000, c.Decline(consumer(1), "auction"))
    assert stage.replica.paths["auction"].windows[1].price == 300
    stage.later(0, _claim(3, 300))
    stage.later(0, c.End(ACTOR, "", "auction"))
    assert stage.states("auction") == ["left", "admitted", "lost"]
    assert_agree(stage.core, stage.replica)


def test_a_dutch_auction_that_is_opened_again_goes_on_at_its_price() -> None:
    stage = _stage(**DUTCH | {"quantity": 2})
    stage.step(START_MS + 10_000, _claim(1, 200))
    stage.later(0, c.Close(ACTOR, "", "auction"))
    events = stage.step(START_MS + 15_000, c.Open(ACTOR, "", "auction"), _claim(2, 200))
    assert only(events, PriceDropped)[0].next_drop_at == START_MS + 25_000
    assert [one.tickets for one in only(events, Admitted)] == [[1]]


def _drops(stage: Stage, ms: int, *commands: c.Command) -> list[tuple[int, int, int | None]]:
    """What is told of the price ``ms`` later: (when, after the start; what it is; until when, None: it stays)."""
    told = only(stage.later(ms, *commands), PriceDropped)
    assert_agree(stage.core, stage.replica)
    return [(one.at - START_MS, one.price, one.next_drop_at and one.next_drop_at - START_MS) for one in told]


def _floor(floor: str, **fields: Any) -> c.Configure:
    terms = DUTCH | {"ends_at": ENDS, "floor_price": floor, "quantity": 2}
    return configure(document(paths=[raw_auction(**terms)], **fields))


def test_a_price_that_stands_on_the_floor_drops_again_when_that_is_lowered() -> None:
    stage = _stage(**DUTCH | {"floor_price": "2.00", "quantity": 2})
    assert _drops(stage, 15_000) == [(10_000, 200, None)]
    assert _drops(stage, 0, _floor("0.50")) == [(15_000, 200, 25_000)]
    assert _drops(stage, 0, _floor("0.50", name="Again")) == []
    assert _drops(stage, 1_000, _floor("0.00")) == []
    assert _drops(stage, 9_000) == [(25_000, 100, 35_000)]


def test_a_price_is_never_below_a_floor_that_is_raised() -> None:
    stage = _stage(**DUTCH | {"quantity": 2})
    assert _drops(stage, 10_000) == [(10_000, 200, 20_000)]
    assert _drops(stage, 0, _floor("2.00")) == [(10_000, 200, None)]
    assert _drops(stage, 0, _floor("2.50")) == [(10_000, 250, None)]
    assert stage.refusal(_claim(1, 200)) == ("too_low", {"path": "auction", "price": "2.50"})
    assert only(stage.later(0, _claim(1, 250)), UnitTaken)[0].price == 250


def test_a_price_that_is_let_go_in_a_pause_drops_an_interval_behind_it() -> None:
    stage = _stage(**DUTCH | {"floor_price": "2.00", "quantity": 2})
    stage.later(12_000, c.Pause(ACTOR, "", "auction"))
    assert _drops(stage, 1_000, _floor("2.50")) == [(13_000, 250, None)]
    assert _drops(stage, 1_000, _floor("1.00")) == []
    assert _drops(stage, 4_000, c.Resume(ACTOR, "", "auction")) == [(18_000, 250, 28_000)]
    assert _drops(stage, 10_000) == [(28_000, 150, 38_000)]


def test_the_floor_of_an_auction_that_is_over_moves_nothing() -> None:
    stage = _stage(**DUTCH | {"quantity": 2})
    stage.later(10_000, _claim(1, 200))
    assert _drops(stage, 0, c.Close(ACTOR, "", "auction"), c.Decline(consumer(1), "auction")) == [(10_000, 200, None)]
    assert _drops(stage, 0, _floor("3.00")) == _drops(stage, 0, _floor("0.00")) == []


def test_stock_that_is_gone_ends_a_dutch_auction() -> None:
    raw = raw_auction(ends_at=ENDS, **DUTCH) | {"variants": ["42"]}
    stage = Stage(document(paths=[raw], products=[raw_product(raw_variant(stock=0))]))
    assert stage.path("auction").phase == "ended"


def test_winners_whom_the_stock_does_not_reach_are_lost_when_nothing_comes_back() -> None:
    raw = raw_auction(ends_at=ENDS, quantity=2) | {"variants": ["42"]}
    stage = Stage(document(paths=[raw], products=[raw_product(raw_variant(stock=1))]))
    stage.later(0, _bid(1, 500), _bid(2, 600))
    stage.step(ENDS)
    assert stage.states("auction") == ["waiting", "admitted"]
    stage.later(0, c.Complete("shop", "", stage.admission(1, "auction")))
    assert stage.states("auction") == ["lost", "completed"]
    assert stage.path("auction").tickets.reason(0) == "sold_out"


def test_nobody_claims_in_the_lobby() -> None:
    times = {"opens_at": START_MS + 2_000, "lobby_opens_at": START_MS + 1_000}
    stage = _stage(times, **DUTCH)
    stage.later(1_000, c.Join(consumer(1), "auction"))
    assert stage.refusal(_claim(1, 300)) == ("not_open", {"path": "auction", "opens_at": START_MS + 2_000})


def test_who_is_in_line_for_what_was_sold_elsewhere_meanwhile_is_lost() -> None:
    raw = raw_auction(ends_at=ENDS, **DUTCH | {"quantity": 2, "max_active": 0}) | {"variants": ["42"]}
    stage = Stage(document(paths=[raw], products=[raw_product(raw_variant(stock=1))]))
    stage.later(0, _claim(1, 300))
    assert stage.states("auction") == ["waiting"]
    stage.later(0, c.SetStock(ACTOR, "", "42", stock=0))
    assert stage.states("auction") == ["lost"]
    assert stage.path("auction").phase == "ended"


def test_a_second_outage_right_after_the_first_moves_nothing_that_is_far() -> None:
    stage = _stage()
    stage.take_over(START_MS + 2_000)
    assert only(stage.step(START_MS + 2_000), EndMoved) == []


def test_a_dutch_claim_for_what_is_not_there_takes_nothing_from_the_others() -> None:
    raw = raw_auction(**DUTCH, ends_at=ENDS, quantity=2) | {"product_selection": "consumer"}
    products = [raw_product(raw_variant("a", stock=1), raw_variant("b", stock=5))]
    stage = Stage(document(paths=[raw], products=products))
    wanted = [c.Claim(consumer(who), "auction", 1, 0, c.Credentials(variant="a"), b"", 300) for who in (1, 2)]
    events = stage.later(0, c.Pause(ACTOR, "", "auction"), c.Resume(ACTOR, "", "auction"), *wanted)
    assert [one.ticket for one in only(events, UnitTaken)] == [0]
    assert stage.states("auction") == ["admitted"]
    stage.later(0, c.Join(consumer(3), "auction", credentials=c.Credentials(variant="a")))
    assert stage.refusal(_claim(3, 300)) == ("gone", {"path": "auction", "variant": "a"})
    stage.later(0, c.Choose(consumer(3), "auction", "b"), _claim(3, 300))
    assert stage.states("auction") == ["admitted", "admitted"]


def test_what_is_under_the_hammer_is_offered_to_nobody_else() -> None:
    waitlist = {"id": "list", "attached_to": "auction", "distribution": {"kind": "waitlist"}}
    stage = Stage(document(paths=[raw_auction(ends_at=ENDS, quantity=2), waitlist]))
    stage.later(0, *(c.Join(consumer(who), "list") for who in (8, 9)), c.Offer(ACTOR, "", "list", 2))
    assert stage.states("list") == ["waiting", "waiting"]
    stage.later(0, _bid(1, 2_000))
    stage.step(ENDS)
    assert stage.states("auction") == ["admitted"]
    assert stage.refusal(c.Open(ACTOR, "", "auction")) == ("closed", {"path": "auction"})
    stage.later(0, c.Offer(ACTOR, "", "list", 2))
    assert stage.states("list") == ["offered", "waiting"]
