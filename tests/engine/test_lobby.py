"""The lobby of a queue: what transcripts cannot show, above all an order that takes many steps; and its audit."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from engine.audit import Audit
from engine.audits.promises import Broken
from engine.core import lots
from engine.core.experience import Experience
from engine.distributions import lobby as lobbies
from protocol import bls, codec, lottery
from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.documents import Experience as Document
from protocol.kinds.queue import QueueReplica
from protocol.proof import Verdict, check, encode
from protocol.replica_codec import decode_replica, encode_replica
from protocol.roster import EVERYBODY, NO_PLACE
from tests.engine.stage import ACTOR, START_MS, Stage, assert_agree, configure, only
from tests.support.samples import EXPERIENCE, consumer, document, raw_path, raw_product, raw_variant

PATH = "general"
LOBBY_AT, OPENS_AT = START_MS + 100, START_MS + 1_000


def told(*, products: Any = (), terms: dict[str, Any] | None = None, **fields: Any) -> Document:
    """A document with one queue that has a lobby, and a rate that lets everybody in at once."""
    times = {"lobby_opens_at": LOBBY_AT, "opens_at": OPENS_AT}
    distribution = {"release_rate_per_minute": 60_000, "max_active": 3} | (terms or {})
    return document(paths=[raw_path(PATH, distribution=distribution, **(times | fields))], products=list(products))


def gathered(count: int, **fields: Any) -> Stage:
    """A lobby in which ``count`` are, with hats from 1 to 3."""
    stage = Stage(told(**fields))
    stage.step(LOBBY_AT)
    stage.later(1, *(c.Join(consumer(number), PATH, hats=1 + number % 3) for number in range(count)))
    return stage


def decoded(stage: Stage) -> list[e.AnyEvent]:
    return [event for payload in stage.entries for event in codec.decode_entry(payload).events]


def run(stage: Stage) -> k.Drawn:
    """Let time go on, deadline by deadline, until the order is drawn."""
    while not (found := only(decoded(stage), k.Drawn)):
        deadline = stage.core.next_deadline_ms()
        assert deadline is not None, "it is never drawn"
        stage.step(deadline)
        assert_agree(stage.core, stage.replica)
    return found[0]


def kind_of(stage: Stage) -> QueueReplica:
    kind = stage.replica.paths[PATH].kind
    assert isinstance(kind, QueueReplica)
    return kind


def aheads(stage: Stage, count: int) -> list[int]:
    return [stage.replica.paths[PATH].roster.ahead(ticket) for ticket in range(count)]


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six lots and eight places a step, so that a few dozen people take some."""
    monkeypatch.setattr(lots, "SLICE_LOTS", 6)
    monkeypatch.setattr(lobbies, "PART_PLACES", 8)


def test_nobody_has_a_place_in_the_lobby_and_everybody_has_one_behind_it() -> None:
    stage = gathered(5)
    path = stage.replica.paths[PATH]
    assert (path.phase, path.roster.unplaced, path.roster.waiting) == ("lobby", EVERYBODY, 5)
    assert aheads(stage, 5) == [NO_PLACE] * 5
    drawn = run(stage)
    order = lottery.draw(drawn.seed, bytes([1, 2, 3, 1, 2])).tolist()
    assert [one.ticket for one in stage.admissions] == order[:3]
    assert [path.roster.ahead(ticket) for ticket in order[3:]] == [0, 1]
    stage.later(1, c.Join(consumer(9), PATH))
    assert path.roster.ahead(5) == 2


def test_the_commitment_comes_before_anybody_and_the_proof_is_ok() -> None:
    stage = gathered(7)
    committed = only(decoded(stage), k.DrawCommitted)
    assert [one.commitment for one in committed] == [kind_of(stage).commitment]
    assert kind_of(stage).proof(EXPERIENCE) is None
    stage.later(1, c.Leave(consumer(2), PATH))
    run(stage)
    proof = kind_of(stage).proof(EXPERIENCE)
    assert proof is not None and (proof.winners, proof.tickets, proof.operator_could_know) == ([], 7, True)
    assert check(encode(proof), bls.unproven).verdict is Verdict.OK


@pytest.mark.usefixtures("slices")
def test_many_are_ordered_a_slice_a_step_and_told_part_by_part() -> None:
    stage = gathered(30)
    before = len(stage.entries)
    drawn = run(stage)
    parts = only(decoded(stage), k.PlacesGiven)
    assert [(one.first, len(one.tickets)) for one in parts] == [(0, 32), (8, 32), (16, 32), (24, 24)]
    assert len(stage.entries) - before == 30 // 2 + 5 + len(parts)
    order = [ticket for part in parts for ticket in lottery.unpacked(part.tickets)]
    assert order == lottery.draw(drawn.seed, bytes(1 + number % 3 for number in range(30))).tolist()
    assert stage.replica.paths[PATH].roster.order == lottery.packed(stage.path().places.order)


@pytest.mark.usefixtures("slices")
def test_who_joins_while_it_is_drawn_has_a_place_behind_and_nobody_is_admitted_before() -> None:
    stage = gathered(30)
    stage.step(OPENS_AT)
    stage.later(1, c.Join(consumer(40), PATH), c.AdmitNow(ACTOR, "", PATH, 3))
    assert stage.admissions == [] and aheads(stage, 31)[29:] == [NO_PLACE, 30]
    assert stage.replica.paths[PATH].roster.ranks(_array(3, 30)).tolist() == [NO_PLACE, 30]
    run(stage)
    assert stage.admissions and stage.replica.paths[PATH].roster.ahead(30) == 30 - len(stage.admissions)


def _array(*tickets: int) -> Any:
    from numpy import array

    return array(tickets)


@pytest.mark.usefixtures("slices")
def test_a_lobby_that_is_ordered_is_put_away_and_goes_on_alike() -> None:
    stage, restored = gathered(30), gathered(30)
    for one in (stage, restored):
        one.later(1, c.Leave(consumer(4), PATH))
    while not only(decoded(stage), k.Drawn):
        deadline = stage.core.next_deadline_ms()
        assert deadline is not None and deadline == restored.core.next_deadline_ms()
        stage.step(deadline)
        restored.step(deadline)
        kept = restored.core.snapshot()
        restored.core = Experience.restore(EXPERIENCE, kept)
        stored = encode_replica(restored.replica)
        restored.replica = decode_replica(stored)
        assert encode_replica(restored.replica) == stored
        assert restored.core.snapshot() == kept == stage.core.snapshot()
    stage.later(1)
    restored.later(1)
    assert restored.entries == stage.entries == stage.replayed().entries
    assert_agree(restored.core, restored.replica)


@pytest.mark.usefixtures("slices")
def test_an_end_while_it_is_drawn_stops_it() -> None:
    stage = gathered(30)
    stage.step(OPENS_AT)
    stage.later(1, c.End(ACTOR, "", PATH))
    assert (stage.path().phase, stage.core.next_deadline_ms()) == ("ended", None)


@pytest.mark.usefixtures("slices")
def test_a_lobby_that_all_leave_while_it_is_drawn_ends_with_its_path() -> None:
    stage = gathered(30)
    stage.step(LOBBY_AT + 5, c.Close(ACTOR, "", PATH))
    stage.later(1, *(c.Leave(consumer(number), PATH) for number in range(30)))
    assert (stage.path().phase, stage.core.next_deadline_ms()) == ("ended", None)


def test_a_lobby_that_is_set_up_later_is_committed_to_when_it_opens() -> None:
    stage = Stage(told(lobby_opens_at=None))
    assert not only(decoded(stage), k.DrawCommitted)
    stage.later(1, configure(told()))
    assert not only(decoded(stage), k.DrawCommitted)
    assert len(only(stage.step(LOBBY_AT), k.DrawCommitted)) == 1
    stage.later(1, configure(told(opens_at=OPENS_AT + 500)))
    assert only(stage.step(OPENS_AT + 500), k.Drawn)


def test_choices_are_served_in_the_order_that_was_drawn() -> None:
    products = [raw_product(raw_variant("a", stock=1), raw_variant("b", stock=5))]
    stage = gathered(0, products=products, product_selection="consumer", terms={"max_active": None})
    brought = [c.Credentials(variant="a" if number % 2 else "b") for number in range(8)]
    stage.later(1, *(c.Join(consumer(number), PATH, credentials=one) for number, one in enumerate(brought)))
    drawn = run(stage)
    order = lottery.draw(drawn.seed, bytes([1] * 8)).tolist()
    first_of_a = next(ticket for ticket in order if ticket % 2)
    assert [one.ticket for one in stage.admissions] == [one for one in order if one == first_of_a or not one % 2]
    restored = Experience.restore(EXPERIENCE, stage.core.snapshot())
    assert restored.paths[PATH].distribution.next_ticket() is None
    assert restored.snapshot() == stage.core.snapshot()


# The audit


def _audited(stage: Stage, changed: dict[type, Any]) -> None:
    """The log again, with every event of a type in ``changed`` as this makes it."""
    audit, chain, changed = Audit(), bytes(32), dict(changed)
    for number, payload in enumerate(stage.entries):
        entry = codec.decode_entry(payload)
        events = [changed.get(type(one), lambda same: [same])(one) for one in entry.events]
        payload = codec.encode_entry(structs.replace(entry, events=[one for some in events for one in some]))
        chain = codec.next_chain(chain, payload)
        audit.entry(f"1-{number}", payload, chain)


def test_the_auditor_takes_what_is_so() -> None:
    stage = gathered(6)
    run(stage)
    _audited(stage, {})


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [
        (k.PlacesGiven, lambda one: [structs.replace(one, tickets=one.tickets[::-1])], "not the order that was drawn"),
        (k.PlacesGiven, lambda one: [structs.replace(one, first=1)], "told behind 0"),
        (k.PlacesGiven, lambda one: [], "not the order that was drawn"),
        (k.EntriesClosed, lambda one: [], "told behind 0"),
        (k.EntriesClosed, lambda one: [structs.replace(one, tickets=2)], "not that of the roster"),
        (k.Drawn, lambda one: [structs.replace(one, seed=bytes(32))], "does not follow"),
        (k.Drawn, lambda one: [], "but None was the first"),
        (k.Drawn, lambda one: [structs.replace(one, winners=[1])], "not the first"),
        (e.Admitted, lambda one: [structs.replace(one, tickets=one.tickets[::-1])], "was admitted, but"),
    ],
)
def test_the_auditor_finds_what_is_not_so(kind: type, change: Any, text: str) -> None:
    stage = gathered(6)
    run(stage)
    with pytest.raises(Broken, match=text):
        _audited(stage, {kind: change})


def test_the_root_is_not_told_in_the_lobby() -> None:
    stage = gathered(2)
    root = lottery.roster_root(bytes([1, 2]))
    with pytest.raises(Broken, match="not that of the roster"):
        stage.write(stage.now_ms, k.EntriesClosed(PATH, stage.now_ms, 2, root))


def test_whoever_has_left_is_passed_over_and_whoever_came_later_is_next_at_last() -> None:
    stage = gathered(4, terms={"max_active": 1})
    order = lottery.draw(run(stage).seed, bytes([1, 2, 3, 1])).tolist()
    stage.later(1, c.Leave(consumer(order[1]), PATH), c.Leave(consumer(order[3]), PATH), c.Join(consumer(9), PATH))
    for _ in range(3):
        (window,) = stage.path().windows.open
        stage.later(1, c.Complete("shop", "", stage.admission(window)))
    assert [one.ticket for one in stage.admissions] == [order[0], order[2], 4]
