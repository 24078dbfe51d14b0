"""A place in a slot that is paid for first: kept through the checkout, booked when the order is complete."""

from __future__ import annotations

from typing import Any

import pytest

from engine.audits.promises import Broken
from engine.core.experience import Experience
from protocol import commands as c
from protocol import kind_events as k
from protocol.events import Admitted, Completed
from tests.engine.stage import ACTOR, SHOP, Stage, configure, only
from tests.engine.test_appointment import (
    ELEVEN,
    HALF_PAST,
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
)
from tests.support.samples import EXPERIENCE, consumer, document, raw_product, raw_variant

LIST = "waitlist"


def paid(**terms: Any) -> Stage:
    """One chair, three slots, ten seconds to pay."""
    told = {"checkout": True, "checkout_window_seconds": 10, "payment_grace_seconds": 0} | terms
    return Calendar(document(paths=[fitting(**told)]))


def complete(stage: Stage, ticket: int) -> c.Complete:
    return c.Complete(SHOP, "", stage.admission(ticket, PATH), "order")


def test_a_booking_is_kept_through_the_checkout_and_complete_books_it() -> None:
    stage = paid()
    stage.later(0, hold(1, TEN))
    events = stage.later(0, book(1))
    assert [(one.ticket, one.slot) for one in only(events, k.CheckoutAsked)] == [(0, TEN)]
    assert len(only(events, Admitted)) == 1 and not only(events, k.Booked)
    assert (stage.states(PATH), free(stage)) == (["admitted"], [0, 1, 1])
    assert stage.refusal(book(2, TEN))[0] == "slot_full"
    command = complete(stage, 0)
    events = stage.later(0, command)
    assert [type(one) for one in events][:2] == [Completed, k.Booked]
    assert (stage.states(PATH), free(stage), stage.path(PATH).meter.completed) == (["booked"], [0, 1, 1], 1)
    assert stage.refusal(command) == ("already_done", {"state": "booked"})
    stage.later(0, by_code(c.CheckIn, code_of(stage, 0)))
    assert stage.states(PATH) == ["completed"]
    assert stage.refusal(c.Join(consumer(1), PATH))[0] == "already_done"


def test_each_turn_to_pay_has_an_admission_of_its_own() -> None:
    stage, admissions = paid(), set()
    for count in range(1, 4):
        stage.later(0, book(1, TEN))
        admissions.add(stage.admission(0, PATH))
        stage.later(0, complete(stage, 0))
        stage.core = Experience.restore(EXPERIENCE, stage.core.snapshot())
        stage.later(0, cancel(1))
        assert (len(admissions), stage.states(PATH)) == (count, ["waiting"])


def test_what_is_not_paid_for_is_free_again() -> None:
    stage = paid()
    stage.later(0, book(1, TEN), book(2, ELEVEN))
    assert stage.states(PATH) == ["admitted", "admitted"]
    events = stage.later(1, c.Decline(consumer(2), PATH))
    assert [one.slot for one in only(events, k.CheckoutDropped)] == [ELEVEN]
    events = stage.later(10_000)
    assert [one.slot for one in only(events, k.CheckoutDropped)] == [TEN]
    assert (stage.states(PATH), free(stage)) == (["expired", "left"], [1, 1, 1])


def test_those_who_pay_are_let_in_one_after_the_other() -> None:
    stage = paid(max_active=1)
    stage.later(0, book(1, TEN), book(2, ELEVEN), book(3, HALF_PAST))
    assert (stage.states(PATH), free(stage)) == (["admitted", "waiting", "waiting"], [0, 0, 0])
    assert [one.details for one in only(stage.later(0, c.Attach(consumer(2))), k.HoldingDetails)] == [{"slot": ELEVEN}]
    stage.later(0, cancel(2))
    assert free(stage) == [0, 0, 1]
    stage.later(0, complete(stage, 0))
    assert stage.states(PATH) == ["booked", "waiting", "admitted"]


def test_the_same_again_is_no_change_and_another_is_another() -> None:
    stage = paid(max_active=0)
    stage.later(0, book(1, TEN))
    assert stage.answer(book(1, TEN)) == stage.answer(book(1)) == {"slot": TEN}
    stage.later(0, book(1, ELEVEN))
    assert free(stage) == [1, 1, 0]
    stage.later(0, hold(1, HALF_PAST))
    assert (free(stage), stage.states(PATH)) == ([1, 0, 1], ["held"])
    stage.later(0, book(1, TEN))
    assert (free(stage), stage.states(PATH)) == ([0, 1, 1], ["waiting"])


def test_whoever_pays_holds_and_books_nothing_else() -> None:
    stage = paid()
    stage.later(0, book(1, TEN))
    admitted = ("already_done", {"path": PATH, "state": "admitted"})
    assert stage.refusal(hold(1, ELEVEN)) == admitted
    assert stage.refusal(book(1, ELEVEN)) == admitted
    assert stage.refusal(cancel(1))[0] == "no_ticket"


def test_who_waits_to_pay_until_the_slot_begins_has_it_no_more() -> None:
    stage = paid(max_active=0)
    stage.later(0, book(1, TEN))
    events = stage.step(TEN_MS)
    assert (len(only(events, k.CheckoutDropped)), stage.states(PATH)) == (1, ["waiting"])


def test_an_end_by_hand_keeps_open_windows() -> None:
    stage = paid(max_active=1)
    stage.later(0, book(1, TEN), book(2, ELEVEN))
    stage.later(0, c.End(ACTOR, "", PATH))
    assert (stage.states(PATH), free(stage)) == (["admitted", "lost"], [0, 1, 1])
    stage.later(0, complete(stage, 0))
    assert stage.states(PATH) == ["booked", "lost"]


def test_a_slot_that_somebody_pays_for_does_not_change() -> None:
    stage = paid()
    stage.later(0, book(1, TEN))
    other = fitting(checkout=True, windows=[{"date": "1970-01-14", "from": "10:30", "to": "11:30"}])
    assert stage.refusal(configure(document(paths=[other])))[0] == "in_use"


def test_a_claim_on_the_waitlist_is_paid_for_too() -> None:
    terms = {"checkout": True, "checkout_window_seconds": 10, "payment_grace_seconds": 0}
    waitlist = {"id": LIST, "attached_to": PATH, "distribution": {"kind": "waitlist", "claim_window_seconds": 60}}
    stage: Stage = Calendar(document(paths=[fitting(**terms), waitlist]))
    stage.later(0, c.Join(consumer(8), LIST), c.Join(consumer(9), LIST), book(1, TEN))
    stage.later(0, c.Decline(consumer(1), PATH))
    assert (stage.states(LIST), free(stage)) == (["offered", "waiting"], [0, 1, 1])
    stage.later(0, c.Claim(consumer(8), LIST))
    assert (stage.states(PATH), free(stage)) == (["left", "admitted"], [0, 1, 1])
    assert stage.refusal(c.Claim(consumer(9), LIST))[0] == "no_ticket"
    stage.later(10_000)
    assert (stage.states(LIST), free(stage)) == (["left", "offered"], [0, 1, 1])


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (k.CheckoutDropped(PATH, 0, 0, ELEVEN), "had no place in .* to pay for"),
        (k.CheckoutAsked(PATH, 0, 1, TEN), "2 places of .* are held or booked, it takes 1"),
        (Admitted(PATH, 1_000_000, 2_000_000, "k1", [1], bytes(16), False), "was admitted, but None was the first"),
    ],
)
def test_the_auditor_finds_what_is_not_so(event: Any, text: str) -> None:
    stage = paid()
    stage.later(0, book(1, TEN), c.Join(consumer(2), PATH))
    with pytest.raises(Broken, match=text):
        stage.write(stage.now_ms, event)


def test_the_auditor_finds_another_slot_booked_than_was_paid_for() -> None:
    stage = paid()
    stage.later(0, book(1, TEN))
    done = Completed(PATH, stage.now_ms, 0, "order", SHOP)
    with pytest.raises(Broken, match="has paid for another slot"):
        stage.write(stage.now_ms, done, k.Booked(PATH, stage.now_ms, 0, ELEVEN, "CODE", ""))


def test_whoever_wants_what_is_not_free_is_passed_over_until_it_is() -> None:
    told = {"checkout": True, "checkout_window_seconds": 10, "payment_grace_seconds": 0}
    products = [raw_product(raw_variant("a", stock=0), raw_variant("b", stock=5))]
    path = fitting(**told) | {"product_selection": "consumer"}
    stage = Calendar(document(paths=[path], products=products))
    wants = (("a", TEN), ("b", ELEVEN))
    stage.later(
        0, *(c.Book(consumer(1 + i), PATH, 1, 0, c.Credentials(variant=v), s) for i, (v, s) in enumerate(wants))
    )
    assert stage.states(PATH) == ["waiting", "admitted"]
    stage.later(0, complete(stage, 1))
    assert (stage.states(PATH), stage.path(PATH).distribution.in_line()) == (["waiting", "booked"], 0)
    stage.later(0, c.SetStock(ACTOR, "", "a", add=1))
    assert stage.states(PATH) == ["admitted", "booked"]
