"""An engine that is killed at one step of its making of a snapshot: ``python -m tests.support.doomed_engine STEP``.

Run as a process of its own. The second time that it comes to STEP, both it and the child that makes the snapshot end as
by a power cut: SIGKILL, nothing flushed, no farewell. The first snapshot goes through, so there is one before.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import engine.making
import engine.snapshot_pace
import engine.snapshots
from engine import runner
from engine.settings import from_environment
from protocol.streams import snapshot_chunks_key
from tests.support.samples import EXPERIENCE

STEPS = (
    "announced",
    "forked",
    "a chunk of the snapshot",
    "a chunk of the replica",
    "read back",
    "answered",
    "about to count",
    "counting",
    "counted",
)
SECOND = 2


class Doom:
    """Ends the engine at ``step``, in whichever of its processes that is."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._engine = os.getpid()
        self.made = 0

    def at(self, step: str) -> None:
        """Here the engine is at ``step`` of the snapshot that is being made."""
        if step == self._step and self.made == SECOND:
            os.kill(self._engine, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


def plant(doom: Doom) -> None:
    """Have the engine come by at every step."""
    making: Any = engine.making
    snapshots: Any = engine.snapshots
    loop: Any = runner

    def after(step: str, function: Callable[..., Any], before: str = "") -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            doom.at(before)
            answer = function(*arguments)
            doom.at(step)
            return answer

        return called

    class Child(engine.making.Child):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            doom.at("forked")

    announce = snapshots.announce
    write_chunks = making.write_chunks

    def announced(*arguments: Any) -> Any:
        doom.made += 1
        return after("announced", announce)(*arguments)

    def chunks(client: Any, key: str, *arguments: Any) -> Iterator[int]:
        for number in write_chunks(client, key, *arguments):
            of_snapshot = key.startswith(snapshot_chunks_key(EXPERIENCE, ""))
            doom.at("a chunk of the snapshot" if of_snapshot else "a chunk of the replica")
            yield number

    loop.Child = Child
    snapshots.announce = announced
    making.write_chunks = chunks
    making.store = after("read back", making.store)
    making.encode_manifest = after("answered", making.encode_manifest)
    snapshots.replace = after("counting", snapshots.replace)
    snapshots.fenced = after("counted", snapshots.fenced, before="about to count")


def main(step: str) -> None:
    """Run the engine that ``STANCHION_…`` describes until it comes to ``step``."""
    assert step in STEPS, f"{step!r} is none of {STEPS}"
    pace: Any = engine.snapshot_pace
    pace.REST_MS_MIN = pace.REST_TIMES = 0
    plant(Doom(step))
    runner.main(from_environment(os.environ))


if __name__ == "__main__":
    main(sys.argv[1])
