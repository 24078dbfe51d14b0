"""Swarm members as a bench sees them: processes that are told to do something, one by one or all at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType

import msgspec

from loadtests.children import end
from loadtests.swarm import sources_of
from loadtests.swarm_member import AnyJob, Gather, Heard
from loadtests.swarm_seen import percentile_ms

SOCKETS_PER_MEMBER = 18_000
_heard = msgspec.json.Decoder(Heard)


class SwarmProcess:
    """One member process. A context: leaving it ends the process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtests.swarm_member"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._asked = 0

    def __enter__(self) -> SwarmProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)

    @property
    def pid(self) -> int:
        """The member's process."""
        return self._process.pid

    def begin(self, job: AnyJob) -> None:
        """Give it a job; `heard` has its answer."""
        assert self._process.stdin is not None, "members are piped"
        self._process.stdin.write(msgspec.json.encode(job).decode() + "\n")
        self._process.stdin.flush()

    def heard(self) -> Heard:
        """The answer to the job that was begun first. Raises RuntimeError when the member has ended."""
        assert self._process.stdout is not None, "members are piped"
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a swarm member ended with {self._process.wait()}")
        return _heard.decode(line)

    def do(self, job: AnyJob) -> Heard:
        """Give it a job and wait for the answer."""
        self.begin(job)
        return self.heard()


@contextmanager
def crowd_of(sockets: int) -> Iterator[list[SwarmProcess]]:
    """As many members as hold ``sockets``, at least one for each core: they are ended at the end."""
    members = max(-(-sockets // SOCKETS_PER_MEMBER), min(sockets, len(os.sched_getaffinity(0))))
    with ExitStack() as exits:
        yield [exits.enter_context(SwarmProcess()) for _ in range(members)]


def all_do(swarms: Sequence[SwarmProcess], job: AnyJob) -> list[Heard]:
    """Give all the same job at once, and wait for all answers."""
    for swarm in swarms:
        swarm.begin(job)
    return [swarm.heard() for swarm in swarms]


def gather(swarms: Sequence[SwarmProcess], job: Gather) -> None:
    """Divide the sockets of ``job`` among the members, each with consumers and source addresses of its own."""
    share, rest = divmod(job.sockets, len(swarms))
    first, source = job.first, job.first_source
    for index, swarm in enumerate(swarms):
        sockets = share + (index < rest)
        swarm.begin(msgspec.structs.replace(job, sockets=sockets, first=first, first_source=source))
        first += sockets
        source += sources_of(sockets)
    for swarm in swarms:
        swarm.heard()


def latencies(heard: Sequence[Heard]) -> dict[int, int]:
    """The latencies of all."""
    added: Counter[int] = Counter()
    for one in heard:
        added.update(one.latencies)
    return dict(added)


def late_ms(heard: Sequence[Heard], share: float) -> float:
    """The latency that ``share`` of the frames to all did not exceed. Raises RuntimeError when there was none."""
    found = percentile_ms(latencies(heard), share)
    if found is None:
        raise RuntimeError("no frame with an instant came: nothing was measured")
    return found
