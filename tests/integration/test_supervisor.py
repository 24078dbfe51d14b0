"""Supervised children: restarted when they crash, ended in order, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from deploy.supervisor import (
    BACKOFF_MS_FIRST,
    BACKOFF_MS_MAX,
    HEALTHY_AFTER_MS,
    WRONG_SETTING,
    Backoff,
    ChildSpec,
    ChildState,
    write_processes,
)
from tests.support.supervised import PATIENCE_S, Watched, wait_for_end

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def watched(program: str) -> Watched:
    command = [sys.executable, "-c", program]
    return Watched(ChildSpec(role="sleeper", number=0, command=command, environment=dict(os.environ)))


@pytest.fixture
async def sleeper() -> AsyncIterator[Watched]:
    sleeper = watched(SLEEPER)
    sleeper.child.start()
    yield sleeper
    sleeper.child.kill()
    await sleeper.child.stop(PATIENCE_S)


def test_the_first_restart_is_at_once_then_the_pause_doubles_to_its_bound() -> None:
    backoff = Backoff()
    pauses = [backoff.after(life_ms=10) for _ in range(8)]
    assert pauses == [0, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]
    assert (BACKOFF_MS_FIRST, BACKOFF_MS_MAX) == (250, 5_000)


def test_a_healthy_life_forgives_the_crashes_before() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(life_ms=10)
    assert backoff.after(HEALTHY_AFTER_MS) == 0
    assert backoff.after(life_ms=10) == BACKOFF_MS_FIRST


async def test_a_killed_child_comes_back_under_another_pid(sleeper: Watched) -> None:
    first = await sleeper.until(lambda state: state.pid is not None)
    sleeper.child.signal(signal.SIGKILL)
    second = await sleeper.until(lambda state: state.pid not in (None, first.pid))
    assert second.restarts == 1


async def test_an_asked_for_end_is_final(sleeper: Watched) -> None:
    await sleeper.until(lambda state: state.pid is not None)
    assert await sleeper.child.stop(PATIENCE_S)
    assert sleeper.child.state.pid is None
    assert sleeper.child.restarts == 0
    assert await sleeper.child.stop(PATIENCE_S), "stopping twice is as once"


async def test_one_that_never_started_stops_too() -> None:
    assert await watched(SLEEPER).child.stop(PATIENCE_S)


async def test_one_that_will_not_go_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    stubborn = watched(STUBBORN)
    stubborn.child.start()
    await stubborn.until(lambda state: state.pid is not None)
    async with asyncio.timeout(PATIENCE_S):
        output = ""
        while "sleeper 0 | up" not in output:  # only from then on it ignores SIGTERM
            await asyncio.sleep(0.01)
            output += capfd.readouterr().err
    assert not await stubborn.child.stop(timeout_s=0.05)
    assert stubborn.child.state.pid is None


async def test_a_child_that_keeps_crashing_can_be_stopped_between_two_lives() -> None:
    crashing = watched("raise SystemExit(3)")
    crashing.child.start()
    await crashing.until(lambda state: state.restarts >= 2 and state.pid is None)
    assert await crashing.child.stop(PATIENCE_S)


async def test_one_with_a_wrong_setting_is_given_up() -> None:
    wrong = watched(f"raise SystemExit({WRONG_SETTING})")
    wrong.child.start()
    await wrong.until(lambda _: wrong.child.given_up)
    assert await wrong.child.stop(PATIENCE_S)
    assert wrong.child.restarts == 0


async def test_a_line_longer_than_the_bound_is_dropped_and_the_next_one_comes(
    capfd: pytest.CaptureFixture[str],
) -> None:
    talker = watched("print('x' * 1_000_000); print('after', flush=True); import time; time.sleep(600)")
    talker.child.start()
    async with asyncio.timeout(PATIENCE_S):
        output = ""
        while "sleeper 0 | after" not in output:
            await asyncio.sleep(0.01)
            output += capfd.readouterr().err
    assert await talker.child.stop(PATIENCE_S)


def test_no_child_outlives_its_supervisor() -> None:
    program = f"""
import asyncio, os, sys
from deploy.supervisor import Child, ChildSpec
async def main():
    spec = ChildSpec(role="x", number=0, command=[sys.executable, "-c", {SLEEPER!r}], environment=dict(os.environ))
    child = Child(spec, lambda: print(child.state.pid, flush=True))
    child.start()
    await asyncio.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        descriptor = os.pidfd_open(pid)
        supervisor.kill()
    wait_for_end(descriptor)


def test_processes_json_says_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    write_processes(path, [ChildState(role="engine", number=0, pid=42, address="127.0.0.1:1", restarts=3)])
    assert msgspec.json.decode(path.read_bytes()) == [
        {"role": "engine", "number": 0, "pid": 42, "address": "127.0.0.1:1", "restarts": 3}
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["processes.json"]
