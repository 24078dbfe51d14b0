"""The embedded store keeps its promises: it listens only here, evicts nothing, and loses nothing when killed."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from deploy import valkey
from deploy.valkey import Valkey, ValkeyError, wait_until_ready
from loadtests.ports import free_port
from tests.support.valkey import ValkeyProcess


@pytest.fixture
def own(tmp_path: Path) -> ValkeyProcess:
    return ValkeyProcess(tmp_path / "data")


def test_everything_acknowledged_survives_a_kill(own: ValkeyProcess) -> None:
    own.start()
    with redis.Redis.from_url(own.url) as client:
        for number in range(100):
            client.xadd("log", {"n": number})
    own.kill()
    own.start()
    with redis.Redis.from_url(own.url) as client:
        assert client.xlen("log") == 100
    own.stop()


def test_the_settings_in_force_are_the_safe_ones(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        settings = client.config_get("*")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["bind"] == "127.0.0.1"
    assert settings["save"] == ""


def test_its_process_says_what_it_is(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        pid = client.info("server")["process_id"]
    assert Path(f"/proc/{pid}/cmdline").read_text().startswith(valkey.TITLE)


def test_a_folder_with_a_blank_in_its_name(tmp_path: Path) -> None:
    server = ValkeyProcess(tmp_path / "my data")
    server.start()
    server.stop()


async def test_waiting_for_a_server_that_never_comes_says_so() -> None:
    with pytest.raises(ValkeyError, match="did not answer within"):
        await wait_until_ready(f"redis://127.0.0.1:{free_port()}/0", 0.2)


def test_a_machine_without_a_binary_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    with pytest.raises(ValkeyError, match="set REDIS_URL"):
        Valkey(folder=tmp_path, port=free_port()).prepare()
