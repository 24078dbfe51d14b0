"""The merchant's checkout: redeem once, complete, release, extend once; and what a repeat with a key comes to."""

from __future__ import annotations

from protocol import commands as c
from protocol.events import (
    Left,
    WindowMoved,
)
from tests.engine.shop import admit, shop
from tests.engine.stage import ACTOR, SHOP, START_MS, Stage, only
from tests.support.samples import EXPERIENCE, consumer

NOBODY = bytes(16)


def _admitted(count: int = 1) -> Stage:
    stage = shop(count)
    admit(stage, count)
    return stage


def test_the_checkout_is_told_whose_admission_it_is() -> None:
    stage = _admitted()
    assert stage.answer(c.Redeem(SHOP, "", stage.ids[0])) == {
        "admission": stage.ids[0].hex(),
        "experience": EXPERIENCE,
        "path": "general",
        "ticket": 0,
        "state": "redeemed",
        "consumer": consumer(0).hex(),
        "kid": "k1",
        "admitted_at": START_MS,
        "expires_at": START_MS + 10_000,
    }


def test_an_admission_is_redeemed_once() -> None:
    stage = _admitted()
    stage.later(0, c.Redeem(SHOP, "", stage.ids[0]))
    assert stage.refusal(c.Redeem(SHOP, "", stage.ids[0])) == ("already_done", {"state": "redeemed"})


def test_a_redeemed_admission_has_a_grace_for_its_order() -> None:
    stage = _admitted(2)
    stage.later(0, c.Redeem(SHOP, "", stage.ids[0]))
    stage.later(14_999)
    assert stage.states() == ["redeemed", "expired"]
    assert stage.refusal(c.Complete(SHOP, "", stage.ids[1])) == ("window_over", {"state": "expired"})
    assert stage.refusal(c.Extend(SHOP, "", stage.ids[0])) == ("window_over", {})
    assert stage.answer(c.Complete(SHOP, "", stage.ids[0], "order-7"))["order_id"] == "order-7"
    assert stage.refusal(c.Complete(SHOP, "", stage.ids[0])) == ("already_done", {"state": "completed"})


def test_the_grace_ends_too() -> None:
    stage = _admitted()
    stage.later(0, c.Redeem(SHOP, "", stage.ids[0]))
    stage.later(15_000)
    assert stage.states() == ["expired"]
    assert stage.path().meter.active == stage.core.stock.shelves["a"].reserved == 0


def test_completing_redeems() -> None:
    stage = _admitted()
    assert stage.answer(c.Complete(SHOP, "", stage.ids[0]))["state"] == "completed"
    assert (stage.path().meter.completed, stage.core.meter.completed) == (1, 1)


def test_a_release_frees_what_was_held() -> None:
    stage = _admitted(2)
    stage.later(0, c.Redeem(SHOP, "", stage.ids[0]))
    events = stage.later(0, c.Release(SHOP, "", stage.ids[0]), c.Release(SHOP, "", stage.ids[1]))
    assert [event.reason for event in only(events, Left)] == ["released", "released"]
    assert stage.path().meter.active == stage.core.stock.shelves["a"].reserved == 0
    assert stage.refusal(c.Release(SHOP, "", stage.ids[0])) == ("window_over", {"state": "left"})


def test_an_extension_comes_once_and_is_at_most_a_window() -> None:
    stage = _admitted(2)
    assert stage.refusal(c.Extend(SHOP, "", stage.ids[0], 11))[0] == "invalid"
    assert stage.refusal(c.Extend(SHOP, "", stage.ids[0], -1))[0] == "invalid"
    events = stage.later(0, c.Extend(SHOP, "", stage.ids[0], 4))
    assert only(events, WindowMoved) == [WindowMoved("general", 0, START_MS + 14_000)]
    assert stage.refusal(c.Extend(SHOP, "", stage.ids[0], 1)) == ("already_done", {"state": "extended"})
    assert stage.answer(c.Extend(SHOP, "", stage.ids[1]))["expires_at"] == START_MS + 20_000
    stage.later(19_999)
    assert stage.states() == ["expired", "admitted"]
    stage.later(1)
    assert stage.states() == ["expired", "expired"]


def test_an_admission_that_nobody_has_is_not_found() -> None:
    stage = _admitted()
    for kind in (c.Redeem, c.Complete, c.Release, c.Extend):
        assert stage.refusal(kind(SHOP, "", NOBODY)) == ("not_found", {"admission": NOBODY.hex()})


def test_the_first_admission_of_a_ticket_that_came_back_is_over() -> None:
    stage = _admitted()
    stage.later(10_000)
    first = stage.ids[0]
    stage.later(0, c.Rejoin(consumer(0), "general"))
    assert stage.refusal(c.Redeem(SHOP, "", first)) == ("window_over", {"state": "expired"})
    admit(stage, 1)
    assert stage.refusal(c.Redeem(SHOP, "", first)) == ("window_over", {"state": "expired"})
    assert stage.answer(c.Redeem(SHOP, "", stage.admission(0)))["state"] == "redeemed"


# Keys


def test_what_has_no_key_is_done_each_time_and_not_kept() -> None:
    stage = shop(2)
    for _ in range(2):
        assert admit(stage, 1)["admitted"] == 1
    assert stage.core.answers.snapshot() == []


def test_a_repeat_with_the_same_key_gets_the_same_answer_and_does_nothing() -> None:
    stage = shop(3)
    first = stage.answer(c.AdmitNow(ACTOR, "key", "general", 2))
    assert stage.answer(c.AdmitNow(ACTOR, "key", "general", 2)) == first == {"admitted": 2}
    assert stage.states() == ["admitted", "admitted", "waiting"]
    assert stage.refusal(c.AdmitNow(ACTOR, "key", "general", 1)) == ("key_reused", {})


def test_a_refused_command_may_be_tried_again_with_its_key() -> None:
    stage = shop(1, opens_at=START_MS + 5)
    assert stage.refusal(c.AdmitNow(ACTOR, "key", "general", 1))[0] == "not_open"
    stage.later(5, c.Join(consumer(0), "general"))
    assert stage.answer(c.AdmitNow(ACTOR, "key", "general", 1)) == {"admitted": 1}


def test_a_repeat_of_what_has_no_answer_is_silent() -> None:
    stage = shop()
    assert len(stage.later(0, c.Pause(ACTOR, "key", "general"))) == 1
    stage.later(0, c.Resume(ACTOR, "", "general"))
    assert stage.later(0, c.Pause(ACTOR, "key", "general")) == []
    assert not stage.path().paused
