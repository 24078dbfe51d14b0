"""A room tells those who are here what the log says: who is told, what, in which order, and when it must wait."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from msgspec import structs

from gateway import conversations
from gateway.asked import Asked
from gateway.rooms import monotonic_ms
from gateway.rounds import sweep, tell_announcements, tell_round
from protocol.commands import Attach, Join
from protocol.events import (
    Admitted,
    Attached,
    Completed,
    Configured,
    Expired,
    Holding,
    Left,
    NoticePosted,
    PauseChanged,
    PhaseChanged,
    Redeemed,
    Refused,
    ReleaseRateChanged,
    Returned,
    SoldOutChanged,
    StockChanged,
    TicketRefused,
    WaitingLost,
    WindowMoved,
)
from protocol.replica import Replica, ReplicaError
from protocol.states import TicketState
from tests.support.log import START_MS, Log, joined
from tests.support.rooms import KID, Stage, line
from tests.support.samples import EXPERIENCE, consumer, raw_product, raw_variant

ADMISSION = bytes(range(16))


def admitted(*tickets: int, expires_at: int = START_MS + 600_000) -> Admitted:
    return Admitted("general", START_MS, expires_at, KID, list(tickets), ADMISSION * len(tickets), False)


def holding(ticket: int, state: TicketState, **fields: object) -> Holding:
    return Holding("general", ticket, 1, state, **fields)  # type: ignore[arg-type]


def waiting_stage(count: int = 3) -> Stage:
    """Consumers 0, 1, … wait with the tickets of their number; nobody of them is here."""
    stage = Stage()
    stage.read(stage.log.join(0, *range(count)))
    return stage


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


def test_facts_wait_until_they_are_durable_and_states_do_not() -> None:
    stage = Stage()
    socket = stage.enter(1)
    line(socket).take()
    first = stage.log.append(joined(0, 1), durable=stage.log.last_id)
    stage.read(first)
    assert line(socket).take() == []
    stage.read(stage.log.append(durable=first[0]))
    assert line(socket).kinds() == ["joined", "position"]
    held = stage.log.append(admitted(0), durable=first[0])
    stage.read(held)
    assert line(socket).take() == []
    stage.read(stage.log.append())
    assert line(socket).kinds() == ["admitted"]


def test_who_asks_over_http_is_answered_once_the_entry_is_durable() -> None:
    stage, answers = Stage(), []
    asked = Asked(Join(consumer(1), "general"), done=lambda answer, _: answers.append(answer.entry))
    assert stage.room.ask(asked) is None
    stage.answer(joined(0, 1), durable=stage.log.last_id)
    applied = stage.log.last_id
    assert answers == []
    stage.read(stage.log.append(durable=applied))
    assert answers == [applied]


def test_a_store_whose_replicas_do_not_answer_is_an_outage() -> None:
    stage = Stage()
    socket = stage.enter(1)
    first = stage.log.append(joined(0, 1), durable=stage.log.last_id)
    stage.read(first)
    later_ms = monotonic_ms() + 3_500
    assert (stage.room.seems_away(monotonic_ms()), stage.room.seems_away(later_ms)) == (False, True)
    stage.room.tend(later_ms, store_lost=False)
    conversations.receive(stage.room, socket, '{"type":"leave","path":"general"}', 20)
    assert line(socket).take()[-1]["reason"] == "engine_away"
    stage.read(stage.log.append(durable=first[0]))
    assert line(socket).kinds() == ["joined", "position"]
    assert not stage.room.seems_away(later_ms)


async def test_no_round_tells_a_position_before_its_ticket_is_told() -> None:
    stage = Stage()
    stage.read(stage.log.join(0, 5))
    socket, goes = stage.enter(1), stage.enter(2)
    first = stage.log.append(joined(1, 1, 2), durable=stage.log.last_id)
    stage.read(first)
    line(socket).take()
    stage.read(stage.log.append(Left("general", START_MS, 0, "left"), Left("general", START_MS, 2, "left")))
    assert [frame.get("ahead") for frame in line(socket).take()] == [None, 1]
    last = stage.log.append(joined(3, 7), durable=stage.log.last_id)
    stage.read(last)
    stage.room.people.seats("general").pacing._told_ms.all[:] -= 2_000
    await tell_round(stage.room)
    assert [frame["ahead"] for frame in line(socket).take() if frame["type"] == "position"] == [0]
    assert line(goes).kinds()[-1] != "position"
    held = stage.enter(8)
    line(held).take()
    stage.read(stage.log.append(joined(4, 8), durable=last[0]))
    stage.read(stage.log.append(Left("general", START_MS, 1, "left"), durable=last[0]))
    await tell_round(stage.room)
    assert "position" not in line(held).kinds()


def test_an_entry_that_says_nothing_need_not_be_durable() -> None:
    stage = Stage()
    stage.enter(1)
    first = stage.log.append(joined(0, 1), durable=stage.log.last_id)
    stage.read(first)
    assert line(stage.enter(1)).take()[0]["tickets"] == []
    stage.read(stage.log.append(durable=first[0]))
    assert [frame["type"] for frame in line(stage.enter(2)).take()] == ["welcome", "phase"]
    assert [one["ticket"] for one in line(stage.enter(1)).take()[0]["tickets"]] == [0]


def test_what_a_log_says_that_is_caught_up_with_waits_until_it_is_durable_too() -> None:
    stage = Stage()
    socket = stage.enter(1, Join(consumer(1), "general", implicit=True))
    line(socket).take()
    stage.room.live = False
    stage.answer(joined(0, 1), durable=stage.log.last_id)
    last = stage.log.last_id
    stage.room.caught_up()
    assert line(socket).take() == []
    stage.read(stage.log.append(durable=last))
    assert line(socket).kinds() == ["joined", "position", "phase"]


def test_a_command_that_only_a_lost_entry_applied_is_sent_again_and_told_once() -> None:
    stage = Stage()
    socket, before = stage.enter(1), list(stage.log.entries)
    conversations.receive(stage.room, socket, '{"type":"join","path":"general","ref":"r"}', 20)
    line(socket).take()
    stage.answer(joined(0, 1), durable=stage.log.last_id)
    assert (stage.room.outgoing.backlog, line(socket).take()) == (0, [])
    stage.log = Log()
    stage.log.configure()
    assert [entry[0] for entry in stage.log.entries] == [entry[0] for entry in before]
    stage.room.reset()
    stage.catch_up()
    assert (stage.room.outgoing.backlog, stage.room.outgoing.unwritten) == (1, True)
    line(socket).take()
    stage.answer(joined(0, 7, 1))
    assert [(one["ticket"], one["ref"]) for one in line(socket).take() if one["type"] == "joined"] == [(1, "r")]


def test_a_ticket_that_was_told_and_is_lost_with_its_log_is_told_to_be_lost() -> None:
    stage = Stage()
    loser, keeper, gone = stage.enter(1), stage.enter(2), stage.enter(3)
    stage.read(stage.log.join(0, 2, 1, 3))
    stage.read(stage.log.append(Left("general", START_MS, 2, "left")))
    stage.log = Log()
    stage.log.configure()
    stage.log.join(0, 2)
    stage.room.reset()
    for socket in (loser, keeper, gone):
        line(socket).take()
    stage.room.reset()
    stage.catch_up()
    (lost,) = [frame for frame in line(loser).take() if frame["type"] == "ticket"]
    assert (lost["ticket"], lost["state"], lost["reason"]) == (1, "lost", "failover")
    assert (line(keeper).kinds(), line(gone).kinds()) == (["joined", "position", "phase"], ["phase"])


def test_a_ticket_is_lost_as_well_where_the_new_log_must_be_asked() -> None:
    stage = Stage()
    loser, keeper = stage.enter(1), stage.enter(2)
    stage.read(stage.log.join(0, 2, 1))
    stage.log = Log()
    stage.log.configure()
    stage.log.join(0, 2)
    stored = Replica(EXPERIENCE)
    for entry in stage.log.entries:
        for event in stored.follow(*entry).events:
            stored.apply(event)
    stage.room.reset()
    stage.room.resume(stored)
    stage.room.caught_up()
    stage.room.tend(monotonic_ms(), store_lost=False)
    for socket in (loser, keeper):
        line(socket).take()
    stage.answer(Attached(consumer(1), []), Attached(consumer(2), [holding(0, TicketState.WAITING)]))
    assert [(one["type"], one.get("reason")) for one in line(loser).take()] == [("ticket", "failover"), ("phase", None)]
    assert line(keeper).kinds() == ["joined", "position", "phase"]


async def test_a_round_tells_what_changed_for_all() -> None:
    stage = Stage(products=[raw_product(raw_variant(stock=100, stock_exact=True))])
    stage.read(stage.log.append(StockChanged("42", 100, 0, 0)))
    watching, elsewhere = stage.enter(1), stage.enter(2, watched=frozenset({"other"}))
    await tell_round(stage.room)
    line(watching).take()
    line(elsewhere).take()
    stage.read(
        stage.log.append(
            PauseChanged("general", True, START_MS, "shop"),
            SoldOutChanged("general", True, True),
            StockChanged("42", 100, 98, 0),
        )
    )
    await tell_round(stage.room)
    frames = {frame["type"]: frame for frame in line(watching).take()}
    assert frames["phase"]["paused"] == "merchant"
    assert frames["sold_out"]["may_return"] is True
    assert (frames["stock"]["band"], frames["stock"]["left"]) == ("last", 2)
    assert line(elsewhere).take() == []
    await tell_round(stage.room)
    assert line(watching).take() == []


@pytest.mark.parametrize("why", [None, "paused"])
@pytest.mark.parametrize("outage", [False, True])
def test_many_positions_are_told_as_one_is(why: str | None, outage: bool) -> None:
    stage = waiting_stage(200)
    board, aheads = stage.room.board, np.arange(200, dtype=np.int32)
    many = board.positions("general", aheads, START_MS, why, outage=outage)
    assert many == [board.position("general", ahead, START_MS, why, outage=outage) for ahead in range(200)]


async def test_a_round_tells_every_socket_of_those_who_wait_and_no_other() -> None:
    stage = Stage()
    twice = [stage.enter(1), stage.enter(1)]
    elsewhere, nobody = stage.enter(2, watched=frozenset({"other"})), stage.enter(9)
    stage.read(stage.log.join(0, 1, 2))
    await tell_round(stage.room)
    elsewhere.watched = frozenset({"other"})
    for socket in (*twice, elsewhere, nobody):
        line(socket).take()
    stage.room.people.seats("general").pacing._told_ms.all[:] -= 2_000
    stage.read(stage.log.append(PauseChanged("general", True, START_MS, "shop")))
    await tell_round(stage.room)
    for socket in twice:
        assert [(one["ahead"], one["why"]) for one in line(socket).take() if one["type"] == "position"] == [
            (0, "paused")
        ]
    assert [one["type"] for one in line(elsewhere).take() + line(nobody).take()] == ["phase"]


async def test_a_sign_of_life_comes_when_nothing_else_did() -> None:
    stage = Stage()
    socket, nothing = stage.enter(1), stage.enter(2, watched=frozenset())
    line(socket).take()
    line(nothing).take()
    await sweep(stage.room)
    assert line(socket).take() == []
    stage.sockets.told.all[:] -= 45
    await sweep(stage.room)
    assert (line(socket).kinds(), line(nothing).kinds()) == (["phase"], ["ok"])
    stage.sockets.expires.one[socket.slot] = 1
    await sweep(stage.room)
    assert line(socket).code == 4401


async def test_a_notice_is_a_fact_for_everybody_who_is_here() -> None:
    stage = Stage()
    sockets = [stage.enter(number) for number in range(3)]
    stage.read(stage.log.append(NoticePosted("hello", "info", None, START_MS, "shop")))
    late = stage.enter(3)
    await tell_announcements(stage.room)
    texts = [[frame["text"] for frame in line(one).take() if "text" in frame] for one in (*sockets, late)]
    assert texts == [["hello"]] * 3 + [[]]


def test_a_log_that_does_not_follow_is_read_anew_and_everybody_is_told_again() -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 5, 1))
    stage.log.append()
    with pytest.raises(ReplicaError):
        stage.read(stage.log.append())
    stage.room.reset()
    line(socket).take()
    assert not stage.room.live
    for text in ('{"type":"leave","path":"general"}', '{"type":"watch","path":"general"}'):
        conversations.receive(stage.room, socket, text, 20)
        assert line(socket).take()[-1]["reason"] == "engine_away"
    stage.catch_up()
    frames = line(socket).take()
    assert [frame["type"] for frame in frames] == ["joined", "position", "phase"]
    assert (frames[0]["ticket"], frames[1]["ahead"]) == (1, 1)


def test_an_engine_that_is_silent_is_away_and_handshakes_wait() -> None:
    stage = waiting_stage(1)
    stage.room.tend(monotonic_ms(), store_lost=True)
    socket = stage.enter(3, Join(consumer(3), "general", implicit=True))
    frames = line(socket).take()
    assert (frames[1]["type"], frames[1]["paused"]) == ("phase", "outage")
    conversations.receive(stage.room, socket, '{"type":"join","ref":1}', 20)
    (error,) = line(socket).take()
    assert (error["reason"], error["temporary"], error["ref"]) == ("engine_away", True, 1)
    assert stage.room.outgoing.backlog == 0
    stage.room.tend(monotonic_ms(), store_lost=False)
    assert stage.room.outgoing.backlog == 1
    stage.answer(joined(1, 3))
    assert "joined" in line(socket).kinds()


def test_whoever_left_during_an_outage_joins_nothing() -> None:
    stage = Stage()
    stage.room.tend(monotonic_ms(), store_lost=True)
    socket = stage.enter(3, Join(consumer(3), "general", implicit=True))
    stage.room.leave(socket)
    stage.room.tend(monotonic_ms(), store_lost=False)
    assert stage.room.outgoing.backlog == 0


def test_a_deadline_that_passes_in_silence_is_an_outage() -> None:
    stage = waiting_stage(1)
    later_ms = monotonic_ms() + 3_500
    assert not stage.room.seems_away(later_ms)
    stage.read(stage.log.append(admitted(0)))
    assert stage.room.seems_away(later_ms)


async def test_who_waits_is_told_when_the_rate_changes() -> None:
    stage = Stage()
    socket = stage.enter(2)
    stage.read(stage.log.join(0, 1, 2))
    line(socket).take()
    stage.room.people.seats("general").pacing._told_ms.all[:] -= 2_000
    stage.read(stage.log.append(ReleaseRateChanged("general", 1200, None, None, 2, "shop")))
    await tell_round(stage.room)
    (position,) = [frame for frame in line(socket).take() if frame["type"] == "position"]
    assert (position["why"], position["rate"], position["ahead"]) == ("rate_changed", 1200, 1)


def test_the_ticket_of_someone_gone_is_nobodys_here() -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 1))
    stage.room.leave(socket)
    stage.room.leave(socket)
    stage.read(stage.log.append(admitted(0)))
    assert "admitted" not in line(socket).kinds()
    assert (stage.room.sockets, len(stage.room.people.seats("general").pacing)) == (0, 0)


def with_paths(stage: Stage, revision: int, *ids: str) -> Configured:
    """The document of ``stage`` with these paths."""
    document = stage.room.replica.document
    assert document is not None
    first = document.paths[0]
    return Configured(
        revision, structs.replace(document, paths=[structs.replace(first, id=one) for one in ids]), KID, ""
    )


def extra_opens() -> PhaseChanged:
    return PhaseChanged("extra", "open", START_MS, None, None, "")


@pytest.mark.parametrize("live", [True, False])
def test_a_path_that_comes_back_is_another_one(live: bool) -> None:
    stage = Stage()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    before = stage.enter(1)
    stage.read(stage.log.join(0, 1, path="extra"))
    stage.room.live = live
    stage.read(stage.log.append(Left("extra", START_MS, 0, "left"), with_paths(stage, 3, "general")))
    stage.read(stage.log.append(with_paths(stage, 4, "general", "extra"), extra_opens()))
    assert line(stage.enter(1)).take()[0]["tickets"] == []
    stage.read(stage.log.join(0, 2, path="extra"))
    stage.room.live = True
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


async def test_a_path_may_go_during_a_round() -> None:
    stage = Stage()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 5, 1))
    await tell_round(stage.room)
    line(socket).take()
    pacing = stage.room.people.seats("general").pacing
    pacing._told_ms.all[:] -= 50_000
    pacing._looked = None
    telling = asyncio.create_task(tell_round(stage.room))
    await asyncio.sleep(0)
    stage.read(stage.log.append(with_paths(stage, 3, "general")))
    await telling
    assert line(socket).kinds() == ["position"]


def test_a_handshake_whose_answer_was_lost_with_its_entry_is_told_what_holds() -> None:
    stage = Stage()
    lost, asks = stage.enter(1, Join(consumer(1), "general", implicit=True)), stage.enter(2)
    with pytest.raises(KeyError):
        stage.answer(Left("nowhere", START_MS, 0, "left"))
    stage.room.reset()
    line(lost).take()
    stage.log = Log()
    stage.log.configure()
    stage.log.join(0, 1)
    stage.catch_up()
    assert (lost.opening, line(lost).kinds()) == (0, ["joined", "position", "phase"])
    stage.room.open(asks, [Attach(consumer(2))])
    stage.room.reset()
    assert asks.opening == 1


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
    stage.room.forget_waiter(there.set)
    assert stage.room._waiters == []


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
