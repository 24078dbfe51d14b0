"""The whole product under 5,000 people, with its parts killed one after the other in the middle of it.

The evidence is what the people were told and what the log says; the auditor, which shares nothing with the engine,
reads the log. Nothing here measures time: the run ends when everybody is done.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from engine.audit import Audit
from engine.io import streams
from engine.io.streams import LogEntry
from protocol.states import LIVE
from tests.support.crowd import Crowd
from tests.support.stack import ROOT, Up, until

PEOPLE = 5_000
SEED = 20_261_122
EXPERIENCE = "run"
KEEPS_ONE_TICKET = ("complete", "redeem_and_complete", "expire")
DOCUMENT: dict[str, Any] = {
    "id": EXPERIENCE,
    "name": "A run",
    "checkout_url": "http://127.0.0.1:9/checkout",
    "paths": [
        {
            "id": "general",
            "distribution": {
                "kind": "queue",
                "release_rate_per_minute": 6_000,
                "max_active": 300,
                "checkout_window_seconds": 3,
                "payment_grace_seconds": 2,
            },
        }
    ],
}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    stack = Up(tmp_path)
    stack.start("--no-demo")
    try:
        stack.wait_until_open()
        yield stack
    finally:
        stack.stop()


@pytest.mark.slow
async def test_5000_people_get_through_while_every_part_is_killed_once(up: Up) -> None:
    put_experience(up)
    crowd = Crowd([up.room], EXPERIENCE, "general", up.checkout_key, count=PEOPLE, seed=SEED)

    async with asyncio.TaskGroup() as run:
        crowding = run.create_task(crowd.run())
        for role in ("engine", "gateway", "valkey"):
            for _ in range(PEOPLE // 8):
                await crowd.admitted.acquire()
            await asyncio.to_thread(kill_and_wait_for_restart, up, role)
        await crowding

    log = read_log(up)
    audit = Audit()
    for entry in log:
        audit.entry(*entry)
    assert audit.writers >= 2, "the engine was killed, so another writer took over"
    path = audit.paths["general"]
    assert path.admitted > PEOPLE * 0.9
    assert path.meter.burst is not None
    assert path.meter.worst > 0.5 * path.meter.burst * 60_000, "the run was never near the bound"
    check_what_people_were_told(crowd, audit)
    check_replay(up)


def put_experience(up: Up) -> None:
    answer = httpx.put(
        f"{up.room}/v1/control/experiences/{EXPERIENCE}",
        json=DOCUMENT,
        headers={"Authorization": f"Bearer {up.control_key}"},
    )
    assert answer.status_code == 201, answer.text


def kill_and_wait_for_restart(up: Up, role: str) -> None:
    victim = up.children(role)[0].pid
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    until(lambda: True if up.children(role)[0].pid not in (None, victim) else None, f"another {role}")


def read_log(up: Up) -> list[LogEntry]:
    with redis.Redis.from_url(up.redis_url) as store:
        return list(streams.read_log(store, EXPERIENCE))


def check_what_people_were_told(crowd: Crowd, audit: Audit) -> None:
    """Every ticket and every admission that anybody was told is theirs in the log, to this day.

    The auditor has seen to it that nobody had two live tickets at a time. Whoever gave a ticket up, or missed a turn
    for good, while their socket was gone came back with `?join=` and so, rightly, to the back of the line.
    """
    path = audit.paths["general"]
    for visitor in crowd.visitors:
        consumer = bytes.fromhex(visitor.consumer)
        assert visitor.joined, f"{visitor} was never told a ticket"
        assert all(path.consumers[ticket] == consumer for ticket in visitor.joined)
        assert path.latest[consumer] == visitor.joined[-1]
        assert not visitor.rises, f"{visitor} saw a position rise"
        for admission in visitor.admissions:
            assert audit.admissions[bytes.fromhex(admission)][1] in visitor.joined
        state = path.states[visitor.joined[-1]]
        assert state not in LIVE, f"{visitor} is done, but the ticket is {state.word}"
        if visitor.plan in KEEPS_ONE_TICKET:
            assert len(visitor.joined) == 1, f"{visitor} was told another ticket"


def check_replay(up: Up) -> None:
    """`stanchion replay` of the log ends in the engine's digest."""
    digest = up.engine_digest(EXPERIENCE)
    replay = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "replay", EXPERIENCE, "--until", digest["entry"]],
        cwd=ROOT,
        env={**os.environ, "STANCHION_REDIS_URL": up.redis_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert replay.returncode == 0, replay.stderr
    assert digest["digest"] in replay.stdout
