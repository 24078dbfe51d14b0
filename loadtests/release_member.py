"""Swarm members at a timed release: all claim at the same instant, some of them before it as well. What each was told,
and when, is kept and written to a file at the end.

The instant is one of the wall clock, as the log's are; what is kept are nanoseconds since then, by the clock that never
jumps. A socket has heard the last word when it knows what became of its claim and that everything is gone.

Hands over to: `loadtests.bench_release`, which reads the files.
"""

from __future__ import annotations

import json
import time
from array import array
from typing import Any

import msgspec
import numpy as np

from loadtests.swarm import POLL_S, Swarm
from loadtests.swarm_member import AnyJob, Job, Member, main

EARLY_MS = 400
"""So long before the opening the impatient claim for the first time."""
CLAIMS_BETWEEN_TURNS = 50
MS_NS, SECOND_NS = 1_000_000, 1_000_000_000
NEVER = -1
UNTOLD, ADMITTED, LOST, REFUSED = range(4)
_ADMITTED, _TICKET, _ERROR, _SOLD_OUT = (
    b'{"type":"%b"' % kind for kind in (b"admitted", b"ticket", b"error", b"sold_out")
)
_OVER = b'"over":true'
_CLAIMED = b'"claimed":true'
_NOT_OPEN = b'"reason":"not_open"'


class Claim(Job):
    """Claim in ``path`` with every socket at ``opens_at`` (epoch ms), with the first ``impatient`` before it too, and
    answer once everybody has heard the last word."""

    path: str
    opens_at: int
    impatient: int
    timeout_s: float = 60.0


class Keep(Job):
    """Write down what was seen, as arrays."""

    file: str


ReleaseJob = AnyJob | Claim | Keep


class ReleaseSwarm(Swarm):
    """``outcome`` of each socket, ``told_ns`` when it was told that, ``sold_out_ns`` when it was told that everything
    is gone; ``early``: claims before the opening that were refused as such, ``taken_early``: those that were not."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        sockets = len(self._files)
        self.outcome = bytearray(sockets)
        self.told_ns, self.sold_out_ns = array("q", [NEVER]) * sockets, array("q", [NEVER]) * sockets
        self.early = self.taken_early = self.untold = 0
        self.opens_ns = 0

    def claim(self, path: str, who: int) -> None:
        """``who`` claims."""
        text = json.dumps({"type": "claim", "path": path, "ref": who}).encode()
        self._say(who, bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)

    def claim_all(self, path: str, first: int) -> None:
        """Everybody below ``first`` claims, and what comes meanwhile is heard."""
        for who in range(first):
            self.claim(path, who)
            if who % CLAIMS_BETWEEN_TURNS == 0:
                self.turn_within(0.0)

    def turn_within(self, wait_s: float) -> None:
        """Hear whoever has something to say, for at most ``wait_s``."""
        self._turn(wait_s)

    def _told(self, who: int, text: bytes) -> None:
        super()._told(who, text)
        if text.startswith(_SOLD_OUT) and _OVER not in text:
            self._note(self.sold_out_ns, who)
        elif text.startswith(_ADMITTED):
            self._became(who, ADMITTED)
        elif text.startswith(_TICKET) and _CLAIMED not in text:
            self._became(who, LOST)
        elif text.startswith(_ERROR) and _NOT_OPEN in text:
            self.early += 1
        elif text.startswith(_ERROR):
            self._became(who, REFUSED)

    def _became(self, who: int, outcome: int) -> None:
        if self.outcome[who] == UNTOLD:
            self.taken_early += time.monotonic_ns() < self.opens_ns
            self.outcome[who] = outcome
            self._note(self.told_ns, who)

    def _note(self, when: array[int], who: int) -> None:
        if when[who] == NEVER:
            when[who] = time.monotonic_ns()
            other = self.sold_out_ns if when is self.told_ns else self.told_ns
            self.untold -= other[who] != NEVER


class ReleaseMember(Member):
    """Performs the jobs of a release beside those of any swarm."""

    SWARM = ReleaseSwarm
    JOBS = msgspec.json.Decoder(ReleaseJob)

    def _do(self, job: ReleaseJob) -> None:
        swarm = self._swarm
        assert isinstance(swarm, ReleaseSwarm), "made from SWARM"
        match job:
            case Claim():
                self._claim(swarm, job)
            case Keep():
                self._keep(swarm, job.file)
            case _:
                super()._do(job)

    @staticmethod
    def _claim(swarm: ReleaseSwarm, job: Claim) -> None:
        swarm.untold = swarm.open
        swarm.opens_ns = time.monotonic_ns() + job.opens_at * MS_NS - time.time_ns()
        _listen_until(swarm, swarm.opens_ns - EARLY_MS * MS_NS)
        swarm.claim_all(job.path, min(job.impatient, swarm.open))
        _listen_until(swarm, swarm.opens_ns)
        swarm.claim_all(job.path, swarm.open)
        swarm.listen(lambda: swarm.untold == 0, job.timeout_s)

    @staticmethod
    def _keep(swarm: ReleaseSwarm, file: str) -> None:
        told, sold_out = np.array(swarm.told_ns, np.int64), np.array(swarm.sold_out_ns, np.int64)
        np.savez(
            file,
            outcome=np.frombuffer(bytes(swarm.outcome), np.uint8),
            told_ns=np.where(told == NEVER, NEVER, told - swarm.opens_ns),
            sold_out_ns=np.where(sold_out == NEVER, NEVER, sold_out - swarm.opens_ns),
            early=np.array([swarm.early, swarm.taken_early]),
        )


def _listen_until(swarm: ReleaseSwarm, at_ns: int) -> None:
    """Hear everybody until ``at_ns`` of the monotonic clock."""
    while (left_ns := at_ns - time.monotonic_ns()) > 0:
        swarm.turn_within(min(left_ns / SECOND_NS, POLL_S))


if __name__ == "__main__":
    main(ReleaseMember)
