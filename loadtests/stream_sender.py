"""One sender of the stream bench, in its own process: it reads jobs, a JSON object a line, and answers each with one.

``prepare`` makes batches of joins and keeps them encoded; ``burst`` sends them all, pipelined, as fast as the store
takes them; ``pace`` sends one every ``interval_us`` and answers with the instants at which each was sent. Instants are
of the machine's monotonic clock in ns, which all processes share.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Annotated, Any

import msgspec
import redis
from msgspec import Meta, Struct
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtests.workload import BATCH_COMMANDS, joins
from protocol.codec import encode_commands
from protocol.streams import FIELD_BATCH, FIELD_NUMBER, FIELD_SENDER

PIPELINE_BATCHES = 16
US = 1_000
SECOND_NS = 1_000_000_000
BATCHES_MAX = 1_000_000

Batches = Annotated[int, Meta(ge=1, le=BATCHES_MAX)]


class Prepare(Struct, tag="prepare", tag_field="job"):
    """Make ``batches`` batches from ``seed``."""

    seed: int
    batches: Batches


class Burst(Struct, tag="burst", tag_field="job"):
    """Send all that was prepared to the stream ``key``, numbered from ``first``."""

    key: str
    first: int


class Pace(Struct, tag="pace", tag_field="job"):
    """The same, one every ``interval_us``, the first after ``delay_us``."""

    key: str
    first: int
    interval_us: int
    delay_us: int


class Sent(Struct):
    """When the first was sent and the last was taken; for ``pace`` when each was sent."""

    begun_ns: int = 0
    ended_ns: int = 0
    each_ns: list[int] = []


class Sender:
    """Sends what it prepared, in the name of ``sender`` (8 bytes)."""

    def __init__(self, url: str, sender: bytes) -> None:
        self._store = redis.Redis.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0))
        self._sender = sender
        self._batches: list[bytes] = []

    def perform(self, job: Prepare | Burst | Pace) -> Sent:
        """Do one job. Raises redis.RedisError when the store is away."""
        if isinstance(job, Prepare):
            chance = random.Random(job.seed)
            self._batches = [encode_commands(joins(chance, BATCH_COMMANDS)) for _ in range(job.batches)]
            return Sent()
        return self._burst(job) if isinstance(job, Burst) else self._pace(job)

    def _fields(self, number: int, batch: bytes) -> dict[Any, Any]:
        return {FIELD_SENDER: self._sender, FIELD_NUMBER: str(number), FIELD_BATCH: batch}

    def _burst(self, job: Burst) -> Sent:
        begun_ns = time.monotonic_ns()
        for start in range(0, len(self._batches), PIPELINE_BATCHES):
            pipeline = self._store.pipeline(transaction=False)
            for index, batch in enumerate(self._batches[start : start + PIPELINE_BATCHES], start):
                pipeline.xadd(job.key, self._fields(job.first + index, batch))
            pipeline.execute()
        return Sent(begun_ns, time.monotonic_ns())

    def _pace(self, job: Pace) -> Sent:
        due_ns = time.monotonic_ns() + job.delay_us * US
        each_ns = []
        for index, batch in enumerate(self._batches):
            time.sleep(max(0, due_ns - time.monotonic_ns()) / SECOND_NS)
            each_ns.append(time.monotonic_ns())
            self._store.xadd(job.key, self._fields(job.first + index, batch))
            due_ns += job.interval_us * US
        return Sent(each_ns[0], time.monotonic_ns(), each_ns)


def main(url: str, sender: str) -> None:
    """Perform the jobs of standard input until it ends."""
    worker = Sender(url, bytes.fromhex(sender))
    for line in sys.stdin:
        answer = worker.perform(msgspec.json.decode(line, type=Prepare | Burst | Pace))
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
