"""Swarm members as a bench sees them: processes that are told to do something, one by one or all at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import msgspec

from loadtests.children import end, start
from loadtests.swarm import sources_of
from loadtests.swarm_member import Gather, Heard, Job
from loadtests.swarm_seen import percentile_ms

SOCKETS_PER_MEMBER = 18_000
END_S = 30.0
"""For members to end: each closes thousands of sockets."""
_heard = msgspec.json.Decoder(Heard)


class SwarmProcess:
    """One member, at the other end of a socket."""

    def __init__(self, control: socket.socket) -> None:
        self._jobs, self._answers = control.makefile("w"), control.makefile("r")
        self.pid = int(self._line())

    def begin(self, job: Job) -> None:
        """Give it a job; `heard` has its answer."""
        self._jobs.write(msgspec.json.encode(job).decode() + "\n")
        self._jobs.flush()

    def heard(self) -> Heard:
        """The answer to the job that was begun first. Raises RuntimeError when the member has ended."""
        return _heard.decode(self._line())

    def do(self, job: Job) -> Heard:
        """Give it a job and wait for the answer."""
        self.begin(job)
        return self.heard()

    def close(self) -> None:
        """Say no more to it, and hear no more."""
        self._jobs.close()
        self._answers.close()

    def _line(self) -> str:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("a swarm member has ended")
        return line


@contextmanager
def members(count: int, module: str = "loadtests.swarm_member") -> Iterator[list[SwarmProcess]]:
    """So many members, forked from one process that runs ``module``; they are ended at the end."""
    with ExitStack() as exits:
        ours, theirs = zip(*(socket.socketpair() for _ in range(count)), strict=True)
        files = [one.fileno() for one in theirs]
        command = [sys.executable, "-m", module, *map(str, files)]
        process = start(command, stdin=subprocess.DEVNULL, pass_fds=files)
        exits.callback(end, process, END_S)
        for one in theirs:
            one.close()
        yield [_member(exits, one) for one in ours]


def _member(exits: ExitStack, control: socket.socket) -> SwarmProcess:
    with control:
        member = SwarmProcess(control)
    exits.callback(member.close)
    return member


@contextmanager
def crowd_of(sockets: int) -> Iterator[list[SwarmProcess]]:
    """As many members as hold ``sockets``, at least one for each core."""
    count = max(-(-sockets // SOCKETS_PER_MEMBER), min(sockets, len(os.sched_getaffinity(0))))
    with members(count) as crowd:
        yield crowd


def all_do(swarms: Sequence[SwarmProcess], job: Job) -> list[Heard]:
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
