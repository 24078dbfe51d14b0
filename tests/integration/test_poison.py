"""Commands that the core chokes on: the one that raises is set aside, for ever; those around it are applied once."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
import redis

from engine.core.experience import Experience
from engine.core.performing import perform
from engine.replay import OK
from engine.replay import main as replay
from protocol.commands import Attach, Join, PostNotice
from protocol.events import Attached, Joined, NoticePosted, Skipped, WriterChanged
from tests.support.engine import RunningEngine
from tests.support.samples import consumer, document, raw_path
from tests.support.stream import Follower, Sender

POISON = PostNotice("control", "", "poison", "info", None)
GOOD = PostNotice("control", "", "good", "info", None)


@pytest.fixture(autouse=True)
def choking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core chokes on a certain notice, having changed something already."""

    def choke(choking: Experience, command: Any) -> Any:
        if command == POISON:
            choking.revision += 1
            raise RuntimeError("cannot swallow")
        return perform(choking, command)

    monkeypatch.setattr("engine.core.experience.perform", choke)


def begun(client: redis.Redis) -> tuple[Sender, Follower]:
    """An experience with a backlog of one step, configured, for an engine to come."""
    sender = Sender(client, "drop")
    sender.create(document(id="drop", paths=[raw_path(distribution={"release_rate_per_minute": 0})]))
    return sender, Follower(client, "drop")


def test_one_of_many_is_set_aside_and_the_others_are_applied(client: redis.Redis, redis_url: str) -> None:
    sender, log = begun(client)
    for number in range(10):
        sender.send(Join(consumer(number)))
    poisoned = sender.send(GOOD, POISON, Join(consumer(50)))
    for number in range(10, 20):
        last = sender.send(Join(consumer(number)))
    with RunningEngine(redis_url) as engine:
        log.wait_applied(sender, last)
        assert engine.figure("poisoned_total") == 2
        sent = sender.send_again(poisoned)
        log.wait(lambda: log.entries[-1].command_id == sent)
    (skipped,) = log.of(Skipped)
    assert (skipped.sender, skipped.number) == (sender.id, poisoned)
    assert skipped.error == sha256(b"RuntimeError: cannot swallow").digest()
    assert log.of(NoticePosted) == []
    joined = b"".join(event.consumers for event in log.of(Joined))
    assert joined == b"".join(consumer(number) for number in range(20))
    assert len(log.of(WriterChanged)) == 3
    assert replay("drop", redis_url, None) == OK


def test_several_are_set_aside_one_after_the_other(client: redis.Redis, redis_url: str) -> None:
    sender, log = begun(client)
    poisoned = [sender.send(POISON) for _ in range(3)]
    last = sender.send(GOOD)
    with RunningEngine(redis_url, snapshot_commands=1, snapshot_pause_ms=0):
        log.wait_applied(sender, last)
        log.wait_applied(sender, sender.send(Attach(consumer(1))))
    assert [event.number for event in log.of(Skipped)] == poisoned
    assert (len(log.of(NoticePosted)), len(log.of(Attached))) == (1, 1)
    assert replay("drop", redis_url, None) == OK


def test_another_engine_honours_what_was_set_aside(client: redis.Redis, redis_url: str) -> None:
    sender, log = begun(client)
    poisoned = sender.send(POISON)
    with RunningEngine(redis_url):
        log.wait_applied(sender, poisoned)
    with RunningEngine(redis_url, 1) as other:
        log.wait_applied(sender, sender.send(GOOD))
        assert other.figure("poisoned_total") == 0
    assert len(log.of(Skipped)) == 1


def test_what_raises_without_a_command_stops_that_experience_alone(
    client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = Experience._serve

    def choke(self: Experience, at: int) -> None:
        if self.id == "drop" and at > last_ms:
            raise RuntimeError("cannot serve")
        serve(self, at)

    sender, log = begun(client)
    with RunningEngine(redis_url) as engine:
        log.wait_applied(sender, 1)
        last_ms = log.entries[-1].now_ms
        monkeypatch.setattr(Experience, "_serve", choke)
        sender.send(Join(consumer(1)))
        engine.wait(lambda: engine.figure("experiences", state="stopped") == 1)
        other, other_log = Sender(client, "other"), Follower(client, "other")
        other_log.wait_applied(other, other.create(document(id="other")))
    log.read()
    assert log.of(Skipped) == []
