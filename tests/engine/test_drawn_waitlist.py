"""A waitlist by lottery: who is next is drawn of all who wait, with hats, again and again, each time provable."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from engine.audits.promises import Broken
from engine.core import lots
from engine.core.experience import Experience
from protocol import bls, codec, lottery
from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.kinds.waitlist import WaitlistReplica
from protocol.proof import Verdict, check, encode
from protocol.replica_codec import decode_replica, encode_replica
from protocol.roster import EVERYBODY, NO_PLACE
from tests.engine.stage import ACTOR, Stage, assert_agree, configure, only
from tests.support.samples import EXPERIENCE, consumer, document, raw_product, raw_variant

LIST = "waitlist"


def told(*, products: Any = (), fields: dict[str, Any] | None = None, **terms: Any) -> Any:
    """A document with one waitlist, alone, by lottery."""
    base = {"kind": "waitlist", "order": "lottery", "claim_window_seconds": 5, "checkout_window_seconds": 5}
    return document(paths=[{"id": LIST, "distribution": base | terms} | (fields or {})], products=list(products))


def waiting(count: int, **more: Any) -> Stage:
    """``count`` wait, with hats from 1 to 3."""
    stage = Stage(told(**more))
    stage.later(1, *_joins(0, count))
    return stage


def _joins(first: int, count: int) -> list[c.Command]:
    return [c.Join(consumer(number), LIST, hats=1 + number % 3) for number in range(first, first + count)]


def offer(count: int) -> c.Offer:
    return c.Offer(ACTOR, "", LIST, count)


def decoded(stage: Stage) -> list[e.AnyEvent]:
    return [event for payload in stage.entries for event in codec.decode_entry(payload).events]


def offered(events: list[e.AnyEvent]) -> list[int]:
    return [ticket for event in only(events, k.Offered) for ticket in event.tickets]


def kind_of(stage: Stage) -> WaitlistReplica:
    kind = stage.replica.paths[LIST].kind
    assert isinstance(kind, WaitlistReplica)
    return kind


def verdict(stage: Stage) -> Verdict:
    proof = kind_of(stage).proof(EXPERIENCE)
    assert proof is not None
    return check(encode(proof), bls.unproven).verdict


def settle(stage: Stage) -> list[e.AnyEvent]:
    """Let time go on while something is drawn."""
    events: list[e.AnyEvent] = []
    while (line := stage.path(LIST).distribution.next_deadline_ms()) is not None:
        events += stage.step(line)
        assert_agree(stage.core, stage.replica)
    return events


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "SLICE_LOTS", 6)


def test_what_becomes_free_is_offered_in_the_order_that_is_drawn() -> None:
    stage = waiting(6)
    roster = stage.replica.paths[LIST].roster
    assert (roster.unplaced, roster.ahead(3)) == (EVERYBODY, NO_PLACE)
    assert kind_of(stage).proof(EXPERIENCE) is None
    events = stage.later(0, offer(2))
    (drawn,) = only(events, k.Drawn)
    order = lottery.draw(drawn.seed, bytes([1, 2, 3, 1, 2, 3])).tolist()
    assert (offered(events), verdict(stage)) == (order[:2], Verdict.OK)
    assert not only(stage.later(0, offer(1)), k.Drawn)
    assert [stage.states(LIST)[ticket] for ticket in order] == ["offered"] * 3 + ["waiting"] * 3


def test_whoever_joins_later_is_in_the_next_order_which_has_its_own_secret() -> None:
    stage = waiting(3)
    stage.later(0, offer(1))
    first = kind_of(stage).commitment
    stage.later(0, *_joins(3, 4))
    events = stage.later(0, offer(4))
    (drawn,) = only(events, k.Drawn)
    assert lottery.commitment(drawn.secret) == first != kind_of(stage).commitment
    assert sorted(offered(events)[:2]) == sorted(set(range(3)) - set(offered(decoded(stage))[:1]))
    hats = bytes([0, 0, 0, 1, 2, 3, 1])
    assert offered(events)[2:] == lottery.draw(drawn.seed, hats).tolist()[:2]
    assert verdict(stage) is Verdict.OK


def test_whoever_has_left_is_passed_over() -> None:
    stage = waiting(4)
    stage.later(0, offer(1))
    order = lottery.draw(_event(stage, k.Drawn).seed, bytes([1, 2, 3, 1])).tolist()
    stage.later(0, c.Leave(consumer(order[2]), LIST))
    assert offered(stage.later(0, offer(2))) == [order[1], order[3]]


def test_whoever_is_passed_over_is_in_the_next_order_again() -> None:
    products = [raw_product(raw_variant("a", stock=0), raw_variant("b", stock=5))]
    stage = Stage(told(products=products, fields={"product_selection": "consumer"}))
    wants_a, wants_b = c.Credentials(variant="a"), c.Credentials(variant="b")
    stage.later(0, *(c.Join(consumer(who), LIST, credentials=wants_a) for who in range(2)))
    assert offered(stage.later(0, offer(1))) == []
    assert stage.answer(offer(1)) == {"offered": 0}
    stage.later(0, c.Join(consumer(2), LIST, credentials=wants_b))
    events = stage.later(0, offer(1))
    assert (offered(events), len(only(events, k.Drawn))) == ([2], 1)


@pytest.mark.usefixtures("slices")
def test_many_are_drawn_one_slice_a_step_and_what_is_free_waits_for_it() -> None:
    stage = waiting(30, products=[raw_product(raw_variant("a", stock=0))], strategy="batch", batch=3)
    assert stage.answer(offer(2)) == {"offered": 0}, "there is nothing"
    stage.later(0, c.SetStock(ACTOR, "", "a", add=3))
    assert (offered(decoded(stage)), len(only(decoded(stage), k.EntriesClosed))) == ([], 1)
    stage.later(1, *_joins(30, 1))
    events = settle(stage)
    (drawn,) = only(events, k.Drawn)
    order = lottery.draw(drawn.seed, bytes(1 + number % 3 for number in range(30))).tolist()
    assert (offered(events), verdict(stage)) == (order[:3], Verdict.OK)


@pytest.mark.usefixtures("slices")
def test_what_is_offered_by_hand_waits_for_the_order() -> None:
    stage = waiting(30)
    assert stage.answer(offer(2)) == {"offered": 0}
    assert stage.answer(offer(1)) == {"offered": 0}, "it is being drawn"
    stage.later(1, c.Pause(ACTOR, "", LIST))
    assert stage.path(LIST).distribution.next_deadline_ms() is None
    stage.later(100, c.Resume(ACTOR, "", LIST))
    events = settle(stage)
    assert len(offered(events)) == 1, "one at a time"
    assert stage.path(LIST).distribution.snapshot()[1]


@pytest.mark.usefixtures("slices")
def test_an_order_under_way_is_put_away_and_goes_on_alike() -> None:
    stage, restored = waiting(30), waiting(30)
    for one in (stage, restored):
        one.later(0, offer(2))
    while (deadline := stage.path(LIST).distribution.next_deadline_ms()) is not None:
        stage.step(deadline)
        restored.step(deadline)
        kept = restored.core.snapshot()
        restored.core = Experience.restore(EXPERIENCE, kept)
        stored = encode_replica(restored.replica)
        restored.replica = decode_replica(stored)
        assert encode_replica(restored.replica) == stored
        assert restored.core.snapshot() == kept == stage.core.snapshot()
    assert restored.entries == stage.entries == stage.replayed().entries
    assert (verdict(restored), restored.replica.paths[LIST].roster.unplaced) == (Verdict.OK, EVERYBODY)


@pytest.mark.usefixtures("slices")
def test_an_end_stops_the_drawing() -> None:
    stage = waiting(30)
    stage.later(0, offer(2))
    stage.later(1, c.End(ACTOR, "", LIST))
    assert (stage.path(LIST).phase, stage.path(LIST).distribution.next_deadline_ms()) == ("ended", None)


def test_the_order_is_by_lot_or_not_as_long_as_there_are_live_tickets() -> None:
    stage = waiting(1)
    assert stage.refusal(configure(told(order="arrival"))) == (
        "in_use",
        {"fields": [f"paths.{LIST}.distribution.order"]},
    )
    stage.later(0, c.Leave(consumer(0), LIST))
    stage.later(0, configure(told(order="arrival")))
    assert stage.replica.paths[LIST].roster.unplaced == 0
    stage.later(0, *_joins(1, 2), offer(2))
    assert offered(decoded(stage)) == [1, 2]
    stage.later(0, c.Decline(consumer(1), LIST), c.Decline(consumer(2), LIST))
    assert only(stage.later(0, configure(told())), k.DrawCommitted)
    assert only(stage.later(0, *_joins(5, 2), offer(1)), k.Drawn)


def test_no_secret_that_was_told_is_committed_to_again_whatever_the_order_was_in_between() -> None:
    stage = waiting(2)
    stage.later(0, offer(2))
    stage.later(0, c.Decline(consumer(0), LIST), c.Decline(consumer(1), LIST))
    stage.later(0, configure(told(order="arrival")))
    stage.later(0, configure(told()))
    told_before = {lottery.commitment(drawn.secret) for drawn in only(decoded(stage), k.Drawn)}
    assert len(told_before) == 1
    assert kind_of(stage).commitment not in told_before
    assert_agree(Experience.restore(EXPERIENCE, stage.core.snapshot()), stage.replica)


# The audit


def _event(stage: Stage, kind: type) -> Any:
    return only(decoded(stage), kind)[-1]


def test_the_auditor_finds_an_offer_out_of_the_order() -> None:
    stage = waiting(4)
    with pytest.raises(Broken, match="not in the order that was drawn"):
        stage.write(
            stage.now_ms, k.Offered(LIST, stage.now_ms, stage.now_ms + 5, [0], bytes(16), "", True, [""], [None])
        )
    stage = waiting(4)
    stage.later(0, offer(1))
    last = lottery.draw(_event(stage, k.Drawn).seed, bytes([1, 2, 3, 1])).tolist()[3]
    made = k.Offered(LIST, stage.now_ms, stage.now_ms + 5, [last], bytes(16), "by_hand", True, [""], [None])
    with pytest.raises(Broken, match="was before it and not passed over"):
        stage.write(stage.now_ms, made)


def test_the_auditor_finds_an_order_that_is_drawn_too_early_or_twice() -> None:
    stage = waiting(4)
    stage.later(0, offer(1))
    closed = _event(stage, k.EntriesClosed)
    with pytest.raises(Broken, match="not that of the roster"):
        stage.write(stage.now_ms, closed)
    stage = waiting(4)
    root = lottery.roster_root(bytes([1, 2, 3, 1]))
    fixed = k.EntriesClosed(LIST, stage.now_ms, 4, root)
    stage.write(stage.now_ms, fixed)
    with pytest.raises(Broken, match="fixed anew"):
        stage.write(stage.now_ms, fixed)
    stage = waiting(4)
    stage.write(stage.now_ms, fixed)
    with pytest.raises(Broken, match="committed to while"):
        stage.write(stage.now_ms, k.DrawCommitted(LIST, bytes(32)))


def test_an_order_by_arrival_has_no_root() -> None:
    stage = Stage(told(order="arrival"))
    stage.later(0, *_joins(0, 1))
    fixed = k.EntriesClosed(LIST, stage.now_ms, 1, lottery.roster_root(bytes([1])))
    with pytest.raises(Broken, match="not that of the roster"):
        stage.write(stage.now_ms, structs.replace(fixed, at=stage.now_ms))
