"""Processes that a bench starts and ends. A bench ends nothing that it did not start, and nothing that it started
outlives it, however it ends: the kernel sees to that (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

END_S = 10.0

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def start(command: Sequence[str], at_our_end: signal.Signals = signal.SIGTERM, **how: Any) -> subprocess.Popen[Any]:
    """Start a process that gets the signal ``at_our_end``; ``how`` is as for `subprocess.Popen`."""
    parent = os.getpid()
    return subprocess.Popen(command, preexec_fn=lambda: die_with(parent, at_our_end), **how)


def die_with(parent: int, number: signal.Signals) -> None:
    """In a child of ``parent``: ask the kernel for this signal when the parent dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)


def end(process: subprocess.Popen[Any], timeout_s: float = END_S) -> None:
    """End a process in order, by force after ``timeout_s``; one that has ended is fine."""
    process.terminate()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout_s)
