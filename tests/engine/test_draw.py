"""The draw: what transcripts cannot show, above all an order that takes many steps; and its audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from msgspec import structs

from engine.audit import Audit
from engine.audits.promises import Broken
from engine.core import lots
from engine.core.experience import Experience
from protocol import bls, codec, lottery
from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.documents import Experience as Document
from protocol.kinds.draw import DrawReplica
from protocol.proof import Verdict, check, encode
from protocol.states import TicketState
from tests.engine.stage import ACTOR, START_MS, Stage, configure, only
from tests.support.beacons import REAL
from tests.support.samples import EXPERIENCE, consumer, document, raw_path, raw_product, raw_variant

PATH = "vip"
CLOSES_AT = START_MS + 1_000
BEACON = REAL["quicknet"]
NAMED = {"source": BEACON.source, "round": BEACON.round}


def told(*, fields: dict[str, Any] | None = None, products: Sequence[Any] = (), **terms: Any) -> Document:
    """A document with one draw, of two winners."""
    base = {"kind": "draw", "winner_count": 2, "closes_at": CLOSES_AT, "checkout_window_seconds": 10}
    return document(paths=[{"id": PATH, "distribution": base | terms} | (fields or {})], products=list(products))


def entered(count: int, **terms: Any) -> Stage:
    """A draw that ``count`` have entered, with hats from 1 to 3."""
    stage = Stage(told(**terms))
    stage.later(1, *(c.Join(consumer(number), PATH, hats=1 + number % 3) for number in range(count)))
    return stage


def beacon(**changed: Any) -> c.DrawBeacon:
    given = bytes.fromhex(BEACON.randomness), bytes.fromhex(BEACON.signature)
    return structs.replace(c.DrawBeacon(ACTOR, "", PATH, BEACON.source, BEACON.round, *given), **changed)


def run(stage: Stage) -> None:
    """Let time go on, deadline by deadline, until it is drawn."""
    while not only(decoded(stage), k.Drawn):
        deadline = stage.core.next_deadline_ms()
        assert deadline is not None, "it is never drawn"
        stage.step(deadline)


def decoded(stage: Stage) -> list[e.AnyEvent]:
    return [event for payload in stage.entries for event in codec.decode_entry(payload).events]


def verdict(stage: Stage) -> Verdict:
    kind = stage.replica.paths[PATH].kind
    assert isinstance(kind, DrawReplica)
    proof = kind.proof(EXPERIENCE)
    assert proof is not None and proof.commitment == kind.commitment.hex()
    return check(encode(proof), bls.unproven).verdict


# An order in many slices


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six lots a step, so that a few dozen entrants take some."""
    monkeypatch.setattr(lots, "SLICE_LOTS", 6)


@pytest.mark.usefixtures("slices")
def test_many_are_drawn_one_slice_a_step_and_the_proof_is_ok() -> None:
    stage = entered(30)
    before = len(stage.entries)
    run(stage)
    (drawn,) = only(decoded(stage), k.Drawn)
    assert len(stage.entries) - before == 30 // 2 + 6
    hats = bytes(1 + number % 3 for number in range(30))
    order = lottery.draw(drawn.seed, hats)
    assert drawn.winners == order[:2].tolist() == [one.ticket for one in stage.admissions]
    assert drawn.at == stage.now_ms == CLOSES_AT + lots.SLICE_PAUSE_MS * (30 // 2 + 5)
    assert verdict(stage) is Verdict.OK


@pytest.mark.usefixtures("slices")
def test_a_step_that_is_late_takes_one_slice_all_the_same() -> None:
    stage = entered(30)
    stage.step(CLOSES_AT + 100)
    assert stage.core.next_deadline_ms() == CLOSES_AT + 100 + lots.SLICE_PAUSE_MS
    stage.step(CLOSES_AT + 900)
    assert stage.core.next_deadline_ms() == CLOSES_AT + 900 + lots.SLICE_PAUSE_MS
    assert not only(decoded(stage), k.Drawn)


@pytest.mark.usefixtures("slices")
def test_a_draw_under_way_is_put_away_and_goes_on_alike() -> None:
    stage, restored = entered(30), entered(30)
    while not only(decoded(stage), k.Drawn):
        deadline = stage.core.next_deadline_ms()
        assert deadline is not None and deadline == restored.core.next_deadline_ms()
        stage.step(deadline)
        restored.step(deadline)
        kept = restored.core.snapshot()
        restored.core = Experience.restore(EXPERIENCE, kept)
        assert restored.core.snapshot() == kept == stage.core.snapshot()
    assert restored.entries == stage.entries == stage.replayed().entries


@pytest.mark.usefixtures("slices")
def test_whoever_leaves_while_it_is_drawn_is_passed_over() -> None:
    winners = only(decoded(_drawn(entered(30))), k.Drawn)[0].winners
    stage = entered(30)
    stage.step(CLOSES_AT, c.Leave(consumer(winners[0]), PATH))
    run(stage)
    (drawn,) = only(decoded(stage), k.Drawn)
    assert drawn.winners[0] == winners[1] and winners[0] not in drawn.winners
    assert verdict(stage) is Verdict.OK


def _drawn(stage: Stage) -> Stage:
    run(stage)
    return stage


@pytest.mark.usefixtures("slices")
def test_a_pause_holds_a_draw_under_way_and_an_end_stops_it() -> None:
    stage = entered(30)
    stage.step(CLOSES_AT + 5, c.Pause(ACTOR, "", PATH))
    assert stage.core.next_deadline_ms() is None
    stage.later(500, c.Resume(ACTOR, "", PATH), c.Draw(ACTOR, "", PATH))
    assert stage.core.next_deadline_ms() == stage.now_ms + lots.SLICE_PAUSE_MS
    stage.later(10, c.End(ACTOR, "", PATH))
    assert (stage.path(PATH).phase, stage.core.next_deadline_ms()) == ("ended", None)
    assert stage.refusal(c.Draw(ACTOR, "", PATH))[0] == "closed"
    assert stage.refusal(beacon())[0] == "closed"


# Beacon, refusals, settings


def test_a_named_beacon_decides_and_is_part_of_the_proof() -> None:
    stage = entered(5, beacon=NAMED)
    stage.step(CLOSES_AT + 50)
    assert stage.core.next_deadline_ms() is None and stage.path(PATH).phase == "settling"
    stage.later(1, beacon())
    assert [type(event) for event in decoded(stage)[-3:]] == [k.BeaconGiven, k.Drawn, e.Admitted]
    assert verdict(stage) is Verdict.OK
    assert stage.later(1, beacon(), c.Draw(ACTOR, "", PATH)) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"source": REAL["fastnet"].source}, "beacon"),
        ({"round": BEACON.round + 1}, "beacon"),
        ({"randomness": bytes(32)}, "beacon.randomness"),
        ({"signature": bytes(48)}, "beacon.randomness"),
    ],
)
def test_a_beacon_that_is_not_the_named_one_is_refused(changed: dict[str, Any], field: str) -> None:
    stage = entered(5, beacon=NAMED)
    stage.step(CLOSES_AT)
    reason, detail = stage.refusal(beacon(**changed))
    assert (reason, detail["field"]) == ("invalid", field)


def test_another_signature_of_the_same_round_comes_too_late() -> None:
    stage = entered(5, beacon=NAMED)
    stage.step(CLOSES_AT, beacon())
    other = bytes(48)
    assert stage.refusal(beacon(signature=other, randomness=lottery.commitment(other)))[0] == "already_done"


def test_where_no_beacon_is_named_none_is_taken() -> None:
    stage = entered(5, draw_at=CLOSES_AT + 100)
    stage.step(CLOSES_AT)
    assert stage.refusal(beacon())[0] == "invalid"


@pytest.mark.parametrize(
    ("closed", "terms", "field"),
    [
        (False, {"beacon": NAMED}, "beacon"),
        (False, {"hats_max": 4}, "hats_max"),
        (True, {"winner_count": 3}, "winner_count"),
        (True, {"draw_at": CLOSES_AT + 299}, "draw_at"),
        (True, {"draw_at": CLOSES_AT + 301, "closes_at": CLOSES_AT + 301}, "closes_at"),
    ],
)
def test_what_those_who_entered_rely_on_does_not_change(closed: bool, terms: dict[str, Any], field: str) -> None:
    stage = entered(5, draw_at=CLOSES_AT + 300)
    if closed:
        stage.step(CLOSES_AT)
    reason, detail = stage.refusal(configure(told(**{"draw_at": CLOSES_AT + 300} | terms)))
    assert (reason, detail) == ("in_use", {"fields": [f"paths.{PATH}.distribution.{field}"]})


def test_before_the_close_everything_else_may_change_and_after_it_the_draw_may_come_later() -> None:
    stage = entered(5)
    stage.answer(configure(told(winner_count=3, draw_at=CLOSES_AT + 200, closes_at=CLOSES_AT + 100)))
    stage.step(CLOSES_AT + 100)
    stage.answer(configure(told(winner_count=3, draw_at=CLOSES_AT + 400, closes_at=CLOSES_AT + 100)))
    assert stage.core.next_deadline_ms() == CLOSES_AT + 400
    run(stage)
    assert len(stage.admissions) == 3


def test_a_path_that_is_made_anew_has_another_secret() -> None:
    stage = Stage(told())
    stage.answer(configure(document()))
    stage.answer(configure(told()))
    first, second = only(decoded(stage), k.DrawCommitted)
    assert first.commitment != second.commitment


def test_backfill_that_is_switched_off_lets_the_reserve_go_at_once() -> None:
    stage = entered(6)
    run(stage)
    stage.answer(configure(told(backfill=False)))
    assert only(decoded(stage), k.NotDrawn) == [k.NotDrawn(PATH, stage.now_ms, [])]
    assert stage.path(PATH).tickets.waiting == 0


def test_who_wants_what_is_not_free_is_passed_over_in_the_order() -> None:
    products = [raw_product(raw_variant("a", stock=0), raw_variant("b"))]
    raw = told(fields={"product_selection": "consumer"}, products=products, winner_count=1)
    first = only(decoded(_drawn(_wanting(Stage(raw), None))), k.Drawn)[0].winners[0]
    stage = _drawn(_wanting(Stage(raw), first))
    assert only(decoded(stage), k.Drawn)[0].winners == [first]
    assert len(stage.admissions) == 1 and stage.admissions[0].ticket != first


def _reserved_elsewhere(**terms: Any) -> tuple[Stage, int, int]:
    """Who would be admitted first wants what somebody in a queue has a window for; answers the first two in order."""
    products = [raw_product(raw_variant("a", stock=1), raw_variant("b"))]
    raw = told(fields={"product_selection": "consumer"}, products=products, winner_count=1, **terms)
    order = lottery.draw(only(decoded(_drawn(_wanting(Stage(raw), None))), k.Drawn)[0].seed, bytes([1] * 4))
    queue = raw_path(variants=["a"], distribution={"checkout_window_seconds": 60})
    stage = Stage(structs.replace(raw, paths=[*raw.paths, *document(paths=[queue], products=products).paths]))
    stage.later(0, c.Join(consumer(9), "general"))
    return _drawn(_wanting(stage, order[0])), order[0], order[1]


def _admitted(stage: Stage) -> list[int]:
    return [one.ticket for one in stage.admissions if one.path == PATH]


def test_a_place_is_kept_for_who_wants_what_may_come_back() -> None:
    stage, first, _ = _reserved_elsewhere()
    stage.later(1_000)
    assert stage.answer(c.AdmitNow(ACTOR, "", PATH, 4)) == {"admitted": 0}
    assert (_admitted(stage), stage.path(PATH).tickets.waiting) == ([], 4)
    stage.later(0, c.Decline(consumer(9), "general"))
    assert _admitted(stage) == [first]
    stage, first, _ = _reserved_elsewhere()
    stage.later(0, c.Choose(consumer(first), PATH, "b"))
    assert _admitted(stage) == [first]


def test_a_place_that_is_kept_for_nobody_any_more_is_the_next_ones() -> None:
    for what in ("it is sold", "the winner leaves"):
        stage, first, second = _reserved_elsewhere()
        sold = c.Complete(ACTOR, "", stage.admission(0))
        stage.later(0, sold if what == "it is sold" else c.Leave(consumer(first), PATH))
        assert _admitted(stage) == [second]


def test_who_moves_up_for_a_place_that_is_kept_is_found_by_the_audit() -> None:
    stage, _, second = _reserved_elsewhere(max_active=4)
    turn = e.Admitted(PATH, stage.now_ms, stage.now_ms + 10_000, "k1", [second], bytes(16), False)
    with pytest.raises(Broken, match=f"ticket {second} was admitted, but None was the first that waits"):
        stage.write(stage.now_ms, turn)
    stage, _, second = _reserved_elsewhere()
    stage.write(stage.now_ms, turn, e.StockChanged("a", 1, 0, 1))


def test_where_all_want_what_is_not_free_nobody_is_admitted() -> None:
    products = [raw_product(raw_variant("a", stock=0), raw_variant("b"))]
    stage = Stage(told(fields={"product_selection": "consumer"}, products=products))
    stage.later(1, c.Join(consumer(1), PATH, credentials=c.Credentials(variant="a")))
    run(stage)
    assert (stage.admissions, stage.states(PATH)) == ([], ["waiting"])


def test_nobody_enters_for_what_is_sold_out() -> None:
    stage = Stage(told(products=[raw_product(raw_variant("a", stock=0))]))
    assert stage.refusal(c.Join(consumer(1), PATH))[0] == "sold_out"


def _wanting(stage: Stage, who: int | None) -> Stage:
    """Four enter; one of them wants what is sold out."""
    stage.later(1, *(c.Join(consumer(number), PATH) for number in range(4)))
    if who is not None:
        stage.later(1, c.Choose(consumer(who), PATH, "a"))
    return stage


# The slow model


@pytest.mark.parametrize("seed", range(30))
def test_the_next_is_always_the_first_of_the_order_that_waits(seed: int) -> None:
    chance = Random(seed)
    stage = _drawn(entered(chance.randrange(3, 25), winner_count=chance.randrange(1, 6)))
    (drawn,) = only(decoded(stage), k.Drawn)
    path, order = stage.path(PATH), lottery.draw(drawn.seed, bytes(stage.path(PATH).tickets.hats))
    for _ in range(40):
        if path.phase != "settling":
            break
        who = consumer(chance.randrange(25))
        acts: list[c.Command] = [c.Leave(who, PATH), c.Decline(who, PATH), c.Rejoin(who, PATH)]
        for ms, commands in ((chance.choice((0, 400, 11_000)), []), (0, [chance.choice(acts)])):
            seen = len(stage.admissions)
            stage.later(ms, *commands)
            for one in stage.admissions[seen:]:
                earlier = order[: order.index(one.ticket)]
                assert TicketState.WAITING not in [path.tickets.states[ticket] for ticket in earlier]
        open_or_bought = len(path.windows.open) + path.meter.completed
        assert path.tickets.waiting == 0 or open_or_bought == path.meter.max_admissions


# The audit


Spoil = Callable[[Any], Any]
SPOILT: list[tuple[type, dict[str, Any], str]] = [
    (k.DrawCommitted, {"commitment": bytes(32)}, "not the one that was committed to"),
    (k.EntriesClosed, {"root": bytes(32)}, "not that of the roster"),
    (k.EntriesClosed, {"tickets": 7}, "not that of the roster"),
    (k.BeaconGiven, {"randomness": bytes(32)}, "not the SHA-256"),
    (k.Drawn, {"secret": bytes(32)}, "not the one that was committed to"),
    (k.Drawn, {"seed": bytes(32)}, "seed does not follow"),
    (k.Drawn, {"order_digest": bytes(32)}, "not the one that the seed gives"),
    (k.Drawn, {"winners": [0]}, "not the first of the order"),
    (k.NotDrawn, {"kept": [0, 1, 2]}, "were kept"),
    (k.NotDrawn, {"at": CLOSES_AT}, "could still move up"),
]


def sound() -> list[e.Entry]:
    """A draw with a beacon, whose winners do not come, until nobody moves up any more."""
    stage = entered(6, beacon=NAMED, redraw_until=CLOSES_AT + 15_000)
    stage.step(CLOSES_AT, beacon())
    while (deadline := stage.core.next_deadline_ms()) is not None:
        stage.step(deadline)
    return [codec.decode_entry(payload) for payload in stage.entries]


def audited(entries: list[e.Entry]) -> Audit:
    audit = Audit()
    for number, entry in enumerate(entries):
        payload = codec.encode_entry(entry)
        audit.entry(f"1-{number}", payload, codec.next_chain(audit.chain, payload))
    return audit


def changed(entries: list[e.Entry], change: Callable[[e.AnyEvent], list[e.AnyEvent]]) -> list[e.Entry]:
    return [structs.replace(entry, events=[new for old in entry.events for new in change(old)]) for entry in entries]


@pytest.mark.parametrize(("kind", "fields", "says"), SPOILT)
def test_what_does_not_follow_is_found(kind: type, fields: dict[str, Any], says: str) -> None:
    entries = sound()
    audited(entries)
    spoilt = changed(entries, lambda event: [structs.replace(event, **fields)] if isinstance(event, kind) else [event])
    assert spoilt != entries
    with pytest.raises(Broken, match=says):
        audited(spoilt)


@pytest.mark.parametrize(
    ("before", "put", "says"),
    [
        (k.Drawn, [e.PauseChanged(PATH, True, CLOSES_AT, ACTOR)], "its time had not come"),
        (k.Drawn, [e.Joined(PATH, 6, consumer(9), b"\x01")], "joined behind the root"),
        (k.Drawn, [k.DrawCommitted(PATH, bytes(32))], "after somebody had joined"),
        (k.EntriesClosed, [k.BeaconGiven(PATH, CLOSES_AT, bytes(32), bytes(48), ACTOR)], "not waited for"),
        (k.Drawn, [e.Admitted(PATH, CLOSES_AT, CLOSES_AT + 9, "k1", [0], bytes(16), False)], "None was the first"),
        (k.NotDrawn, [e.WaitingLost(PATH, CLOSES_AT, "not_drawn")], "could still be theirs"),
    ],
)
def test_what_comes_too_early_is_found(before: type, put: list[e.AnyEvent], says: str) -> None:
    with pytest.raises(Broken, match=says):
        audited(changed(sound(), lambda event: [*put, event] if isinstance(event, before) else [event]))


def test_what_is_drawn_for_is_offered_to_nobody_before() -> None:
    waitlist = {"id": "list", "attached_to": PATH, "distribution": {"kind": "waitlist"}}
    terms = {"kind": "draw", "winner_count": 2, "closes_at": CLOSES_AT}
    products = [raw_product(raw_variant("a", stock=0))]
    stage = Stage(document(paths=[{"id": PATH, "distribution": terms}, waitlist], products=products))
    stage.later(0, *(c.Join(consumer(who), "list") for who in (8, 9)))
    stage.later(0, c.SetStock(ACTOR, "", "a", add=2), c.Offer(ACTOR, "", "list", 2))
    assert stage.states("list") == ["waiting", "waiting"]
    stage.later(0, c.Join(consumer(1), PATH))
    stage.step(CLOSES_AT)
    assert stage.states(PATH) == ["admitted"]
    stage.later(0, c.Offer(ACTOR, "", "list", 2))
    assert stage.states("list") == ["offered", "waiting"]
