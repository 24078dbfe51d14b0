"""`stanchion up` as a person runs it: it comes up, mends itself, keeps what it holds, and ends in order."""

from __future__ import annotations

import os
import re
import select
import signal
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.supervisor import ChildState
from loadtests.ports import free_port
from tests.support.stack import PATIENCE_S, Up, until
from tests.support.supervised import wait_for_end

ROLES = [("engine", 0), ("gateway", 0), ("gateway", 1), ("shop", 0), ("valkey", 0), ("zygote", 0)]
END_ORDER = ["gateway", "zygote", "shop", "engine", "valkey"]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    stack = Up(tmp_path)
    stack.start()
    yield stack
    stack.stop()


def is_titled(one: ChildState) -> bool:
    """Whether it says who it is, which takes it a moment."""
    title = Path(f"/proc/{one.pid}/cmdline").read_text().split("\0")[0]
    return title.startswith(f"stanchion {one.role} {one.number}")


def child(up: Up, role: str, number: int) -> ChildState:
    return next(one for one in up.children(role) if one.number == number)


def experience(up: Up) -> Any:
    headers = {"Authorization": f"Bearer {up.control_key}"}
    answer = httpx.get(f"{up.room}/v1/control/experiences/demo", headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_comes_up_and_ends_in_order(up: Up) -> None:
    up.wait_until_open()
    children = up.children()
    assert sorted((one.role, one.number) for one in children) == ROLES
    for one in children:
        until(partial(is_titled, one), f"the {one.role} to say who it is")
    for number in (0, 1):
        own = child(up, "gateway", number).address
        assert httpx.get(f"http://{own}/readyz", trust_env=False).json()["worker"] == number
    assert up.ready()
    assert experience(up)["id"] == "demo"
    assert f"{up.room}/r/demo" in up.output

    descriptors = [os.pidfd_open(one.pid) for one in children if one.pid is not None]
    assert up.end() == 0
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    assert len(poller.poll(0)) == len(children), "a child outlived its stack"
    for descriptor in descriptors:
        os.close(descriptor)
    ended = re.findall(r"event=ended child=\"(\w+) ", up.output)
    assert ended == sorted(ended, key=END_ORDER.index), "the wrong order"
    assert len(ended) == len(ROLES)
    assert all(one.pid is None for one in up.children())


def test_its_output_and_its_files_keep_the_secrets(up: Up) -> None:
    up.wait_until_open()
    up.end(signal.SIGINT)
    assert up.output.count(up.control_key) == 1, "the control key is printed once, for the one who started it"
    for file in (up.data / "checkout.key", up.data / "session.key"):
        assert file.read_text().strip() not in up.output
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_every_killed_child_comes_back(up: Up) -> None:
    up.wait_until_open()
    before = settled(up)
    for role, number in ROLES:
        killed = child(up, role, number)
        assert killed.pid is not None
        os.kill(killed.pid, signal.SIGKILL)
        until(partial(came_back, up, killed), f"{role} {number} to come back")
        until(up.ready, "the waiting room to be ready again")
        assert settled(up) == before
    assert up.end() == 0


def settled(up: Up) -> dict[str, Any]:
    """The experience as its merchant sees it, but for the entry that it was read at: whoever writes next moves it."""
    return {name: value for name, value in experience(up).items() if name != "entry"}


def came_back(up: Up, killed: ChildState) -> bool:
    now = child(up, killed.role, killed.number)
    return now.pid not in (None, killed.pid) and now.restarts > killed.restarts


def test_nobody_is_left_when_it_is_killed(up: Up) -> None:
    up.wait_until_open()
    descriptors = [os.pidfd_open(one.pid) for one in up.children() if one.pid is not None]
    assert len(descriptors) == len(ROLES)
    up.process.kill()
    for descriptor in descriptors:
        wait_for_end(descriptor)


def test_a_restart_keeps_everything(up: Up) -> None:
    up.wait_until_open()
    before, key = experience(up), up.control_key
    changed = httpx.patch(
        f"{up.room}/v1/control/experiences/demo/paths/general",
        json={"release_rate_per_minute": 600},
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )
    assert changed.status_code == 200, changed.text
    assert up.end() == 0
    up.output_file.write_text("")
    up.shop_port = free_port()
    up.start()
    up.wait_until_open()
    after = experience(up)
    assert after["checkout_url"] == f"{up.shop}/checkout", "the shop is elsewhere today"
    assert up.control_key == key
    assert after["paths"][0]["distribution"]["release_rate_per_minute"] == 600
    assert after["products"] == before["products"]
    assert "made=false" in up.output


def test_a_second_one_keeps_off_the_first(up: Up, tmp_path: Path) -> None:
    up.wait_until_open()
    same_folder = Up(tmp_path)
    same_folder.output_file = tmp_path / "same-folder.txt"
    same_folder.start()
    same_port = Up(tmp_path / "other")
    (tmp_path / "other").mkdir()
    same_port.port = up.port
    same_port.start()
    assert same_folder.process.wait(PATIENCE_S) == 1
    assert "another `stanchion up` runs in" in same_folder.output
    assert same_port.process.wait(PATIENCE_S) == 2
    assert f"STANCHION_PORT is {up.port}; allowed: a free port of 127.0.0.1" in same_port.output
    assert not same_port.data.exists(), "it ended before anything was started"


def test_a_wrong_setting_of_a_part_ends_it(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.start(STANCHION_HANDSHAKES_MAX="0")
    assert up.process.wait(PATIENCE_S) == 2
    assert "STANCHION_HANDSHAKES_MAX is '0'" in up.output
    assert all(one.pid is None for one in up.children())


def test_a_second_ctrl_c_kills(up: Up) -> None:
    up.wait_until_open()
    up.process.send_signal(signal.SIGINT)
    until(lambda: "event=stopping" in up.output, "the first one to be heard")
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(PATIENCE_S) in {0, 1}
    assert all(one.pid is None for one in up.children())
