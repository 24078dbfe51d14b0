"""The ports of tests and benches: each is given once, though nobody listens on it yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from loadtests import ports

ASK = "from loadtests import ports; ports.PORTS = range({}, {}); print(ports.free_port())"


def test_a_port_is_given_to_one_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.free_port()
    monkeypatch.setattr(ports, "PORTS", range(first, first + 1))
    with pytest.raises(RuntimeError, match="no 1 free ports"):
        ports.free_port()
    assert "no 1 free ports" in _asked_elsewhere(first).stderr


def test_a_port_is_free_again_when_the_process_has_ended() -> None:
    first = int(_asked_elsewhere(ports.PORTS.start, ports.PORTS.stop).stdout)
    assert int(_asked_elsewhere(first).stdout) == first


def _asked_elsewhere(first: int, stop: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ASK.format(first, stop or first + 1)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
