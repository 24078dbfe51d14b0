"""Engines that are killed, stopped in their tracks, or run side by side: one log, one order, nothing lost."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from engine.explaining import Wanted
from engine.io.streams import store_ms
from engine.replay import FAILURE, OK, USAGE
from engine.replay import main as replay
from protocol.commands import Command, Complete, Decline, Join, Leave, Redeem
from protocol.events import Admitted, Expired, WindowMoved, WriterChanged
from protocol.streams import commands_key, events_key
from tests.support.samples import consumer, document, raw_path
from tests.support.stream import Follower, Sender
from tests.support.waiting_room import Role

CONSUMERS = 400
STOPPED_MS = 1_500


@pytest.fixture
def engines(redis_url: str, tmp_path: Path) -> Iterator[list[Role]]:
    """Two engine processes, the first started first; whatever a test does to them, they are gone afterwards."""
    environment = {"STANCHION_REDIS_URL": redis_url, "STANCHION_LEASE_MS": "1200", "STANCHION_BEAT_MS": "400"}
    roles = [Role("engine", environment | {"STANCHION_NUMBER": str(n)}, tmp_path / f"engine-{n}.log") for n in (0, 1)]
    roles[0].start()
    yield roles
    for role in roles:
        if role.process is not None:
            role.process.send_signal(signal.SIGCONT)
            role.kill()


def served(client: redis.Redis, **distribution: int) -> tuple[Sender, Follower]:
    sender, log = Sender(client, "drop"), Follower(client, "drop")
    log.wait_applied(sender, sender.create(document(paths=[raw_path(distribution=distribution)])))
    return sender, log


def some_commands(log: Follower, chance: random.Random, number: int) -> list[Command]:
    """What consumers and the shop may do next, as far as the log tells."""
    commands: list[Command] = [Join(consumer(number + one)) for one in range(5)]
    for admission, (_, _) in chance.sample(sorted(log.replica.admissions.items()), min(3, len(log.replica.admissions))):
        paid = chance.random() < 0.5
        commands.append(Complete("shop", "", admission) if paid else Redeem("shop", "", admission))
    somebody = consumer(chance.randrange(number + 1))
    commands.append(Leave(somebody, "general") if chance.random() < 0.5 else Decline(somebody, "general"))
    return commands


def test_another_engine_goes_on_where_one_was_killed(client: redis.Redis, engines: list[Role], redis_url: str) -> None:
    sender, log = served(client, release_rate_per_minute=6_000, checkout_window_seconds=2, payment_grace_seconds=0)
    engines[1].start()
    chance = random.Random(7)
    for number in range(0, CONSUMERS, 5):
        sent = sender.send(*some_commands(log, chance, number))
        if number == CONSUMERS // 2:
            engines[0].kill()
        if chance.random() < 0.2:
            sender.send_again(chance.randint(1, sent))
        if not number % 50:
            log.wait_applied(sender, sent)
    log.wait_applied(sender, sent)
    log.wait(lambda: not log.replica.paths["general"].windows and not log.replica.paths["general"].roster.waiting)
    assert log.replica.paths["general"].tickets >= CONSUMERS
    assert len(log.of(WriterChanged)) == 2
    assert replay("drop", redis_url, None) == OK


def test_an_engine_that_is_started_again_takes_its_place_again(
    client: redis.Redis, engines: list[Role], redis_url: str
) -> None:
    sender, log = served(client, release_rate_per_minute=60, checkout_window_seconds=5)
    log.wait_applied(sender, sender.send(*(Join(consumer(number)) for number in range(10))))
    engines[0].kill()
    engines[0].start()
    late = Sender(client, "drop")
    log.wait_applied(late, late.send(Join(consumer(3)), Join(consumer(10))))
    assert log.replica.paths["general"].tickets == 11
    assert len(log.of(WindowMoved)) >= 1, "the engine was away for a whole lease"


def test_an_engine_that_stood_still_makes_good_for_it(client: redis.Redis, engines: list[Role]) -> None:
    sender, log = served(client, release_rate_per_minute=600, checkout_window_seconds=2)
    log.wait_applied(sender, sender.send(Join(consumer(1))))
    log.wait(lambda: len(log.of(Admitted)) == 1)
    process = engines[0].process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    end_ms = store_ms(client) + STOPPED_MS
    while store_ms(client) < end_ms:
        client.xread({events_key("drop"): log.replica.entry_id}, block=50)
    os.kill(process.pid, signal.SIGCONT)
    log.wait(lambda: len(log.of(Expired)) == 1)
    (admitted,), (expired,) = log.of(Admitted), log.of(Expired)
    assert [event.epoch for event in log.of(WriterChanged)] == [1, 2]
    assert expired.at - admitted.at >= 2_000 + STOPPED_MS - 1_000


def test_the_engines_digest_is_that_of_the_replay(
    client: redis.Redis, engines: list[Role], redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sender, log = served(client, release_rate_per_minute=600, checkout_window_seconds=30)
    log.wait_applied(sender, sender.send(*(Join(consumer(number)) for number in range(40))))
    engines[0].stop()
    (line,) = [line for line in (tmp_path / "engine-0.log").read_text().splitlines() if "event=written" in line]
    told = dict(field.split("=", 1) for field in line.split() if "=" in field)
    assert replay("drop", redis_url, None) == OK
    printed = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines() if line.strip())
    assert printed["digest"].strip() == told["digest"]
    assert printed["entry"].strip() == told["entry"]


def test_a_replay_stops_where_it_is_told(
    client: redis.Redis, engines: list[Role], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sender, log = served(client, release_rate_per_minute=0)
    log.wait_applied(sender, sender.send(Join(consumer(1))))
    log.wait_applied(sender, sender.send(Join(consumer(2))))
    assert replay("drop", redis_url, log.ids[2]) == OK
    assert "general: open, 1 waiting" in capsys.readouterr().out
    assert replay("drop", redis_url, "99-99") == FAILURE
    assert "before 99-99" in capsys.readouterr().err
    assert replay("drop", redis_url, "yesterday") == USAGE
    assert replay("nothing", redis_url, None) == FAILURE


def test_a_replay_tells_why_a_ticket_is_where_it_is(
    client: redis.Redis, engines: list[Role], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sender, log = served(client, release_rate_per_minute=0)
    log.wait_applied(sender, sender.send(Join(consumer(1))))
    log.wait_applied(sender, sender.send(Join(consumer(2))))
    between = datetime.fromtimestamp(log.entries[-1].now_ms / 1000, UTC) - timedelta(milliseconds=1)
    assert replay("drop", redis_url, None, Wanted(1, None)) == OK
    joined, now = capsys.readouterr().out.splitlines()
    assert joined.endswith("Ticket 1 joined as number 2 of general; 1 is ahead of it, the rate is 0 a minute.")
    assert now.endswith("Now 1 is ahead of it; the rate is 0 a minute.")
    assert replay("drop", redis_url, between.isoformat(), Wanted(1, "general")) == OK
    assert capsys.readouterr().out.strip() == "general has no ticket 1: so far it gave out 1."
    assert replay("drop", redis_url, "1970-01-01T00:00:00", None) == FAILURE
    assert "no entry at or before" in capsys.readouterr().err
    assert replay("drop", redis_url, None, Wanted(1, "vip")) == USAGE
    assert "name one of the paths of drop with --path: general" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["commands", "events"])
def test_a_replay_notices_what_is_missing(
    client: redis.Redis, engines: list[Role], redis_url: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sender, log = served(client, release_rate_per_minute=0)
    log.wait_applied(sender, sender.send(Join(consumer(1))))
    log.wait_applied(sender, sender.send(Join(consumer(2))))
    engines[0].stop()
    if what == "commands":
        client.xdel(commands_key("drop"), log.entries[2].command_id)
    else:
        client.xdel(events_key("drop"), log.ids[2])
    assert replay("drop", redis_url, None) == FAILURE
    assert ("are not in the store" if what == "commands" else "does not follow") in capsys.readouterr().err


def test_an_engine_that_wakes_up_too_late_writes_nothing(client: redis.Redis, engines: list[Role]) -> None:
    sender, log = served(client, release_rate_per_minute=60, checkout_window_seconds=30)
    log.wait_applied(sender, sender.send(Join(consumer(1))))
    process = engines[0].process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    engines[1].start()
    log.wait(lambda: len(log.of(WriterChanged)) == 2)
    os.kill(process.pid, signal.SIGCONT)
    beats = len(log.entries) + 6
    log.wait_applied(sender, sender.send(Join(consumer(2))))
    log.wait(lambda: len(log.entries) >= beats)
    assert [event.epoch for event in log.of(WriterChanged)] == [1, 2]
    engines[1].stop()
    log.wait(lambda: len(log.of(WriterChanged)) == 3)
    assert log.replica.paths["general"].tickets == 2
