"""A place in a slot that is given back is kept for the waitlist: nobody snatches it while it is offered, and who claims
it has booked it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.audits.promises import Broken
from protocol import commands as c
from protocol import kind_events as k
from protocol.commands import Credentials
from protocol.events import Answered, AnyEvent, Joined, Left, Refused
from tests.engine.stage import ACTOR, START_MS, Stage, configure, only
from tests.engine.test_appointment import (
    ELEVEN,
    MINUTE_MS,
    PATH,
    TEN,
    TEN_MS,
    Calendar,
    book,
    by_code,
    cancel,
    code_of,
    fitting,
    free,
    hold,
    reschedule,
)
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant

LIST = "waitlist"


def attached(*, path: dict[str, Any] | None = None, over_all: dict[str, Any] | None = None, **terms: Any) -> Stage:
    """One chair, three slots, and a waitlist attached."""
    told = {"kind": "waitlist", "claim_window_seconds": 60} | terms
    waitlist = {"id": LIST, "attached_to": PATH, "distribution": told}
    return Calendar(document(paths=[fitting() | (path or {}), waitlist], **(over_all or {})))


def waiting(stage: Stage, *who: int) -> Stage:
    """``who`` are on the waitlist, and consumer 1 has booked ten o'clock."""
    stage.later(0, *(c.Join(consumer(one), LIST) for one in who), book(1, TEN))
    return stage


def claim(who: int, **brought: Any) -> c.Claim:
    return c.Claim(consumer(who), LIST, **brought)


def told(events: list[AnyEvent]) -> list[str]:
    """The types of what was told but for units and answers."""
    return [type(one).__name__ for one in events if not isinstance(one, k.UnitsFreed | Answered)]


def test_a_cancelled_place_is_offered_and_nobody_else_has_it() -> None:
    stage = waiting(attached(), 8, 9)
    events = stage.later(0, cancel(1), hold(2, TEN), book(3, TEN))
    (offered,) = only(events, k.Offered)
    assert (offered.tickets, offered.slot, offered.cause) == ([0], TEN, "cancelled")
    assert [type(one).__name__ for one in events if type(one).__name__ == "Refused"] == ["Refused", "Refused"]
    assert stage.states(PATH) == ["waiting"] and free(stage) == [0, 1, 1]
    assert stage.refusal(book(3, TEN)) == ("slot_full", {"path": PATH, "slot": TEN})
    (more,) = only(stage.later(0, c.Attach(consumer(8))), k.HoldingDetails)
    assert more.details["slot"] == TEN


def test_whoever_claims_it_has_booked_it() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, cancel(1))
    events = stage.later(0, claim(8))
    assert told(events) == ["Left", "SlotReleased", "Joined", "Booked"]
    assert [one.reason for one in only(events, Left)] == ["booked"]
    assert [(one.ticket, one.slot) for one in only(events, k.Booked)] == [(1, TEN)]
    assert (stage.states(LIST), stage.states(PATH), free(stage)) == (["left"], ["waiting", "booked"], [0, 1, 1])
    assert stage.path(LIST).meter.active == 0
    stage.later(0, c.Join(consumer(8), LIST), by_code(c.CheckIn, code_of(stage, 1)))
    assert stage.states(PATH) == ["waiting", "completed"]


def test_a_claim_of_who_holds_another_place_gives_that_up() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, hold(8, ELEVEN), cancel(1))
    events = stage.later(0, claim(8))
    assert not only(events, Joined)
    assert (stage.states(PATH), free(stage)) == (["waiting", "booked"], [0, 1, 1])


def test_what_is_declined_or_expires_goes_to_the_next_and_at_last_to_everybody() -> None:
    stage = waiting(attached(), 8, 9)
    stage.later(0, cancel(1))
    events = stage.later(0, c.Decline(consumer(8), LIST), book(3, TEN))
    assert [one.tickets for one in only(events, k.Offered)] == [[1]]
    assert "Refused" in told(events) and free(stage) == [0, 1, 1]
    events = stage.later(60_000)
    assert told(events) == ["OfferExpired", "SlotReleased"]
    assert (stage.states(LIST), free(stage)) == (["left", "expired"], [1, 1, 1])
    stage.later(0, book(3, TEN))
    assert stage.states(PATH)[-1] == "booked"


def test_a_place_for_which_nobody_waits_is_free_at_once() -> None:
    stage = waiting(attached())
    assert told(stage.later(0, cancel(1))) == ["BookingCancelled"]
    stage = waiting(attached(), 1)
    stage.later(0, book(2, ELEVEN))
    events = stage.later(0, cancel(2))
    assert told(events) == ["BookingCancelled", "SlotKept", "OfferSkipped", "SlotReleased"]
    assert [one.reason for one in only(events, k.OfferSkipped)] == ["already_booked"]
    assert free(stage) == [0, 1, 1]


def test_a_pause_of_the_waitlist_keeps_nothing() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, c.Pause(ACTOR, "", LIST))
    assert told(stage.later(0, cancel(1))) == ["BookingCancelled", "SlotKept", "SlotReleased"]
    stage = waiting(attached(), 8)
    stage.later(0, cancel(1))
    stage.later(0, c.End(ACTOR, "", LIST))
    assert (stage.states(LIST), free(stage)) == (["lost"], [1, 1, 1])


def test_a_second_place_is_kept_until_its_turn_comes() -> None:
    stage = waiting(attached(), 8, 9)
    stage.later(0, book(2, ELEVEN))
    stage.later(0, cancel(1), cancel(2))
    assert (stage.states(LIST), free(stage)) == (["offered", "waiting"], [0, 1, 0])
    events = stage.later(0, claim(8))
    assert [(one.tickets, one.slot) for one in only(events, k.Offered)] == [([1], ELEVEN)]
    stage.later(0, claim(9))
    assert free(stage) == [0, 1, 0] and stage.states(LIST) == ["left", "left"]


def test_two_places_of_one_slot_are_kept_one_by_one() -> None:
    told = {"kind": "waitlist", "claim_window_seconds": 60, "strategy": "batch", "batch": 2}
    waitlist = {"id": LIST, "attached_to": PATH, "distribution": told}
    stage: Stage = Calendar(document(paths=[fitting(capacity_per_slot=2), waitlist]))
    stage.later(0, *(c.Join(consumer(who), LIST) for who in (8, 9)), book(1, TEN), book(2, TEN))
    stage.later(0, cancel(1), cancel(2))
    assert (stage.states(LIST), free(stage)) == (["offered", "offered"], [0, 2, 2])
    stage.later(0, c.Decline(consumer(8), LIST))
    assert free(stage) == [1, 2, 2]
    stage.later(0, claim(9))
    assert free(stage) == [1, 2, 2]


def test_an_offer_ends_when_its_slot_begins() -> None:
    stage = waiting(attached(claim_window_seconds=1_800), 8, 9)
    stage.step(TEN_MS - MINUTE_MS)
    (offered,) = only(stage.later(0, cancel(1)), k.Offered)
    assert offered.claim_by == TEN_MS
    stage.step(TEN_MS - 1)
    stage.take_over(TEN_MS + 1)
    stage.step(TEN_MS + 1)
    stage.later(0)
    assert stage.states(LIST) == ["expired", "waiting"] and not stage.path(PATH).distribution.snapshot()[0][2]


def test_a_place_that_began_while_it_waited_for_its_turn_is_offered_to_nobody() -> None:
    stage = waiting(attached(claim_window_seconds=1_800), 8, 9)
    stage.later(0, book(2, ELEVEN))
    stage.step(TEN_MS - MINUTE_MS, cancel(2), cancel(1))
    stage.step(TEN_MS + 1)
    events = stage.later(0, claim(8))
    assert not only(events, k.Offered) and stage.states(LIST) == ["left", "waiting"]
    assert stage.path(LIST).distribution.snapshot()[1] == []


@pytest.mark.parametrize("closing", [c.Close, c.End])
def test_a_claim_is_good_while_the_path_is_not_ended(closing: Any) -> None:
    stage = waiting(attached(), 8)
    stage.later(0, book(3, ELEVEN), cancel(1))
    stage.later(0, closing(ACTOR, "", PATH))
    if closing is c.Close:
        stage.later(0, claim(8))
        assert stage.states(PATH)[-1] == "booked"
    else:
        assert stage.refusal(claim(8))[0] == "closed"


def test_a_claim_by_somebody_who_has_booked_meanwhile_or_had_all_they_can_is_refused() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, cancel(1))
    stage.later(0, book(8, ELEVEN))
    assert stage.refusal(claim(8)) == ("already_done", {"path": PATH, "state": "booked"})
    stage.later(0, by_code(c.CheckIn, code_of(stage, 1)))
    assert stage.refusal(claim(8)) == ("already_done", {"path": PATH})


def test_a_claim_beyond_the_uses_of_a_code_is_refused() -> None:
    code = {"code": "OPEN", "max_uses": 2}
    stage = attached(path={"access_code": code})
    brought = Credentials(code="OPEN")
    stage.later(0, c.Join(consumer(8), LIST), *(c.Book(consumer(who), PATH, 1, 0, brought, TEN) for who in (1,)))
    stage.later(0, c.Join(consumer(2), PATH, credentials=brought), cancel(1))
    assert stage.states(LIST) == ["waiting"], "nobody could take a ticket for it"
    stage.later(0, c.Leave(consumer(2), PATH), c.Book(consumer(1), PATH, slot=TEN))
    stage.later(0, cancel(1))
    stage.later(0, c.Join(consumer(2), PATH, credentials=brought))
    assert stage.refusal(claim(8)) == ("bad_code", {"path": PATH})


def test_offered_to_all_it_goes_to_who_claims_first() -> None:
    stage = waiting(attached(strategy="all"), 8, 9)
    (offered,) = only(stage.later(0, cancel(1)), k.Offered)
    assert (offered.tickets, offered.reserved, offered.slot, free(stage)) == ([0, 1], False, "", [0, 1, 1])
    stage.later(0, claim(9))
    assert (stage.states(LIST), stage.states(PATH)) == (["offered", "left"], ["waiting", "booked"])
    assert stage.refusal(claim(8))[0] == "gone"
    stage = waiting(attached(strategy="all"), 8)
    stage.later(0, cancel(1))
    stage.later(60_000)
    assert (stage.states(LIST), free(stage)) == (["expired"], [1, 1, 1])


def test_offered_to_all_a_place_that_has_begun_is_not_in_the_way_of_a_later_one() -> None:
    stage = waiting(attached(strategy="all", claim_window_seconds=3_600), 8, 9)
    stage.later(0, book(2, ELEVEN))
    stage.step(TEN_MS - MINUTE_MS, cancel(1), cancel(2))
    assert free(stage) == [0, 1, 0]
    events = stage.step(TEN_MS, claim(8))
    assert [(one.ticket, one.slot) for one in only(events, k.Booked)] == [(2, ELEVEN)]
    assert (stage.states(LIST), free(stage)) == (["left", "offered"], [1, 1, 0])


def test_offered_to_all_a_second_place_is_for_those_who_have_an_offer() -> None:
    stage = waiting(attached(strategy="all"), 8, 9)
    stage.later(0, book(2, ELEVEN), cancel(1))
    assert told(stage.later(0, cancel(2))) == ["BookingCancelled", "SlotKept"]
    assert (stage.states(LIST), free(stage)) == (["offered", "offered"], [0, 1, 0])
    stage.later(0, claim(8))
    events = stage.later(0, claim(9))
    assert [(one.ticket, one.slot) for one in only(events, k.Booked)] == [(3, ELEVEN)]
    assert (stage.states(LIST), free(stage)) == (["left", "left"], [0, 1, 0])
    stage = waiting(attached(strategy="all"), 8)
    stage.later(0, book(2, ELEVEN), cancel(1))
    stage.later(0, claim(8))
    assert told(stage.later(0, cancel(2))) == ["BookingCancelled"], "nobody has an offer any more"


def test_offered_to_all_a_place_that_has_begun_is_gone_and_kept_no_more() -> None:
    stage = waiting(attached(strategy="all", claim_window_seconds=3_600), 8)
    stage.step(TEN_MS - MINUTE_MS, cancel(1))
    events = stage.step(TEN_MS, claim(8))
    assert [one.reason for one in only(events, Refused)] == ["gone"]
    assert told(events) == ["Refused", "SlotReleased", "UnitsGone"]


def shop(stock: int, **settings: Any) -> Stage:
    """A queue sells ``stock`` of a thing, beside an appointment and its waitlist."""
    told = {"kind": "waitlist", "claim_window_seconds": 60} | settings.pop("terms", {})
    waitlist = {"id": LIST, "attached_to": PATH, "distribution": told} | settings
    products = [raw_product(raw_variant("a", stock=stock), raw_variant("b"))]
    queue = raw_path(distribution={"release_rate_per_minute": 600})
    return Calendar(document(paths=[queue, fitting(), waitlist], products=products))


def test_a_place_is_no_stock() -> None:
    stage = waiting(shop(0, variants=["a"]), 8)
    events = stage.later(0, cancel(1))
    assert told(events) == ["BookingCancelled", "SlotKept", "Offered"]
    assert told(stage.later(0, claim(8))) == ["Left", "SlotReleased", "Joined", "Booked"]
    stage = waiting(shop(1, variants=["a"]), 8, 9)
    stage.later(0, cancel(1))
    assert (stage.core.stock.free(["a"]), stage.path(LIST).meter.active) == (1, 1)
    stage.later(0, c.Decline(consumer(8), LIST))
    stage.later(60_000)
    assert (stage.core.stock.free(["a"]), stage.path(LIST).meter.active) == (1, 0)


def test_added_stock_is_no_place() -> None:
    stage = waiting(shop(0, variants=["a"]), 8)
    events = stage.later(0, c.SetStock(ACTOR, "", "a", add=5))
    assert stage.states(LIST) == ["waiting"] and not only(events, k.UnitsFreed)


@pytest.mark.parametrize("strategy", ["one_by_one", "all"])
def test_a_place_is_for_everybody_whatever_they_choose(strategy: str) -> None:
    stage = shop(0, product_selection="consumer", terms={"strategy": strategy})
    stage.later(0, c.Join(consumer(8), LIST, credentials=Credentials(variant="a")), book(1, TEN))
    stage.later(0, cancel(1))
    assert stage.states(LIST) == ["offered"]
    stage.later(0, claim(8))
    assert stage.states(PATH)[-1] == "booked"


def test_what_the_merchant_offers_by_hand_is_a_unit_of_the_stock_and_places_come_first() -> None:
    stage = waiting(shop(2, variants=["a"]), 8, 9, 10)
    stage.later(0, c.Offer(ACTOR, "", LIST, 2), book(2, ELEVEN))
    assert stage.states(LIST) == ["offered", "offered", "waiting"]
    stage.later(0, cancel(2))
    stage.later(0, c.Decline(consumer(8), LIST))
    events = stage.later(0, c.Decline(consumer(9), LIST))
    assert [(one.tickets, one.slot) for one in only(events, k.Offered)] == [([2], ELEVEN)]
    stage.later(0, c.Decline(consumer(10), LIST), c.Join(consumer(11), LIST))
    assert [(one.slot, one.variant) for one in stage.path(LIST).offers.open.values()] == [(ELEVEN, "")]
    stage.later(0, c.Join(consumer(12), LIST))
    events = stage.later(0, claim(11))
    assert [(one.tickets, one.slot) for one in only(events, k.Offered)] == [([4], "")]
    assert _units(stage) == [1]
    stage.later(0, c.SetStock(ACTOR, "", "a", 1))
    assert _units(stage) == [], "what is not there any more is not offered"


def _units(stage: Stage) -> list[int]:
    return [count for _, _, count, _ in msgspec.to_builtins(stage.path(LIST).distribution.snapshot()[1])]


def test_a_place_beyond_the_caps_of_the_waitlist_is_free() -> None:
    stage = waiting(attached(max_active=1), 8, 9)
    stage.later(0, book(2, ELEVEN))
    stage.later(0, cancel(1), cancel(2))
    assert free(stage) == [0, 1, 1]
    stage.later(0, c.SetReleaseRate(ACTOR, "", LIST, c.Limits(max_active=None)), book(2, ELEVEN), cancel(2))
    stage.later(0, c.SetReleaseRate(ACTOR, "", LIST, c.Limits(max_active=1)))
    assert free(stage) == [0, 1, 1], "what cannot be offered any more is not kept"


def test_a_place_moved_away_from_is_kept_as_well() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, reschedule(1, ELEVEN))
    assert (stage.states(LIST), free(stage)) == (["offered"], [0, 1, 0])


# Changing it live


def test_a_waitlist_for_which_places_are_kept_stays_where_it_is() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, cancel(1))
    told = {"kind": "waitlist", "claim_window_seconds": 60}
    other = document(paths=[fitting(), {"id": LIST, "distribution": told}])
    assert stage.refusal(configure(other)) == ("in_use", {"fields": [f"paths.{LIST}.attached_to"]})
    stage.later(0, c.Decline(consumer(8), LIST), c.Leave(consumer(1), PATH))
    stage.later(0, configure(other))
    assert stage.path(LIST).source is None


def test_a_waitlist_that_is_gone_leaves_nothing_kept() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, book(2, ELEVEN))
    distribution = stage.path(PATH).distribution
    stage.core.paths[PATH].waitlist = None
    stage.core.paths[LIST].source = None
    distribution._bookings.keep(TEN)  # type: ignore[attr-defined]
    stage.write(stage.now_ms, k.SlotKept(PATH, stage.now_ms, "19700114T103000Z"))
    events = stage.core.step(stage.now_ms, [])[0]
    assert events == [k.SlotReleased(PATH, stage.now_ms, TEN)]


def test_an_appointment_that_becomes_something_else_keeps_no_place() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, cancel(1), c.Leave(consumer(1), PATH))
    told = {"kind": "waitlist", "claim_window_seconds": 60}
    queue = raw_path(PATH, distribution={"release_rate_per_minute": 0})
    waitlist = {"id": LIST, "attached_to": PATH, "distribution": told}
    stage.later(0, configure(document(paths=[queue, waitlist])))
    assert stage.refusal(claim(8)) == ("gone", {"path": LIST})
    stage.later(0, c.Join(consumer(9), LIST))
    stage.later(0, configure(document(paths=[fitting(), waitlist])))
    assert stage.refusal(claim(8)) == ("gone", {"path": PATH})
    stage.later(60_000)
    assert (stage.states(LIST), free(stage)) == (["expired", "waiting"], [1, 1, 1])
    stage.later(0, book(1, TEN), cancel(1), c.Leave(consumer(1), PATH))
    stage.later(0, configure(document(paths=[queue, waitlist])))
    stage.later(60_000)
    assert stage.states(LIST) == ["expired", "expired"]


# The audit


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (k.SlotReleased(PATH, START_MS, TEN), "no place of .* was kept"),
        (k.SlotKept(PATH, START_MS, TEN), "2 places of .* are held or booked, it takes 1"),
        (
            k.Offered(LIST, START_MS, START_MS + 5, [0], bytes(16), "by_hand", True, [""], [None], ELEVEN),
            "not all of them are kept|are offered",
        ),
    ],
)
def test_the_auditor_finds_what_is_not_so(event: AnyEvent, text: str) -> None:
    stage = waiting(attached(), 8)
    with pytest.raises(Broken, match=text):
        stage.write(stage.now_ms, event)


def test_a_place_that_is_given_back_behind_the_close_is_offered_too() -> None:
    stage = waiting(attached(), 8)
    stage.later(0, c.Close(ACTOR, "", PATH))
    assert told(stage.later(0, cancel(1))) == ["BookingCancelled", "SlotKept", "Offered"]
    stage.later(0, claim(8))
    assert stage.states(PATH) == ["waiting", "booked"]
