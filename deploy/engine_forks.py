"""Engines by the hundred, for drills that kill them: forked from one process that has imported all that they need.

A line of standard input is an `Ask`; it is answered with the pid of a fork that runs as ``stanchion engine`` would in
that environment. A fork ends with this process, at once, even where it is stopped.

Hands over to: `engine.runner`, in each fork; `loadtests.drill_stage` asks.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from deploy import logs
from engine import runner
from engine.settings import from_environment
from loadtests.children import die_with
from loadtests.drill_stage import Ask

STDOUT, STDERR = 1, 2


def main() -> None:
    """Fork for every line that is asked, until nobody can ask any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks us how they ended
    parent = os.getpid()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(parent, msgspec.json.decode(line, type=Ask))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _live(parent: int, ask: Ask) -> NoReturn:
    """Be an engine, to its end."""
    status = 1
    try:
        die_with(parent, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        output = os.open(Path(ask.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, STDOUT)
        os.dup2(output, STDERR)
        logs.configure(logs.LEVEL_DEFAULT)
        runner.main(from_environment(ask.environment))
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
