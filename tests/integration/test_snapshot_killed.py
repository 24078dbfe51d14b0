"""Engines killed while they make snapshots, at every step, and two that race: no ticket lost, none twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from engine.beginning import begin
from engine.replay import OK
from engine.replay import main as replay
from engine.restoration import Restoration
from protocol.commands import Join
from protocol.events import Admitted, Joined
from protocol.replica_codec import encode_replica
from protocol.streams import readers_key
from tests.support.doomed_engine import STEPS
from tests.support.engine import RunningEngine, restored
from tests.support.line import EAGER
from tests.support.pairs import Pairs
from tests.support.samples import consumer, document, raw_path
from tests.support.stream import Follower, Sender
from tests.support.waiting_room import Role

END_S = 20.0
KILLS = 8


class Crowd:
    """Joins, twenty at a time, each sent twice; the whole log is kept for a reader, so that all can be compared."""

    def __init__(self, client: redis.Redis, redis_url: str) -> None:
        self.client: Any = client
        self._url = redis_url
        self.sender, self.log = Sender(client, "drop"), Follower(client, "drop")
        self.come = 0
        self.last = 0
        self.client.hset(readers_key("drop"), "archive", "0-0")
        terms = {"release_rate_per_minute": 6_000, "checkout_window_seconds": 600}
        self.last = self.sender.create(document(id="drop", paths=[raw_path(distribution=terms)]))

    def send(self) -> None:
        self.last = self.sender.send(*(Join(consumer(self.come + one)) for one in range(20)))
        self.sender.send_again(self.last)
        self.come += 20

    def wait(self) -> None:
        self.log.wait_applied(self.sender, self.last)

    def check(self) -> None:
        """Everybody has one ticket, in the order in which they came; every beginning comes to the same state."""
        self.wait()
        joined = b"".join(event.consumers for event in self.log.of(Joined))
        assert joined == b"".join(consumer(number) for number in range(self.come))
        admissions = b"".join(event.admissions for event in self.log.of(Admitted))
        assert len({admissions[start : start + 16] for start in range(0, len(admissions), 16)}) * 16 == len(admissions)
        short, whole = self.restored(), self.restored("0-0")
        assert whole.manifest is None
        assert short.experience.digest() == whole.experience.digest()
        assert encode_replica(short.replica) == encode_replica(whole.replica) == encode_replica(self.log.replica)

    def restored(self, first: str | None = None) -> Restoration:
        """The state at the end of the log, from the newest snapshot or from the entry ``first``."""
        self.log.read()
        return restored(self._url, "drop", self.log.ids[-1], lambda one, name, until: begin(one, name, first or until))


@pytest.mark.parametrize("step", STEPS)
def test_an_engine_that_dies_at_any_step_of_a_snapshot_costs_nothing(
    client: redis.Redis, redis_url: str, step: str, tmp_path: Path
) -> None:
    crowd, pairs = Crowd(client, redis_url), Pairs(client, "drop")
    environment = {
        "STANCHION_REDIS_URL": redis_url,
        "STANCHION_SNAPSHOT_COMMANDS": "20",
        "STANCHION_SNAPSHOT_PAUSE_MS": "0",
    }
    with (tmp_path / "doomed.log").open("wb") as log:
        doomed = subprocess.Popen(
            [sys.executable, "-m", "tests.support.doomed_engine", step],
            env=os.environ | environment,
            stderr=log,
            stdout=log,
        )
    try:
        crowd.wait()
        while doomed.poll() is None:
            crowd.send()
            crowd.log.read(20)
    finally:
        doomed.kill()
        doomed.wait(END_S)
    assert len(pairs.ids()) == (2 if step == "counted" else 1), "the second was being made"
    with RunningEngine(redis_url, **EAGER) as engine:
        crowd.wait()
        for _ in range(3):
            crowd.send()
            crowd.wait()
        engine.wait(lambda: engine.figure("snapshots_total", outcome="made") >= 1)
        engine.wait(lambda: not pairs.announced())
    crowd.check()
    kept = {key.rsplit(":", 1)[1] for key in pairs.chunk_keys()}
    assert kept == {*pairs.ids(), *pairs.announced()}, "nothing is left of the one that was being made"
    client.hdel(readers_key("drop"), "archive")
    assert replay("drop", redis_url, None) == OK


def test_two_engines_that_are_killed_again_and_again_lose_nobody(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    settings = {"REDIS_URL": redis_url, "LEASE_MS": "600", "BEAT_MS": "200", "SNAPSHOT_COMMANDS": "40"}
    environment = {f"STANCHION_{name}": value for name, value in settings.items()}
    roles = [Role("engine", environment | {"STANCHION_NUMBER": str(n)}, tmp_path / f"engine-{n}.log") for n in (0, 1)]
    crowd, chance = Crowd(client, redis_url), random.Random(5)
    for role in roles:
        role.start()
    try:
        for number in range(KILLS):
            for _ in range(chance.randrange(5, 40)):
                crowd.send()
                crowd.log.read(chance.randrange(1, 30))
            roles[number % 2].kill()
            roles[number % 2].start()
            crowd.wait()
    finally:
        for role in roles:
            role.kill()
    crowd.check()
    assert crowd.restored().manifest is not None


def test_a_writer_that_slept_while_its_child_worked_lets_nothing_count(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    settings = {"REDIS_URL": redis_url, "LEASE_MS": "600", "BEAT_MS": "200", "SNAPSHOT_COMMANDS": "20"}
    environment = {f"STANCHION_{name}": value for name, value in settings.items()}
    sleeper = Role("engine", environment | {"STANCHION_SNAPSHOT_PAUSE_MS": "1000"}, tmp_path / "sleeper.log")
    crowd, pairs = Crowd(client, redis_url), Pairs(client, "drop")
    sleeper.start()
    process = sleeper.process
    assert process is not None
    try:
        crowd.send()
        crowd.log.wait(lambda: bool(pairs.announced()))
        (stale,) = pairs.announced()
        os.kill(process.pid, signal.SIGSTOP)
        with RunningEngine(redis_url, 1, **EAGER) as engine:
            crowd.send()
            crowd.wait()
            engine.wait(lambda: engine.figure("snapshots_total", outcome="made") == 1)
            os.kill(process.pid, signal.SIGCONT)
            crowd.log.wait(lambda: "snapshot given up" in (tmp_path / "sleeper.log").read_text())
            crowd.send()
            crowd.wait()
            engine.wait(lambda: engine.figure("snapshots_total", outcome="made") == 2)
    finally:
        os.kill(process.pid, signal.SIGCONT)
        sleeper.kill()
    crowd.check()
    assert stale not in pairs.ids()
    assert len({key.rsplit(":", 1)[1] for key in pairs.chunk_keys()} - {*pairs.ids(), *pairs.announced()}) == 0
