"""The stage of the stream bench: a real store, a real engine and the senders, each its own process, for one run.

Whatever happens, leaving the stage ends the processes that it started and removes the store's folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtests.children import end, start
from loadtests.parts import Parts
from loadtests.ports import free_port
from loadtests.processes import cpu_ns
from loadtests.stream_sender import Burst, Pace, Prepare, Sent
from loadtests.workload import BATCH_COMMANDS, EXPERIENCE, configure, sender_id
from protocol.codec import encode_commands
from protocol.manifest import read_manifests
from protocol.streams import (
    FIELD_BATCH,
    FIELD_ENTRY,
    FIELD_EXPERIENCE,
    FIELD_NUMBER,
    FIELD_SENDER,
    START_ID,
    commands_key,
    events_key,
    experiences_key,
    parse_entry_id,
    readers_key,
    shard_of,
    snapshot_key,
    wake_key,
)

HOST = "127.0.0.1"
READY_S = 30.0
FILL_S = 600.0
ASK_AGAIN_S = 0.05
READ_ENTRIES = 64
READ_BLOCK_MS = 100
SECOND_NS = 1_000_000_000
MS_NS = 1_000_000


class AppliedPart(msgspec.Struct, array_like=True):
    """What of an events entry is read here; the events stay bytes."""

    rules: int
    now_ms: int
    command_id: str
    applied: dict[bytes, int]
    durable: str
    events: msgspec.Raw


_decoder = msgspec.msgpack.Decoder(AppliedPart)


class Stage:
    """A store, an engine and ``senders`` senders, ready: the experience is configured and batch 1 of sender 0 applied.

    ``commits`` has (sender, last number applied, instant in ns) for every entry that was read, in order; ``changes``
    (epoch, instant in ns) for every take-over. ``settings`` are those of the engines, by name.
    """

    def __init__(
        self, parts: Parts, append_fsync: str, senders: int, settings: Mapping[str, object] | None = None
    ) -> None:
        self._parts, self._append_fsync, self._count = parts, append_fsync, senders
        self._settings = {f"STANCHION_{name.upper()}": str(value) for name, value in (settings or {}).items()}
        self._exit = ExitStack()
        self._senders: list[subprocess.Popen[str]] = []
        self.engines: list[subprocess.Popen[str]] = []
        self._after = START_ID
        self._epoch = 0
        self._applied: dict[bytes, int] = {}
        self._seen_ns = 0
        self.commits: list[tuple[bytes, int, int]] = []
        self.changes: list[tuple[int, int]] = []

    def __enter__(self) -> Stage:
        with self._exit as started:
            self._start()
            self._exit = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def _start(self) -> None:
        folder = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="stanchion-bench-")))
        port = free_port()
        self._log = self._exit.enter_context((folder / "processes.log").open("w"))
        self._store_process = self._run(self._parts.store(folder / "store", port, self._append_fsync))
        self.url = url = f"redis://{HOST}:{port}/0"
        self._store = redis.Redis.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0))
        self._exit.callback(self._store.close)
        _wait_until_ready(self._store)
        self._configure()
        self.start_engine()
        self.wait_committed({sender_id(0): 1}, READY_S)
        for number in range(1, self._count + 1):
            command = [sys.executable, "-m", "loadtests.stream_sender", url, sender_id(number).hex()]
            self._senders.append(self._run(command, piped=True))

    def start_engine(self) -> str:
        """One more engine; only the first one writes as long as it lives. Where its figures are shown."""
        port = free_port()
        own = {"STANCHION_REDIS_URL": self.url, "STANCHION_METRICS_PORT": str(port)}
        self.engines.append(self._run(self._parts.engine, self._settings | own))
        return f"http://{HOST}:{port}/metrics"

    def _run(
        self, command: Sequence[str], environment: dict[str, str] | None = None, *, piped: bool = False
    ) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE if piped else subprocess.DEVNULL
        process = start(
            command, stdin=pipe, stdout=pipe, stderr=self._log, text=True, env={**os.environ, **(environment or {})}
        )
        self._exit.callback(end, process)
        return process

    def _configure(self) -> None:
        batch, shard = configure(sender_id(0)), shard_of(EXPERIENCE)
        fields = {
            FIELD_SENDER: batch.sender,
            FIELD_NUMBER: str(batch.number),
            FIELD_BATCH: encode_commands(batch.commands),
        }
        self._store.sadd(experiences_key(shard), EXPERIENCE)
        self._store.xadd(wake_key(shard), {FIELD_EXPERIENCE: EXPERIENCE})
        self._store.xadd(commands_key(EXPERIENCE), fields)  # type: ignore[arg-type]  # it takes bytes as well

    def tell(self, jobs: Sequence[Prepare | Burst | Pace]) -> None:
        """Give each sender its job; they begin at once."""
        for sender, job in zip(self._senders, jobs, strict=True):
            assert sender.stdin is not None, "senders are piped"
            sender.stdin.write(msgspec.json.encode(job).decode() + "\n")
            sender.stdin.flush()

    def answers(self) -> list[Sent]:
        """What each sender answers to its job, as soon as all have."""
        found = []
        for sender in self._senders:
            assert sender.stdout is not None, "senders are piped"
            line = sender.stdout.readline()
            if not line:
                raise RuntimeError(f"a sender ended with {sender.wait(READY_S)}")
            found.append(msgspec.json.decode(line, type=Sent))
        return found

    def wait_committed(self, numbers: dict[bytes, int], timeout_s: float) -> int:
        """Read the log until every sender's number is applied; answers the instant (ns) of the last entry read.

        One read may bring more than was waited for, and then nothing may come any more: what was read before counts.
        """
        until_s = time.monotonic() + timeout_s
        while missing := [sender for sender, number in numbers.items() if self._applied.get(sender, 0) < number]:
            if time.monotonic() > until_s:
                raise RuntimeError(self._late(numbers, missing, timeout_s))
            self._read_on()
        return self._seen_ns

    def _read_on(self) -> None:
        for epoch, payload in self._read_log():
            self._seen_ns = time.monotonic_ns()
            if epoch != self._epoch:
                self._epoch = epoch
                self.changes.append((epoch, self._seen_ns))
            for sender, number in _decoder.decode(payload).applied.items():
                self.commits.append((sender, number, self._seen_ns))
                self._applied[sender] = number

    def _late(self, numbers: dict[bytes, int], missing: Sequence[bytes], timeout_s: float) -> str:
        """What is missing, and how much of the machine the engines had so far."""
        stands = ", ".join(f"{self._applied.get(sender, 0):,} of {numbers[sender]:,}" for sender in missing)
        cpu = ", ".join(f"{cpu_ns(one.pid) / SECOND_NS:.1f} s" for one in self.engines if one.poll() is None)
        tries = f"{len(self.changes)} take-overs; engines had {cpu}"
        return f"not applied within {timeout_s:g} s: {stands} batches; {tries}"

    def fill(self, count: int) -> int:
        """Have ``count`` people join, as fast as they can; the number of the next batch of each sender."""
        batches = max(1, count // self._count // BATCH_COMMANDS)
        self.tell([Prepare(sender, batches) for sender in range(self._count)])
        self.answers()
        self.tell([Burst(commands_key(EXPERIENCE), 1)] * self._count)
        self.wait_committed({sender_id(sender + 1): batches for sender in range(self._count)}, FILL_S)
        self.answers()
        return batches + 1

    def cpu_ns(self) -> dict[str, int]:
        """The CPU time so far of ``engine`` (the first), ``store`` and ``senders``."""
        senders = sum(cpu_ns(sender.pid) for sender in self._senders)
        return {"engine": cpu_ns(self.engines[0].pid), "store": cpu_ns(self._store_process.pid), "senders": senders}

    def keep_all(self, name: str) -> None:
        """Register a reader that has read nothing, so that nothing is trimmed."""
        self._store.hset(readers_key(EXPERIENCE), name, START_ID)

    def snapshots(self) -> list[str]:
        """The entries at which snapshots stand."""
        fields: Any = self._store.hgetall(snapshot_key(EXPERIENCE))
        return [manifest.entry_id for manifest in read_manifests(fields).manifests]

    def delays_ms(self, number_of: int, first: int, sent: Sent) -> list[float]:
        """For each batch of sender ``number_of``, from ``first`` on, the time from its sending to the entry with it."""
        delays, number = [], first
        for committed, last, seen_ns in self.commits:
            if committed == sender_id(number_of):
                delays += [(seen_ns - sent.each_ns[one - first]) / MS_NS for one in range(number, last + 1)]
                number = last + 1
        return delays

    def _read_log(self) -> list[tuple[int, bytes]]:
        answer: Any = self._store.xread({events_key(EXPERIENCE): self._after}, count=READ_ENTRIES, block=READ_BLOCK_MS)
        entries = answer[0][1] if answer else []
        if entries:
            self._after = entries[-1][0].decode()
        return [(parse_entry_id(entry_id.decode())[0], fields[FIELD_ENTRY]) for entry_id, fields in entries]


def _wait_until_ready(store: redis.Redis) -> None:
    until_s = time.monotonic() + READY_S
    while True:
        try:
            store.ping()
            return
        except redis.RedisError as error:
            if time.monotonic() > until_s:
                raise RuntimeError(f"the store did not answer within {READY_S:g} s") from error
            time.sleep(ASK_AGAIN_S)
