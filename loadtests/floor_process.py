"""A floor as a process: started, held still while it is not its turn, asked what its rounds cost.

A floor tells its sockets a frame a second; SIGSTOP keeps it from doing so while somebody else is measured. One that is
held still handles no SIGTERM, so it gets SIGKILL when the bench dies.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType

from loadtests.children import end, start
from loadtests.ports import HOST, free_port
from loadtests.processes import cpu_ns

READY_S = 20.0
ASK_AGAIN_S = 0.05
READ_BYTES = 65_536
EPOLL = "loadtests.floors.epoll_floor"
STOCK = "loadtests.floors.stock"


class FloorProcess:
    """``module``: which floor; ``silent``: it tells nobody anything. A context: leaving it ends the process."""

    def __init__(self, module: str, *, silent: bool) -> None:
        self._port = free_port()
        command = [sys.executable, "-m", module, "--port", str(self._port), *(["--silent"] if silent else [])]
        self._process = start(command, signal.SIGKILL, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
        until_s = time.monotonic() + READY_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until_s:
                end(self._process)
                raise RuntimeError(f"{module} does not listen on port {self._port}")
            time.sleep(ASK_AGAIN_S)

    def __enter__(self) -> FloorProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on()
        end(self._process)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def live(self) -> str:
        """The address of its sockets."""
        return f"ws://{HOST}:{self._port}/live"

    def hold_still(self) -> None:
        """Let it do nothing until `go_on`."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it work."""
        self._process.send_signal(signal.SIGCONT)

    def wait_for_round(self) -> None:
        """Return when a round has ended; the next one begins a second later. What it said before is forgotten."""
        told = select.poll()
        told.register(self._output, select.POLLIN)
        while told.poll(0):
            os.read(self._output, READ_BYTES)
        self._line()

    def round_us(self) -> tuple[float, float]:
        """Microseconds of CPU, and by the clock from first to last write, for each frame of the next round; to be asked
        before it begins."""
        before_ns = cpu_ns(self.pid)
        told = self._line()
        spent_us = (cpu_ns(self.pid) - before_ns) / 1_000
        return spent_us / told["sockets"], told["us_per_frame"]

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None, "floors are piped"
        return self._process.stdout.fileno()

    def _line(self) -> dict[str, float]:
        line = b""
        while not line.endswith(b"\n"):
            read = os.read(self._output, READ_BYTES)
            if not read:
                raise RuntimeError(f"a floor ended with {self._process.wait()}")
            line += read
        told: dict[str, float] = json.loads(line)
        return told

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._port)) == 0
