"""One `stanchion up` in a folder of its own, for tests that need the whole product, and waiting for other processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx

from deploy.supervisor import ChildState
from loadtests.ports import free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
POLL_INTERVAL_S = 0.05
GATEWAYS = 2
ENGINES_MAX = 2
DIGEST = re.compile(r"event=written experience=(?P<experience>\S+) entry=(?P<entry>\S+) digest=(?P<digest>\S+)")

Found = TypeVar("Found")


def until(find: Callable[[], Found | None], what: str) -> Found:
    """What `find` returns once it is true; other processes are asked again and again, with a bound."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(POLL_INTERVAL_S)
    return found


class Up:
    """The stack: `start`, `wait_until_open`, then use it at `room` and `shop`, and `end` it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port, self.shop_port, self.valkey_port = (free_port() for _ in range(3))
        self.metrics_port = free_ports(ENGINES_MAX + GATEWAYS)
        self.output_file = folder / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def room(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def shop(self) -> str:
        return f"http://127.0.0.1:{self.shop_port}"

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.valkey_port}/0"

    @property
    def output(self) -> str:
        """All that it and its children said."""
        return self.output_file.read_text()

    @property
    def control_key(self) -> str:
        return (self.data / "control.key").read_text().strip()

    @property
    def checkout_key(self) -> str:
        return (self.data / "checkout.key").read_text().strip()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self, *more: str, **variables: str) -> None:
        """Start it with two gateways, more flags, and more variables."""
        command = [sys.executable, "-m", "deploy.cli", "up", "--workers", str(GATEWAYS), "--data", str(self.data)]
        command += ["--port", str(self.port), "--shop-port", str(self.shop_port)]
        command += ["--valkey-port", str(self.valkey_port), "--metrics-port", str(self.metrics_port), *more]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STANCHION_")}
        environment |= {"STANCHION_DRAIN_MS": "500"} | variables
        with self.output_file.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def wait_until_open(self) -> None:
        """Return when it says that it is open; what it said stands in the failure if it ends before."""

        def opened() -> bool:
            assert self.process.poll() is None, self.output
            return "Stanchion is open" in self.output

        until(opened, "the waiting room")

    def ready(self) -> bool:
        """Whether `/readyz` says so now."""
        try:
            return httpx.get(f"{self.room}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def children(self, role: str | None = None) -> list[ChildState]:
        """What runs now, by `processes.json`: all children, or those of one role."""
        try:
            listed = json.loads((self.data / "processes.json").read_text())
        except FileNotFoundError:
            return []
        return [ChildState(**child) for child in listed if role in (None, child["role"])]

    def engine_digest(self, experience: str) -> dict[str, str]:
        """`digest` of the engine's state and the `entry` it stands at; ends the engine in order, another one starts."""
        said = len(self.output)
        engine = self.children("engine")[0]
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGTERM)

        def written() -> dict[str, str] | None:
            found = [line.groupdict() for line in DIGEST.finditer(self.output, said)]
            return next((line for line in found if line["experience"] == experience), None)

        return until(written, "the engine's last words")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it in order; its exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        """End it if it still runs, at once if it will not; its children end with it."""
        if self.process.poll() is None:
            try:
                self.end()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE_S)
