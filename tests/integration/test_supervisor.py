"""Supervised children: restarted when they crash, ended in order, never left behind."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from deploy.supervisor import (
    BACKOFF_MS_FIRST,
    BACKOFF_MS_MAX,
    HEALTHY_AFTER_MS,
    WRONG_SETTING,
    Backoff,
    Child,
    ChildSpec,
    ChildState,
    write_processes,
)

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


class Watched:
    """A child, and waiting for what becomes of it."""

    def __init__(self, program: str) -> None:
        self._changes = asyncio.Condition()
        self._pending: set[asyncio.Task[None]] = set()
        spec = ChildSpec(
            role="sleeper", number=0, command=[sys.executable, "-c", program], environment=dict(os.environ)
        )
        self.child = Child(spec, self._changed)

    def _changed(self) -> None:
        task = asyncio.create_task(self._tell())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _tell(self) -> None:
        async with self._changes:
            self._changes.notify_all()

    async def until(self, condition: Callable[[ChildState], bool]) -> ChildState:
        async with asyncio.timeout(PATIENCE_S), self._changes:
            await self._changes.wait_for(lambda: condition(self.child.state))
        return self.child.state


@pytest.fixture
async def sleeper() -> AsyncIterator[Watched]:
    watched = Watched(SLEEPER)
    watched.child.start()
    yield watched
    watched.child.kill()
    await watched.child.stop(PATIENCE_S)


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
    assert await Watched(SLEEPER).child.stop(PATIENCE_S)


async def test_one_that_will_not_go_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    watched = Watched(STUBBORN)
    watched.child.start()
    await watched.until(lambda state: state.pid is not None)
    async with asyncio.timeout(PATIENCE_S):
        output = ""
        while "sleeper 0 | up" not in output:  # only from then on it ignores SIGTERM
            await asyncio.sleep(0.01)
            output += capfd.readouterr().err
    assert not await watched.child.stop(timeout_s=0.05)
    assert watched.child.state.pid is None


async def test_a_child_that_keeps_crashing_can_be_stopped_between_two_lives() -> None:
    watched = Watched("raise SystemExit(3)")
    watched.child.start()
    await watched.until(lambda state: state.restarts >= 2 and state.pid is None)
    assert await watched.child.stop(PATIENCE_S)


async def test_one_with_a_wrong_setting_is_given_up() -> None:
    watched = Watched(f"raise SystemExit({WRONG_SETTING})")
    watched.child.start()
    await watched.until(lambda _: watched.child.given_up)
    assert await watched.child.stop(PATIENCE_S)
    assert watched.child.restarts == 0


async def test_a_line_longer_than_the_bound_is_dropped_and_the_next_one_comes(
    capfd: pytest.CaptureFixture[str],
) -> None:
    watched = Watched("print('x' * 1_000_000); print('after', flush=True); import time; time.sleep(600)")
    watched.child.start()
    async with asyncio.timeout(PATIENCE_S):
        output = ""
        while "sleeper 0 | after" not in output:
            await asyncio.sleep(0.01)
            output += capfd.readouterr().err
    assert await watched.child.stop(PATIENCE_S)


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


def wait_for_end(descriptor: int) -> None:
    """Return when the process behind a pidfd is gone."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    ended = poller.poll(PATIENCE_S * 1000)
    os.close(descriptor)
    assert ended, "it still runs"


def test_processes_json_says_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    write_processes(path, [ChildState(role="engine", number=0, pid=42, address="127.0.0.1:1", restarts=3)])
    assert msgspec.json.decode(path.read_bytes()) == [
        {"role": "engine", "number": 0, "pid": 42, "address": "127.0.0.1:1", "restarts": 3}
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["processes.json"]
