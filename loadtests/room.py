"""The waiting room that is measured: the whole stack, as a merchant would run it, in a folder of its own.

What is asked of it goes through the public interface of its first gateway's own port; only the crowd that merely
stands in line is put into the commands stream directly, as another gateway would. Leaving ends the stack and removes
the folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from loadtests.children import end, start
from loadtests.parts import Parts
from loadtests.ports import HOST, free_ports
from loadtests.stream_sender import Burst, Prepare, Sender
from loadtests.workload import BATCH_COMMANDS, PATH, document, sender_id
from protocol.streams import commands_key

READY_S = 60.0
READY_WORKER_S = 5.0
FILL_S = 120.0
END_S = 90.0
ASK_AGAIN_S = 0.1
REQUEST_S = 20.0
PORTS_BESIDE_GATEWAYS = 4
LOG_SHOWN_CHARS = 2_000


class Room:
    """A stack with ``workers`` gateways, ready. ``pids``: of its processes, by role and number."""

    def __init__(self, parts: Parts, workers: int, **variables: str) -> None:
        self._command, self._workers, self._variables = parts.up, workers, variables
        self._exit = ExitStack()
        self.port = 0

    def __enter__(self) -> Room:
        with self._exit as started:
            self._start()
            self._exit = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    @property
    def redis_url(self) -> str:
        """The store."""
        return f"redis://{HOST}:{self.port + 2}/0"

    @property
    def session_key_file(self) -> str:
        """What sessions are signed with."""
        return str(self._data / "session.key")

    def live(self, experience: str) -> str:
        """The address of an experience's sockets."""
        return f"ws://{HOST}:{self.port}/v1/experiences/{experience}/live"

    def pids(self, role: str) -> list[int]:
        """The processes of a role, by number; those that are down are left out."""
        listed = json.loads((self._data / "processes.json").read_text())
        return [child["pid"] for child in listed if child["role"] == role and child["pid"] is not None]

    # What a merchant does

    def configure(self, experience: str, **distribution: Any) -> None:
        """Make an experience with one queue, changed by ``distribution``, and open it."""
        self.put(document(experience, **distribution))

    def put(self, whole: dict[str, Any], phase: str = "open") -> None:
        """Make the experience of this document, once there is an engine, and return when it is in ``phase``."""
        experience = whole["id"]
        self._until(lambda: self._takes(experience, whole), READY_S, f"{experience} to be taken")
        self._until(lambda: self.stats(experience)["phase"] == phase, READY_S, f"{experience} to be {phase}")

    def limit(self, experience: str, **limits: Any) -> None:
        """Change the limits of the path."""
        self._ask("PATCH", f"/v1/control/experiences/{experience}/paths/{PATH}", limits)

    def notice(self, experience: str, text: str) -> None:
        """Tell everybody there something."""
        self._ask("POST", f"/v1/control/experiences/{experience}/notice", {"text": text})

    def admit(self, experience: str, count: int) -> str:
        """Let the first ``count`` in by hand; how that was answered, as one may have to wait in vain for it."""
        answer = self._http.post(
            f"{self._own(0)}/v1/control/experiences/{experience}/paths/{PATH}/admit", json={"count": count}
        )
        return f"{answer.status_code} {answer.json().get('reason', 'done')}"

    def stats(self, experience: str) -> dict[str, Any]:
        """The numbers of an experience as the first gateway knows them."""
        return self._ask("GET", f"/v1/control/experiences/{experience}/stats", None)

    def waiting(self, experience: str) -> int:
        """How many wait there."""
        waiting: int = self.stats(experience)["paths"][0]["waiting"]
        return waiting

    def fill(self, experience: str, count: int) -> None:
        """Let ``count`` consumers join who have no socket here."""
        before = self.waiting(experience)
        sender = Sender(self.redis_url, sender_id(before + 1))
        batches = max(1, count // BATCH_COMMANDS)
        sender.perform(Prepare(before + 1, batches))
        sender.perform(Burst(commands_key(experience), 1))
        wanted = before + batches * BATCH_COMMANDS
        self._until(lambda: self.stats(experience)["paths"][0]["joined"] >= wanted, FILL_S, f"{wanted} to join")

    # What an operator sees

    def metric(self, gateway: int, name: str) -> float:
        """A figure of one gateway's metrics, added up over its labels."""
        text = self._http.get(f"{self._own(gateway)}/metrics").text
        lines = (line.split() for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line[-1]) for line in lines)

    def sockets(self) -> int:
        """How many sockets all gateways hold."""
        return sum(round(self.metric(number, "stanchion_gateway_sockets")) for number in range(self._workers))

    def wait_until_left(self, timeout_s: float) -> bool:
        """Return once no gateway holds a socket, or after ``timeout_s``; whether none does."""
        return self.wait_until_held(0, timeout_s)

    def wait_until_held(self, sockets: int, timeout_s: float) -> bool:
        """Return once the gateways hold so many, or after ``timeout_s``; whether they do."""
        return self._is_within(lambda: self.sockets() == sockets, timeout_s)

    def _start(self) -> None:
        folder = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="stanchion-bench-")))
        self._data, self._log = folder / "data", folder / "up.log"
        self.port = free_ports(PORTS_BESIDE_GATEWAYS + self._workers)
        command = [*self._command, "--no-demo", "--port", str(self.port), "--workers", str(self._workers)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STANCHION_")}
        with self._log.open("w") as log:
            self._process = start(
                [*command, "--data", str(self._data)],
                env=environment | self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        self._exit.callback(end, self._process, END_S)
        self._http = self._exit.enter_context(httpx.Client(timeout=REQUEST_S, trust_env=False))
        ready_s = READY_S + READY_WORKER_S * self._workers
        for number in range(self._workers):
            self._until(lambda: self._is_ready(number), ready_s, f"gateway {number}")  # noqa: B023 - called at once
        self._http.headers["Authorization"] = f"Bearer {(self._data / 'control.key').read_text().strip()}"

    def _own(self, gateway: int) -> str:
        """The address of one gateway alone: its own port stands behind the engine's."""
        return f"http://{HOST}:{self.port + PORTS_BESIDE_GATEWAYS + gateway}"

    def _is_ready(self, gateway: int) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the stack ended: {self._log.read_text()[-LOG_SHOWN_CHARS:]}")
        try:
            return self._http.get(f"{self._own(gateway)}/readyz").status_code == HTTPStatus.OK
        except httpx.TransportError:
            return False

    def _takes(self, experience: str, document: dict[str, Any]) -> bool:
        """Whether it was taken; one that is refused for good raises RuntimeError."""
        answer = self._http.put(f"{self._own(0)}/v1/control/experiences/{experience}", json=document)
        if not answer.is_success and answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise RuntimeError(f"{experience} was refused: {answer.status_code} {answer.text}")
        return answer.is_success

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        answer = self._http.request(method, f"{self._own(0)}{path}", json=body)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        content: dict[str, Any] = answer.json()
        return content

    def _until(self, holds: Callable[[], bool], timeout_s: float, what: str) -> None:
        if not self._is_within(holds, timeout_s):
            raise RuntimeError(f"waited {timeout_s:g} s for {what}: {self._log.read_text()[-LOG_SHOWN_CHARS:]}")

    @staticmethod
    def _is_within(holds: Callable[[], bool], timeout_s: float) -> bool:
        until_s = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > until_s:
                return False
            time.sleep(ASK_AGAIN_S)
        return True
