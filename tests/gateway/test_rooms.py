"""A room tells those who are here what the log says: who is told, what, and in which order."""

from __future__ import annotations

import asyncio

import pytest

from gateway import conversations
from gateway.wishes import CHOICES_NAMED_MAX, explained
from protocol.commands import Attach, Choose, Join
from protocol.events import (
    Admitted,
    AnyEvent,
    Attached,
    Completed,
    Expired,
    Left,
    PhaseChanged,
    Redeemed,
    Refused,
    Returned,
    TicketRefused,
    WaitingLost,
    WindowMoved,
)
from protocol.refusals import Reason, Refusal
from protocol.states import TicketState
from tests.support.log import START_MS, joined
from tests.support.rooms import ADMISSION, KID, Stage, admitted, extra_opens, holding, line, waiting_stage, with_paths
from tests.support.samples import consumer, raw_path, raw_product, raw_variant


def test_welcome_comes_at_once_and_the_rest_with_the_answer() -> None:
    stage = waiting_stage(2)
    socket = stage.enter(7, Join(consumer(7), "general", implicit=True))
    assert line(socket).kinds() == ["welcome"]
    stage.answer(joined(2, 7))
    frames = line(socket).take()
    assert [frame["type"] for frame in frames] == ["joined", "position", "phase"]
    assert (frames[0]["ticket"], frames[1]["ahead"], frames[1]["of"]) == (2, 2, 3)


def test_whoever_brings_no_session_is_told_the_states_at_once() -> None:
    stage = waiting_stage()
    assert line(stage.enter(7)).kinds() == ["welcome", "phase"]


def test_attached_tells_what_is_held_as_the_frames_they_were() -> None:
    stage = waiting_stage()
    stage.read(stage.log.append(admitted(0)))
    socket = stage.enter(0, Attach(consumer(0)))
    line(socket).take()
    held = holding(
        0, TicketState.ADMITTED, admission=ADMISSION, kid=KID, admitted_at=START_MS, expires_at=START_MS + 600_000
    )
    stage.answer(Attached(consumer(0), [held]))
    frames = line(socket).take()
    assert [frame["type"] for frame in frames] == ["joined", "admitted", "phase"]
    assert frames[1]["checkout_url"].endswith(f"stanchion_pass={frames[1]['pass']}")


def test_dead_tickets_are_told_too() -> None:
    stage = waiting_stage(1)
    stage.read(stage.log.append(Left("general", START_MS, 0, "left")))
    socket = stage.enter(0, Attach(consumer(0)))
    line(socket).take()
    stage.answer(Attached(consumer(0), [holding(0, TicketState.LEFT, reason="left")]))
    frames = line(socket).take()
    assert (frames[0]["type"], frames[0]["state"], frames[0]["reason"]) == ("ticket", "left", "left")


def test_a_refused_join_of_a_handshake_is_followed_by_what_is_held() -> None:
    stage = waiting_stage(1)
    socket = stage.enter(9, Join(consumer(9), "general", implicit=True))
    line(socket).take()
    refused = Refused(stage.room.outgoing.sender, 1, 0, "not_open", {"opens_at": START_MS + 5})
    stage.answer(refused)
    (error,) = line(socket).take()
    assert (error["reason"], error["path"], error["opens_at"]) == ("not_open", "general", START_MS + 5)
    stage.answer(Attached(consumer(9), []))
    assert line(socket).kinds() == ["phase"]


def test_the_ref_goes_to_the_socket_that_asked() -> None:
    stage = Stage()
    one, other = stage.enter(1), stage.enter(1)
    conversations.receive(stage.room, one, '{"type":"join","path":"general","ref":"r"}', 20)
    line(one).take()
    line(other).take()
    stage.answer(joined(0, 1))
    assert [frame.get("ref") for frame in line(one).take() if frame["type"] == "joined"] == ["r"]
    assert [frame.get("ref") for frame in line(other).take() if frame["type"] == "joined"] == [None]


@pytest.mark.parametrize(
    ("frame", "selection", "allowed"),
    [
        ('{"type":"join","path":"general","variant":"c"}', "consumer", "a, b"),
        ('{"type":"join","variant":"c"}', "consumer", "a, b"),
        ('{"type":"choose","path":"general","variant":"c"}', "consumer", "a, b"),
        ('{"type":"claim","path":"general","variant":"c"}', "consumer", "a, b"),
        ('{"type":"join","path":"general","variant":"a"}', "system", "none: nothing is chosen in this path"),
        ('{"type":"join","path":"general","variant":"a"}', "consumer", None),
        ('{"type":"leave","path":"general"}', "consumer", None),
    ],
)
def test_who_names_another_variant_is_told_which_there_are(frame: str, selection: str, allowed: str | None) -> None:
    products = [raw_product(raw_variant("a"), raw_variant("b"))]
    stage = Stage(products=products, paths=[raw_path(product_selection=selection)])
    socket = stage.enter(0)
    line(socket).take()
    conversations.receive(stage.room, socket, frame, 100)
    stage.answer(Refused(stage.room.outgoing.sender, 1, 0, "invalid", {"path": "general"}))
    (error,) = line(socket).take()
    assert (error["reason"], error.get("allowed")) == ("invalid", allowed)
    assert error.get("field") == (None if allowed is None else "variant")


def test_an_error_names_so_many_variants_and_no_more() -> None:
    products = [raw_product(*(raw_variant(f"v{number}") for number in range(CHOICES_NAMED_MAX + 5)))]
    stage = Stage(products=products, paths=[raw_path(product_selection="consumer")])
    no = explained(Refusal(Reason.INVALID), Choose(consumer(0), "general", "c"), "general", stage.room.replica)
    assert no.detail["allowed"].endswith(f"v{CHOICES_NAMED_MAX - 1} and 5 more")


def test_a_command_without_a_fact_is_answered_ok() -> None:
    stage = waiting_stage(1)
    socket = stage.enter(0)
    conversations.receive(stage.room, socket, '{"type":"decline","path":"general","ref":3}', 20)
    line(socket).take()
    stage.answer()
    (frame,) = line(socket).take()
    assert (frame["type"], frame["ref"]) == ("ok", 3)


def test_every_change_of_a_ticket_is_told_to_its_consumer_alone() -> None:
    stage = Stage()
    mine, other = stage.enter(1), stage.enter(2)
    stage.read(stage.log.join(0, 1, 2))
    told = []
    for event in (
        admitted(0),
        WindowMoved("general", 0, START_MS + 700_000),
        Redeemed("general", START_MS, 0, "shop"),
        WindowMoved("general", 0, START_MS + 800_000),
        Completed("general", START_MS, 0, "o-1", "shop"),
    ):
        line(mine).take()
        stage.read(stage.log.append(event))
        told.append([(frame["type"], frame.get("state")) for frame in line(mine).take()])
    assert told == [
        [("admitted", None)],
        [("admitted", None)],
        [("ticket", "redeemed")],
        [("admitted", None), ("ticket", "redeemed")],
        [("ticket", "completed")],
    ]
    assert set(line(other).kinds()) <= {"welcome", "phase", "joined", "position"}


@pytest.mark.parametrize(
    ("event", "state", "reason"),
    [
        (Left("general", START_MS, 0, "left"), "left", "left"),
        (TicketRefused("general", START_MS, 0, "bot", "shop"), "refused", "bot"),
        (WaitingLost("general", START_MS, "sold_out"), "lost", "sold_out"),
    ],
)
def test_waiting_tickets_that_end(event: object, state: str, reason: str) -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 1))
    line(socket).take()
    stage.read(stage.log.append(event))  # type: ignore[arg-type]
    (frame,) = line(socket).take()
    assert (frame["type"], frame["state"], frame["reason"]) == ("ticket", state, reason)


def test_a_missed_turn_says_whether_it_can_be_forgiven() -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 1))
    may = []
    for _ in range(2):
        stage.read(stage.log.append(admitted(0)))
        stage.read(stage.log.append(Expired("general", START_MS, [0])))
        may.append(line(socket).take()[-1]["may_rejoin"])
        stage.read(stage.log.append(Returned("general", 0)))
    assert may == [True, False]
    assert line(socket).kinds() == ["ticket", "position"]


@pytest.mark.parametrize(
    "last", [PhaseChanged("general", "ended", START_MS, None, None, ""), WaitingLost("general", START_MS, "ended")]
)
def test_a_missed_turn_that_ends_the_path_cannot_be_forgiven(last: AnyEvent) -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1), PhaseChanged("general", "settling", START_MS, None, None, "shop")))
    stage.read(stage.log.append(admitted(0)))
    stage.read(stage.log.append(Expired("general", START_MS, [0]), last))
    (expired,) = [frame for frame in line(socket).take() if frame.get("state") == "expired"]
    assert expired["may_rejoin"] is False


def test_whoever_comes_to_what_was_ended_by_hand_is_told_that_a_missed_turn_is_not_forgiven() -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1, 2), admitted(0)))
    end = PhaseChanged("general", "settling", START_MS, None, None, "shop")
    stage.read(stage.log.append(end, WaitingLost("general", START_MS, "ended")))
    stage.read(stage.log.append(Expired("general", START_MS, [0])))
    assert line(socket).take()[-1]["may_rejoin"] is False


def test_the_ticket_of_someone_gone_is_nobodys_here() -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 1))
    stage.room.leave(socket)
    stage.room.leave(socket)
    stage.read(stage.log.append(admitted(0)))
    assert "admitted" not in line(socket).kinds()
    assert (stage.room.sockets, len(stage.room.people.seats("general").pacing)) == (0, 0)


@pytest.mark.parametrize("live", [True, False])
def test_a_path_that_comes_back_is_another_one(live: bool) -> None:
    stage = Stage()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    before = stage.enter(1)
    stage.read(stage.log.join(0, 1, path="extra"))
    if not live:
        stage.room.went_live.clear()
    stage.read(stage.log.append(Left("extra", START_MS, 0, "left"), with_paths(stage, 3, "general")))
    stage.read(stage.log.append(with_paths(stage, 4, "general", "extra"), extra_opens()))
    assert line(stage.enter(1)).take()[0]["tickets"] == []
    stage.read(stage.log.join(0, 2, path="extra"))
    stage.room.went_live.set()
    line(before).take()
    stage.read(stage.log.append(Admitted("extra", START_MS, START_MS + 600_000, KID, [0], ADMISSION, False)))
    assert line(before).take() == []


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_path_may_come_and_go_in_one_entry(comes_back: bool) -> None:
    stage = Stage()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    socket = stage.enter(1, Join(consumer(1), "extra", implicit=True), watched=frozenset({"general"}))
    line(socket).take()
    gone = with_paths(stage, 3, "general")
    back = [with_paths(stage, 4, "general", "extra")] if comes_back else []
    stage.answer(joined(0, 1, path="extra"), Left("extra", START_MS, 0, "left"), gone, *back)
    assert line(socket).kinds()[:2] == ["joined", "ticket"]
    assert "position" not in line(socket).kinds()
    other = stage.enter(2)
    stage.read(stage.log.append(with_paths(stage, 5, "general", "extra"), extra_opens()))
    conversations.receive(stage.room, other, '{"type":"join","path":"extra"}', 20)
    line(other).take()
    stage.answer(joined(0, 2, path="extra"), Left("extra", START_MS, 0, "left"), with_paths(stage, 6, "general"))
    assert line(other).kinds()[:2] == ["joined", "ticket"]


def test_what_many_sockets_of_one_consumer_ask_for_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = waiting_stage(1)
    sockets = [stage.enter(0) for _ in range(20)]
    for number in range(10):
        for socket in sockets:
            conversations.receive(stage.room, socket, f'{{"type":"join","path":"general","ref":{number}}}', 20)
    for socket in sockets:
        line(socket).take()
    looks: list[int] = []
    slots_of = stage.room.people.slots_of

    def looked_up(number: int) -> list[int]:
        looks.append(number)
        return slots_of(number)

    monkeypatch.setattr(stage.room.people, "slots_of", looked_up)
    stage.answer(*[Attached(consumer(0), [holding(0, TicketState.WAITING)])] * 200)
    assert len(looks) == 1
    for socket in sockets:
        frames = line(socket).take()
        assert [frame["ref"] for frame in frames if frame["type"] == "joined"] == list(range(10))
        assert "ok" not in {frame["type"] for frame in frames}


def test_each_of_two_joins_is_answered_once() -> None:
    stage = Stage()
    socket = stage.enter(1)
    for ref in (1, 2):
        conversations.receive(stage.room, socket, f'{{"type":"join","path":"general","ref":{ref}}}', 20)
    line(socket).take()
    stage.answer(joined(0, 1), Attached(consumer(1), [holding(0, TicketState.WAITING)]))
    assert [frame["ref"] for frame in line(socket).take() if frame["type"] == "joined"] == [1, 2]


def test_who_stops_waiting_for_an_entry_is_forgotten() -> None:
    stage, there = Stage(), asyncio.Event()
    stage.room.at_entry("1-99", there.set)
    stage.room.waiters.forget(there.set)
    assert stage.room.waiters._waiting == []


def test_a_handshake_that_joins_what_is_not_there_is_told_so_here() -> None:
    stage = waiting_stage(1)
    joins = [Join(consumer(0), path, implicit=True) for path in ("nowhere", "general")]
    both, alone = stage.enter(0, *joins), stage.enter(0, joins[0])
    for socket in (both, alone):
        error = line(socket).take()[1]
        assert (error["reason"], error["path"]) == ("not_found", "nowhere")
    assert [asked.command for asked in stage.room.outgoing.waiting()] == [joins[1], Attach(consumer(0))]
    stage.answer(Attached(consumer(0), [holding(0, TicketState.WAITING)]))
    for socket in (both, alone):
        assert line(socket).kinds() == ["joined", "position", "phase"]
