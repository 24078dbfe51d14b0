"""The load tests' proxy, a process of its own, as a bad network between two parts that a test runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """One link, told what to be; see ``loadtests.proxy``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answered("flow")

    def become(self, word: str) -> None:
        """Be ``flow``, ``cut``, ``stall`` or ``mute``; returns when it is so."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._answered(word)

    def _answered(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word


@contextmanager
def proxy_between(port: int, target: int) -> Iterator[Proxy]:
    """A proxy that listens on ``port`` and connects to ``target``."""
    command = [sys.executable, "-m", "loadtests.proxy", str(port), str(target), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Proxy(process)
        finally:
            process.terminate()
