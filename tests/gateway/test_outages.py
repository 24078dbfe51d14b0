"""What a room tells late or anew: entries that are not durable yet, a log that is another one, a silent engine."""

from __future__ import annotations

import pytest

from gateway import conversations, rooms
from gateway.asked import Asked
from gateway.rooms import monotonic_ms
from protocol.commands import Attach, Join
from protocol.events import Attached, Expired, Left, Returned
from protocol.replica import Replica, ReplicaError
from protocol.states import TicketState
from tests.support.log import START_MS, Log, joined
from tests.support.rooms import Stage, admitted, holding, line, waiting_stage
from tests.support.samples import EXPERIENCE, consumer


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
    stage.room.went_live.clear()
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


def test_a_turn_that_was_told_and_is_lost_with_its_log_is_told_to_be_taken_back() -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 1))
    stage.read(stage.log.append(admitted(0)))
    line(socket).take()
    stage.log = Log()
    stage.log.configure()
    stage.log.join(0, 1)
    stage.room.reset()
    stage.catch_up()
    back, *others = line(socket).take()
    assert back | {"ticket": 0, "state": "waiting", "reason": "failover"} == back
    assert [frame["type"] for frame in others] == ["joined", "position", "phase"]


@pytest.mark.parametrize("stored", [False, True])
def test_a_ticket_that_went_back_by_its_own_log_was_not_lost(stored: bool) -> None:
    """The gateway was away meanwhile, and reads the same log once more, or from a replica behind what it told."""
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 1))
    stage.read(stage.log.append(admitted(0)))
    stage.log.append(Expired("general", START_MS, [0]))
    stage.log.append(Returned("general", 0))
    line(socket).take()
    replica = Replica(EXPERIENCE)
    for entry in stage.log.entries:
        for event in replica.follow(*entry).events:
            replica.apply(event)
    stage.room.reset()
    if stored:
        stage.room.resume(replica)
        stage.room.caught_up()
        stage.answer(Attached(consumer(1), [holding(0, TicketState.WAITING)]))
    else:
        stage.catch_up()
    assert [frame for frame in line(socket).take() if frame["type"] == "ticket"] == []


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
    stage.room.openings.open(asks, [Attach(consumer(2))])
    stage.room.reset()
    assert asks.opening == 1


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


def test_a_replica_that_knows_of_more_entries_says_how_far_it_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, at_ms = Stage(), rooms.monotonic_ms()
    for entry_ms, read_after_ms, behind, lag_ms in ((0, 0, True, 0), (500, 4_500, True, 4_000), (600, 9_600, False, 0)):
        monkeypatch.setattr(rooms, "monotonic_ms", lambda passed_ms=read_after_ms: at_ms + passed_ms)
        stage.log.now_ms = START_MS + entry_ms
        stage.read(stage.log.append())
        stage.room.behind = behind
        assert stage.room.lag_ms() == lag_ms
