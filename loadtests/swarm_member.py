"""The members of the swarms that a bench commands: processes with a `Swarm` each. A member reads jobs, a JSON object a
line, and answers each with one; its first line is its pid. Between two jobs it goes on hearing its sockets.

They are forked from one process that has imported all they need, one for each descriptor that it is given; it ends
when the last of them has, and they end with it.

A consumer is a number: its id is a hash of it, and its session is signed with the key of the room that is measured, so
that who comes back, from whichever process, is the same consumer. Instants are of the machine's monotonic clock in ns,
which all processes share.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from loadtests.children import die_with
from loadtests.swarm import Swarm, raise_file_limit
from loadtests.swarm_seen import Watch
from loadtests.swarm_target import Target
from protocol.events import CONSUMER_BYTES
from protocol.sessions import new_session, sign_session

READ_BYTES = 65_536


class Job(Struct, tag_field="job", tag=str.lower):
    """What a member is told to do."""


class Gather(Job):
    """Be ``sockets`` clients of ``url``, the consumers from number ``first`` on. Without ``key_file`` they have no
    session. The rest is as a `Swarm` takes it."""

    url: str
    sockets: int
    join: str | None = None
    key_file: str | None = None
    first: int = 0
    first_source: int = 0
    returning: bool = False
    checking: bool = True
    receive_bytes: int | None = None


class Connect(Job):
    """Open all that is not, until each that opened was told a frame of type ``until`` (empty: until each is open)."""

    until: str = ""
    at_once: int = 256
    timeout_s: float = 60.0


class WatchFor(Job):
    """Count and time the frames of ``type`` (empty: of any) from here on."""

    type: str = ""


class Await(Job):
    """Answer once ``count`` frames that are watched for have come, or ``open`` sockets are open."""

    count: int = 0
    open: int = 0
    timeout_s: float = 60.0


class Drop(Job):
    """Leave without a word; ``reset``: the other side is told."""

    reset: bool = True


class StopReading(Job):
    """Read nothing any more."""


class CutOff(Job):
    """Acknowledge nothing any more."""


class Tell(Job):
    """Tell the ticket of each, in the order of the consumers."""


AnyJob = Gather | Connect | WatchFor | Await | Drop | StopReading | CutOff | Tell


class Heard(Struct):
    """``late``: the job was not done within its time. ``begun_ns``, ``ended_ns``: of the job; a ``Connect`` ended with
    the last frame that it waited for. ``latencies``: how many frames had so many steps of a tenth of a millisecond.
    ``tickets``, if they were asked for: -1 for who never was told one."""

    open: int = 0
    late: bool = False
    begun_ns: int = 0
    ended_ns: int = 0
    watch: Watch = msgspec.field(default_factory=Watch)
    latencies: dict[int, int] = {}
    seen: dict[str, Any] = {}
    tickets: list[int] = []


class Member:
    """Performs jobs. ``SWARM``: what it is a swarm of; ``JOBS``: which jobs it knows."""

    SWARM: ClassVar[type[Swarm]] = Swarm
    JOBS: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(AnyJob)

    def __init__(self) -> None:
        self._swarm = self.SWARM(Target("127.0.0.1", 1, "/", None), 0)

    def perform(self, job: Any) -> Heard:
        """Do one job of ``JOBS``."""
        begun_ns = time.monotonic_ns()
        late = False
        try:
            self._do(job)
        except TimeoutError:
            late = True
        seen, ended_ns = self._swarm.seen, time.monotonic_ns()
        if isinstance(job, Connect) and job.until and not late:
            ended_ns = seen.watch.last_ns
        tickets = seen.tickets() if isinstance(job, Tell) else []
        return Heard(self._swarm.open, late, begun_ns, ended_ns, seen.watch, seen.latencies(), seen.figures(), tickets)

    def idle(self) -> None:
        """Hear whoever has something to say."""
        self._swarm.turn()

    def _do(self, job: Any) -> None:
        match job:
            case Gather():
                self._gather(job)
            case Connect():
                self._connect(job)
            case WatchFor():
                self._swarm.seen.watch_for(job.type)
            case Await():
                self._await(job)
            case Drop():
                self._swarm.drop(reset=job.reset)
            case StopReading():
                self._swarm.stop_reading()
            case CutOff():
                self._swarm.cut_off()
            case Tell():
                self._swarm.turn()

    def _gather(self, job: Gather) -> None:
        raise_file_limit(job.sockets)
        sessions = [] if job.key_file is None else list(tokens(Path(job.key_file), job.first, job.sockets))
        self._swarm = self.SWARM(
            Target.of(job.url, job.join),
            job.sockets,
            session=sessions.__getitem__ if sessions else None,
            returning=job.returning,
            checking=job.checking,
            first_source=job.first_source,
            receive_bytes=job.receive_bytes,
        )

    def _connect(self, job: Connect) -> None:
        swarm, seen = self._swarm, self._swarm.seen
        deadline = time.monotonic() + job.timeout_s
        seen.watch_for(job.until)
        before = seen.opened
        swarm.connect(at_once=job.at_once, timeout_s=job.timeout_s)
        if job.until:
            swarm.listen(lambda: seen.watch.count >= seen.opened - before, deadline - time.monotonic())

    def _await(self, job: Await) -> None:
        seen = self._swarm.seen
        self._swarm.listen(lambda: seen.watch.count >= job.count and self._swarm.open >= job.open, job.timeout_s)


def tokens(key_file: Path, first: int, count: int) -> Iterator[str]:
    """The sessions of so many consumers from number ``first`` on."""
    key, now = bytes.fromhex(key_file.read_text().strip()), int(time.time())
    for number in range(first, first + count):
        yield sign_session(new_session(consumer_of(number), 0, now), key)


def consumer_of(number: int) -> bytes:
    """The id of consumer ``number``."""
    return blake2b(number.to_bytes(8, "big"), digest_size=CONSUMER_BYTES).digest()


def serve(file: int, member: Member) -> None:
    """Let ``member`` perform the jobs that come from the socket ``file`` until it ends."""
    os.write(file, b"%d\n" % os.getpid())
    waiting = b""
    told = select.poll()
    told.register(file, select.POLLIN)
    while True:
        if not told.poll(0):
            member.idle()
            continue
        read = os.read(file, READ_BYTES)
        if not read:
            return
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            _say(file, msgspec.json.encode(member.perform(member.JOBS.decode(line))) + b"\n")


def _say(file: int, answer: bytes) -> None:
    while answer:
        answer = answer[os.write(file, answer) :]


def _fork(file: int, files: list[int], parent: int, member: type[Member]) -> int:
    """A ``member`` for ``file``; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        die_with(parent, signal.SIGTERM)
        for other in files:
            if other != file:
                os.close(other)
        serve(file, member())
    except Exception:
        traceback.print_exc()
        raise
    finally:
        os._exit(0)  # without tidying up, which would write to all that is shared


def _pass_on(number: int, running: set[int]) -> None:
    for pid in running:
        with contextlib.suppress(ProcessLookupError):  # it ended a moment ago
            os.kill(pid, number)


def main(member: type[Member]) -> None:
    """Fork a ``member`` for each descriptor, and wait for all of them; SIGTERM is passed on."""
    gc.collect()
    gc.freeze()
    files, running = [int(word) for word in sys.argv[1:]], set[int]()
    for file in files:
        running.add(_fork(file, files, os.getpid(), member))
    for file in files:
        os.close(file)
    signal.signal(signal.SIGTERM, lambda number, _frame: _pass_on(number, running))
    while running:
        pid, _ = os.waitpid(-1, 0)
        running.discard(pid)


if __name__ == "__main__":
    main(Member)
