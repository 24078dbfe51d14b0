"""Gateways that are forked from a zygote: supervised like any other child, each with a life and settings of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from deploy import keys
from deploy.forks import Forks
from deploy.supervisor import ChildSpec, ChildState, spawn
from deploy.zygote import ASK_BYTES_MAX
from loadtests.ports import free_port
from tests.support.supervised import PATIENCE_S, Watched

POLL_INTERVAL_S = 0.05
GATEWAYS = 2


class Family:
    """A zygote and its gateways, which do without a store."""

    def __init__(self, folder: Path) -> None:
        self.forks = Forks()
        self._keys = keys.prepare(folder, None)
        self._port = free_port()
        command = [sys.executable, "-m", "deploy.zygote"]
        spec = ChildSpec(role="zygote", number=0, command=command, environment=self._environment())
        self.zygote = Watched(spec, self.forks.zygote)
        self.gateways = [self.gateway(number) for number in range(GATEWAYS)]

    def gateway(self, number: int, **variables: str) -> Watched:
        """One more, with these variables."""
        own_port = free_port()
        variables |= {"STANCHION_NUMBER": str(number), "STANCHION_OWN_PORT": str(own_port)}
        environment = self._environment() | variables
        address = f"127.0.0.1:{own_port}"
        spec = ChildSpec(role="gateway", number=number, command=[], environment=environment, address=address)
        return Watched(spec, self.forks.fork)

    def start(self) -> None:
        for one in (self.zygote, *self.gateways):
            one.child.start()

    async def stop(self) -> None:
        for one in (*self.gateways, self.zygote):
            one.child.kill()
            await one.child.stop(PATIENCE_S)
        self.forks.close()

    def _environment(self) -> dict[str, str]:
        return dict(os.environ) | {
            "OPENBLAS_NUM_THREADS": "1",
            "STANCHION_PORT": str(self._port),
            "STANCHION_REDIS_URL": "redis://127.0.0.1:1/0",
            "STANCHION_SESSION_KEY_FILE": str(self._keys.session_key_file),
            "STANCHION_CONTROL_KEY_FILE": str(self._keys.control_key_file),
            "STANCHION_CHECKOUT_KEY_FILE": str(self._keys.checkout_key_file),
            "STANCHION_KEYS_DIR": str(self._keys.pass_keys_folder),
            "STANCHION_DRAIN_MS": "0",
        }


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    family = Family(tmp_path)
    family.start()
    yield family
    await family.stop()


def runs(state: ChildState) -> bool:
    return state.pid is not None


def runs_again(before: ChildState) -> Callable[[ChildState], bool]:
    return lambda state: state.pid not in (None, before.pid)


async def serves(client: httpx.AsyncClient, state: ChildState) -> None:
    """Return when the gateway answers on its own port."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert (await client.get(f"http://{state.address}/healthz")).status_code == 200
            except httpx.TransportError:
                await asyncio.sleep(POLL_INTERVAL_S)
            else:
                return


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S)


def field(pid: int | None, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith(f"{name}:"))


async def test_a_fork_is_a_child_of_the_supervisor_with_a_life_of_its_own(family: Family) -> None:
    async with client() as http:
        for number, gateway in enumerate(family.gateways):
            state = await gateway.until(runs)
            await serves(http, state)
            assert state.pid is not None
            assert int(field(state.pid, "PPid")) == os.getpid()
            assert os.getsid(state.pid) == state.pid
            title = Path(f"/proc/{state.pid}/cmdline").read_text().split("\0")[0].strip()
            assert title == f"stanchion gateway {number}", "each has read its own environment"


async def test_one_that_is_killed_comes_back_and_the_others_stay(family: Family) -> None:
    first, other = family.gateways
    before, others = await first.until(runs), await other.until(runs)
    first.child.signal(signal.SIGKILL)
    after = await first.until(runs_again(before))
    assert after.restarts == 1
    assert (other.child.state, family.zygote.child.restarts) == (others, 0)


async def test_sockets_outlive_the_zygote_and_the_next_one_forks(family: Family) -> None:
    first, other = family.gateways
    before, others = await first.until(runs), await other.until(runs)
    async with client() as http:
        await serves(http, others)
        zygote = await family.zygote.until(runs)
        family.zygote.child.signal(signal.SIGKILL)
        await family.zygote.until(runs_again(zygote))
        assert (await http.get(f"http://{others.address}/healthz")).status_code == 200
        first.child.signal(signal.SIGKILL)
        after = await first.until(runs_again(before))
        await serves(http, after)
    assert other.child.state == others


async def test_one_that_is_to_be_forked_while_there_is_no_zygote_waits_for_it(tmp_path: Path) -> None:
    family = Family(tmp_path)
    first = family.gateways[0]
    first.child.start()
    assert first.child.state.pid is None
    family.zygote.child.start()
    assert (await first.until(runs)).restarts == 0
    await family.stop()


async def test_what_a_zygote_was_asked_when_it_died_the_next_one_does(family: Family) -> None:
    zygote = await family.zygote.until(runs)
    for gateway in family.gateways:
        await gateway.until(runs)
    family.zygote.child.signal(signal.SIGSTOP)
    one_more = family.gateway(7)
    family.gateways.append(one_more)
    one_more.child.start()
    async with asyncio.timeout(PATIENCE_S):
        while not family.forks._one_at_a_time.locked():
            await asyncio.sleep(0)
    family.zygote.child.signal(signal.SIGKILL)
    await family.zygote.until(runs_again(zygote))
    assert (await one_more.until(runs)).restarts == 0


async def test_an_asked_for_end_is_in_order(family: Family) -> None:
    gateway = family.gateways[0]
    async with client() as http:
        await serves(http, await gateway.until(runs))
    assert await gateway.child.stop(PATIENCE_S)
    assert (gateway.child.state.pid, gateway.child.restarts) == (None, 0)


async def test_one_that_will_not_go_is_killed(family: Family) -> None:
    gateway = family.gateways[0]
    async with client() as http:
        await serves(http, await gateway.until(runs))  # only from then on it handles SIGTERM, for which it must run
    gateway.child.signal(signal.SIGSTOP)
    assert not await gateway.child.stop(timeout_s=0.05)
    assert gateway.child.state.pid is None


async def test_one_with_a_wrong_setting_is_given_up(family: Family, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = family.gateway(7, STANCHION_HANDSHAKES_MAX="0")
    wrong.child.start()
    await wrong.until(lambda _: wrong.child.given_up)
    assert wrong.child.restarts == 0
    said = [line for line in capfd.readouterr().err.splitlines() if "STANCHION_HANDSHAKES_MAX is '0'" in line]
    assert len(said) == 1 and said[0].startswith("gateway 7 | ")
    assert await wrong.child.stop(PATIENCE_S)


async def test_an_environment_that_is_too_large_is_an_error_of_its_own(family: Family) -> None:
    large = family.gateway(7, LARGE="x" * ASK_BYTES_MAX)
    with pytest.raises(OSError, match="bytes"):
        await family.forks.fork(large.child.spec)


async def test_a_program_that_is_not_there_is_tried_again() -> None:
    missing = Watched(ChildSpec(role="missing", number=0, command=["/nowhere"], environment={}), spawn)
    missing.child.start()
    await missing.until(lambda state: state.restarts >= 2)
    assert await missing.child.stop(PATIENCE_S)
