"""What the merchant and the operators may ask: what it answers, what it refuses, what the log says of it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.experience import Batch, Experience
from protocol import commands as c
from protocol.events import (
    Admitted,
    Configured,
    NoticePosted,
    PauseChanged,
    PhaseChanged,
    ReleaseRateChanged,
    StockChanged,
    TicketRefused,
    WaitingLost,
)
from tests.engine.shop import admit, shop, shop_document, shop_path
from tests.engine.stage import ACTOR, SECRET, SHOP, START_MS, configure, only, rate
from tests.support.samples import EXPERIENCE, consumer, document, raw_product, raw_variant

HUGE = 1 << 40


# The document


def test_a_document_is_taken_once() -> None:
    stage = shop()
    told = shop_document(shop_path(variants=["a"]), name="Another")
    assert stage.answer(configure(told)) == {"revision": 2, "changed": True}
    assert stage.answer(configure(told)) == {"revision": 2, "changed": False}
    assert only(stage.later(0, configure(told, kid="k2")), Configured) == [Configured(3, told, "k2", ACTOR)]


def test_nothing_but_a_document_can_come_first() -> None:
    core = Experience(EXPERIENCE)
    commands: list[c.Command] = [c.Join(consumer(1)), c.Attach(consumer(1)), c.Pause(ACTOR, "", "general")]
    events, applied = core.step(1, [Batch(b"sender-1", 1, commands)])
    assert [(event.reason, event.detail) for event in events] == [("not_found", {"experience": EXPERIENCE})] * 3  # type: ignore[union-attr]
    assert (applied, core.next_deadline_ms()) == ({b"sender-1": 1}, None)


def test_the_secret_of_the_first_document_stays() -> None:
    stage = shop(1)
    stage.step(START_MS, c.Configure(ACTOR, "", shop_document(shop_path(variants=["a"]), name="x"), bytes(32), "k1"))
    assert stage.core.secret == SECRET


def test_a_first_document_without_a_proper_secret_is_refused() -> None:
    core = Experience(EXPERIENCE)
    ((refused,), _) = core.step(1, [Batch(b"sender-1", 1, [c.Configure(ACTOR, "", document(), b"short", "k1")])])
    assert refused.reason == "invalid"  # type: ignore[union-attr]
    assert core.document is None


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"variants": ["b"]}, ["paths.general.variants"]),
        ({"variants": ["a"], "terms": {"hats_max": 6}}, ["paths.general.distribution.hats_max"]),
        (
            {"variants": ["a", "b"], "terms": {"points_per_hat": 7}},
            ["paths.general.variants", "paths.general.distribution.points_per_hat"],
        ),
    ],
)
def test_what_live_tickets_depend_on_stays(change: dict[str, Any], fields: list[str]) -> None:
    stage = shop(1)
    assert stage.refusal(configure(shop_document(shop_path(**change)))) == ("in_use", {"fields": fields})
    stage.later(0, c.Leave(consumer(0), "general"))
    assert stage.answer(configure(shop_document(shop_path(**change))))["changed"]


def test_the_currency_of_what_is_sold_stays() -> None:
    stage = shop(1)
    dollars = [raw_product(raw_variant("a", stock=5, currency="USD"), raw_variant("b"))]
    told = document(paths=[shop_path(variants=["a"])], products=dollars)
    assert stage.refusal(configure(told)) == ("in_use", {"fields": ["paths.general.variants.currency"]})
    other = [raw_product(raw_variant("a", stock=5), raw_variant("b", currency="USD"))]
    assert stage.answer(configure(document(paths=[shop_path(variants=["a"])], products=other)))["changed"]


def test_a_path_with_an_open_window_is_not_dropped() -> None:
    stage = shop(1)
    admit(stage, 1)
    told = shop_document(shop_path("other"))
    assert stage.refusal(configure(told)) == ("in_use", {"fields": ["paths.general"]})
    stage.later(10_000)
    assert stage.answer(configure(told))["changed"]
    assert list(stage.core.paths) == ["other"]


def test_a_path_that_comes_back_begins_anew_and_gives_other_admissions() -> None:
    stage = shop(1)
    admit(stage, 1)
    stage.later(0, c.Complete(SHOP, "", stage.ids[0]))
    stage.later(0, configure(shop_document(shop_path("other"))))
    assert stage.refusal(c.Redeem(SHOP, "", stage.ids[0]))[0] == "not_found"
    stage.later(0, configure(shop_document(shop_path(variants=["a"]))))
    stage.later(0, c.Join(consumer(0), "general"))
    admit(stage, 1)
    assert stage.ids[0] != stage.ids[1]
    assert stage.refusal(c.Redeem(SHOP, "", stage.ids[0]))[0] == "not_found"
    assert stage.core.stock.shelves["a"].completed == 1


def test_a_document_cannot_have_less_stock_than_is_given() -> None:
    stage = shop(2)
    admit(stage, 2)
    path = shop_path(variants=["a"])
    assert stage.refusal(configure(shop_document(path, stock=1))) == ("stock_below_sold", {"variants": ["a"]})
    assert stage.answer(configure(shop_document(path, stock=2)))["changed"]


def test_other_settings_hold_from_now_on() -> None:
    stage = shop(2)
    admit(stage, 1)
    stage.later(0, configure(shop_document(shop_path(variants=["a"], terms={"checkout_window_seconds": 60}))))
    admit(stage, 1)
    windows = stage.path().windows.open
    assert [windows[ticket].expires_at - START_MS for ticket in (0, 1)] == [10_000, 60_000]


def test_another_schedule_is_told_and_one_that_stays_keeps_what_was_done_by_hand() -> None:
    stage = shop(1, opens_at=START_MS + 50)
    assert stage.path().phase == "scheduled"
    stage.later(0, c.Open(ACTOR, "", "general"))
    stage.later(0, configure(shop_document(shop_path(variants=["a"], opens_at=START_MS + 50), name="x")))
    assert (stage.path().phase, stage.path().opens_at) == ("open", START_MS)
    events = stage.later(0, configure(shop_document(shop_path(variants=["a"], closes_at=START_MS + 9))))
    assert only(events, PhaseChanged) == [PhaseChanged("general", "open", START_MS, None, START_MS + 9, ACTOR)]
    stage.later(9)
    assert stage.path().phase == "ended"


# Limits


def test_limits_that_are_not_given_stay() -> None:
    stage = shop()
    stage.later(0, c.SetReleaseRate(ACTOR, "", "general", c.Limits(max_active=7)))
    events = stage.later(0, c.SetReleaseRate("ops", "", "general", c.Limits(release_rate_per_minute=60)))
    assert only(events, ReleaseRateChanged) == [ReleaseRateChanged("general", 60, 7, None, 3, "ops")]
    assert stage.core.document is not None
    assert stage.core.document.paths[0].distribution.max_active == 7
    again = c.SetReleaseRate(ACTOR, "", "general", c.Limits(release_rate_per_minute=60, max_admissions=None))
    assert stage.answer(again) == {"revision": 3, "changed": False}


def test_limits_over_all_paths() -> None:
    stage = shop(3)
    stage.later(0, rate(60_000), rate(60, ""))
    stage.later(999)
    assert [one.at - START_MS for one in stage.admissions] == [0, 1]
    stage.later(1)
    assert [one.at - START_MS for one in stage.admissions] == [0, 1, 1_000]


@pytest.mark.parametrize("path", ["general", ""])
@pytest.mark.parametrize("name", ["release_rate_per_minute", "max_active", "max_admissions"])
@pytest.mark.parametrize("value", [-1, HUGE, 1 << 63])
def test_a_limit_that_no_document_could_have_is_refused(path: str, name: str, value: int) -> None:
    reason, _ = shop().refusal(c.SetReleaseRate(ACTOR, "", path, c.Limits(**{name: value})))
    assert reason == "invalid"


def test_a_queue_has_a_rate_and_a_path_must_be_there() -> None:
    stage = shop()
    none = c.Limits(release_rate_per_minute=None)
    assert stage.refusal(c.SetReleaseRate(ACTOR, "", "general", none))[0] == "invalid"
    assert stage.refusal(c.SetReleaseRate(ACTOR, "", "x", none)) == ("not_found", {"path": "x"})


# Stock


def test_stock_is_set_and_added() -> None:
    stage = shop(2)
    admit(stage, 2)
    stage.later(0, c.Complete(SHOP, "", stage.admission(0)))
    assert stage.answer(c.SetStock(ACTOR, "", "a", 2)) == {"variant": "a", "stock": 2, "reserved": 1, "completed": 1}
    assert stage.answer(c.SetStock(ACTOR, "", "a", add=3))["stock"] == 5
    assert only(stage.later(0, c.SetStock(ACTOR, "", "a", None)), StockChanged) == [StockChanged("a", None, 1, 1)]
    assert stage.core.document is not None
    assert stage.core.document.products[0].variants[0].stock is None


def test_stock_does_not_go_below_what_is_given() -> None:
    stage = shop(2)
    admit(stage, 2)
    given = ("stock_below_sold", {"variant": "a", "reserved_and_sold": 2})
    assert stage.refusal(c.SetStock(ACTOR, "", "a", 1)) == given
    assert stage.refusal(c.SetStock(ACTOR, "", "a", add=-4)) == given
    assert stage.answer(c.SetStock(ACTOR, "", "a", add=-3))["stock"] == 2


def test_stock_that_makes_no_sense_is_refused() -> None:
    stage = shop()
    assert stage.refusal(c.SetStock(ACTOR, "", "x", 1)) == ("not_found", {"variant": "x"})
    assert stage.refusal(c.SetStock(ACTOR, "", "b", add=1))[0] == "invalid"
    assert stage.refusal(c.SetStock(ACTOR, "", "a", HUGE))[0] == "invalid"
    assert stage.refusal(c.SetStock(ACTOR, "", "a", add=HUGE))[0] == "invalid"


# Steering


def test_a_path_is_opened_by_hand() -> None:
    stage = shop(opens_at=START_MS + 100, closes_at=START_MS + 200)
    events = stage.later(5, c.Open(ACTOR, "", "general"))
    assert events == [PhaseChanged("general", "open", START_MS + 5, START_MS + 5, START_MS + 200, ACTOR)]
    assert stage.later(0, c.Open(ACTOR, "", "general")) == []
    stage.later(195)
    assert stage.path().phase == "ended"
    assert stage.refusal(c.Open(ACTOR, "", "general")) == ("closed", {"path": "general"})


def test_a_path_that_was_closed_opens_again_and_closes_when_the_document_says() -> None:
    stage = shop(1, closes_at=START_MS + 100)
    stage.later(10, c.Close(ACTOR, "", "general"))
    assert (stage.path().phase, stage.path().closes_at) == ("settling", START_MS + 10)
    stage.later(10, c.Open(ACTOR, "", "general"))
    assert (stage.path().phase, stage.path().closes_at) == ("open", START_MS + 100)
    stage.later(80)
    assert stage.path().phase == "settling"
    stage.later(1, c.Open(ACTOR, "", "general"))
    assert (stage.path().phase, stage.path().closes_at) == ("open", None)


def test_closing_keeps_those_who_wait_and_ends_when_they_are_gone() -> None:
    stage = shop(1)
    assert stage.later(0, c.Close(ACTOR, "", "general")) == [
        PhaseChanged("general", "settling", START_MS, None, START_MS, ACTOR)
    ]
    assert stage.later(0, c.Close(ACTOR, "", "general")) == []
    admit(stage, 1)
    stage.later(10_000)
    assert (stage.states(), stage.path().phase) == (["expired"], "ended")
    assert stage.later(0, c.Close(ACTOR, "", "general")) == stage.later(0, c.End(ACTOR, "", "general")) == []


def test_ending_loses_those_who_wait_and_says_who_did_it() -> None:
    stage = shop(3)
    admit(stage, 1)
    events = stage.later(5, c.End("boss", "", "general"))
    assert events == [
        PhaseChanged("general", "settling", START_MS + 5, None, START_MS + 5, "boss"),
        WaitingLost("general", START_MS + 5, "ended"),
    ]
    assert stage.later(0, c.End("boss", "", "general")) == []
    assert stage.refusal(c.Open(ACTOR, "", "general")) == ("closed", {"path": "general"})
    assert stage.states() == ["admitted", "lost", "lost"]
    stage.later(9_995)
    assert stage.path().phase == "ended"


def test_ending_what_is_closed_says_who_did_it_and_keeps_the_instant_of_the_close() -> None:
    stage = shop(1)
    stage.later(0, c.Close(ACTOR, "", "general"))
    events = stage.later(5, c.End("boss", "", "general"))
    assert events[0] == PhaseChanged("general", "settling", START_MS + 5, None, START_MS, "boss")
    assert stage.path().phase == "ended"


def test_a_path_that_never_opened_can_be_closed() -> None:
    stage = shop(opens_at=START_MS + 100)
    stage.later(0, c.Close(ACTOR, "", "general"))
    assert stage.path().phase == "ended"


def test_a_pause_admits_nobody() -> None:
    stage = shop(2)
    assert stage.later(0, c.Pause("ops", "", "general")) == [PauseChanged("general", True, START_MS, "ops")]
    assert stage.later(0, c.Pause("ops", "", "general")) == []
    stage.later(0, rate(60_000))
    assert (stage.later(500), stage.core.next_deadline_ms()) == ([], None)
    assert stage.refusal(c.AdmitNow(ACTOR, "", "general", 1)) == ("paused", {"path": "general"})
    assert len(only(stage.later(0, c.Resume(ACTOR, "", "general")), Admitted)) == 1


def test_commands_for_a_path_that_is_not_there() -> None:
    stage = shop()
    for kind in (c.Open, c.Close, c.End, c.Pause, c.Resume):
        assert stage.refusal(kind(ACTOR, "", "x")) == ("not_found", {"path": "x"})
    assert stage.refusal(c.AdmitNow(ACTOR, "", "x", 1)) == ("not_found", {"path": "x"})
    assert stage.refusal(c.RefuseTicket(ACTOR, "", "x", 0, "")) == ("not_found", {"path": "x"})


def test_admitting_by_hand_keeps_to_the_caps_and_the_stock_and_says_how_many() -> None:
    stage = shop(9, terms={"max_active": 3})
    assert admit(stage, 2) == {"admitted": 2}
    assert admit(stage, 9) == {"admitted": 1}
    assert admit(stage, 9) == {"admitted": 0}
    stage.later(0, c.SetReleaseRate(ACTOR, "", "general", c.Limits(max_active=None)))
    assert admit(stage, 9) == {"admitted": 2}
    assert all(one.by_hand for one in stage.admissions)
    assert [one.ticket for one in stage.admissions] == list(range(5))


def test_admitting_by_hand_when_it_makes_no_sense() -> None:
    stage = shop(opens_at=START_MS + 5)
    assert stage.refusal(c.AdmitNow(ACTOR, "", "general", 1)) == ("not_open", {"path": "general"})
    assert stage.refusal(c.AdmitNow(ACTOR, "", "general", 0))[0] == "invalid"


def test_a_waiting_ticket_is_refused_with_the_merchants_words() -> None:
    stage = shop(3)
    events = stage.later(0, c.RefuseTicket("ops", "", "general", 1, "a bot"))
    assert events == [TicketRefused("general", START_MS, 1, "a bot", "ops")]
    assert only(stage.later(0, c.RefuseTicket("ops", "", "general", 2, "")), TicketRefused)[0].reason == "refused"
    assert stage.refusal(c.RefuseTicket("ops", "", "general", 1, "")) == (
        "no_ticket",
        {"path": "general", "state": "refused"},
    )
    for ticket in (-1, 3):
        assert stage.refusal(c.RefuseTicket("ops", "", "general", ticket, ""))[0] == "not_found"


def test_a_notice_reaches_the_log() -> None:
    assert shop().later(0, c.PostNotice("ops", "", "Soon.", "info", 9)) == [
        NoticePosted("Soon.", "info", 9, START_MS, "ops")
    ]
