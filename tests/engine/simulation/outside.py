"""The outside of an engine process, as ``engine.io.outside`` shapes it, over the simulated store.

Every question suspends the loop (``Call``); what becomes of it is the matter of ``engines.py``, which drives the loop.
Where a restoration begins is found by the real ``engine.beginning``, and held against what may be begun with.

Hands over to: ``links.py`` and ``clients.py`` (the way to the store).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as CutOff

from engine.beginning import Beginning, begin, newest_manifest
from engine.io.append import Append, Outcome
from engine.io.clock import Reading
from engine.io.lease import Write
from engine.io.streams import Found, LogEntry, RawEntry, log_entry
from protocol.manifest import Manifest
from protocol.replica import Replica
from protocol.streams import commands_key, events_key, lease_key
from tests.engine.simulation.links import Question
from tests.engine.simulation.store import Written
from tests.engine.simulation.world import US_PER_MS, Broken

if TYPE_CHECKING:
    from tests.engine.simulation.engines import Machine, Process

CHUNK_ENTRIES = 64
DECODING_MS = (0, 0, 0, 40, 1_500)
"""How long decoding a snapshot takes."""
ENTRY_READ_US = 200
"""What reading and applying one entry of a log costs a process that restores."""


class Call:
    """One question; awaiting it suspends the loop."""

    def __init__(self, name: str, begin: Callable[[Process], None]) -> None:
        self.name = name
        self.begin = begin

    def __await__(self) -> Generator[Call, Any, Any]:
        return (yield self)


class SimulatedReader:
    """The shape of ``engine.io.outside.Reader``."""

    def __init__(self, outside: SimulatedOutside) -> None:
        self._outside = outside
        self._breaks = outside.link.network.breaks
        self._question: Question | None = None
        self.asked: dict[str, str] = {}

    def ask(self, after: dict[str, str], count: int, block_ms: int | None) -> None:
        if self._question is None:
            self.asked = dict(after)
            self._question = Question(self._outside.link, self.asked, count, block_ms)
            if self.cut_off:
                self._question.forget()

    @property
    def cut_off(self) -> bool:
        return self._breaks != self._outside.link.network.breaks

    async def wait(self, timeout_ms: int) -> Found:
        if self._question is None:
            return {}
        found: Found | None = await Call("wait", lambda process: self._wait(process, timeout_ms))
        if found is None:
            return {}
        self._question = None
        return found

    def _wait(self, process: Process, timeout_ms: int) -> None:
        question = self._question
        assert question is not None, "there is a question to wait for"
        world, done = self._outside.machine.world, [False]

        def end() -> None:
            if not done[0]:
                done[0] = True
                broken = question.answer is None and self.cut_off
                process.go_on(question.answer, CutOff("the reader was cut off") if broken else None)

        if question.answer is not None:
            world.after(1, end)
        else:
            question.when_answered(end)
            world.after(timeout_ms * US_PER_MS + 1, end)

    def __enter__(self) -> SimulatedReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._question is not None:
            self._question.forget()


class Search(Future[Beginning]):
    """What a thread of a process looks for."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process = process


def wait_for(searches: Sequence[Search], timeout: float) -> None:
    """What ``concurrent.futures.wait`` does, in simulated seconds: the loop stands still until its next question."""
    if not searches[0].done():
        searches[0].process.busy_us += int(timeout * 1_000) * US_PER_MS


class SimulatedOutside:
    """The shape of ``engine.io.outside.Outside`` for one process."""

    def __init__(self, machine: Machine, process: Process) -> None:
        self.machine = machine
        self.link = machine.link
        self.process = process
        self._store = machine.network.store

    def clocks(self) -> Reading:
        busy_us = self.process.busy_us
        return Reading((self.machine.clock.steady_us + busy_us) * 1_000, (self.machine.clock.wall_us + busy_us) * 1_000)

    def random_bytes(self, count: int) -> bytes:
        return self.machine.world.chance.randbytes(count)

    async def pause(self, ms: int) -> None:
        await Call("pause", lambda process: self.machine.world.after(ms * US_PER_MS, process.go_on))

    def reader(self) -> SimulatedReader:
        return SimulatedReader(self)

    def _call(self, name: str, effect: Callable[[], Any]) -> Call:
        return Call(name, lambda process: self.link.call(effect, process.go_on))

    async def experiences(self) -> tuple[list[str], dict[str, str]]:
        found: tuple[list[str], dict[str, str]] = await self._call("experiences", self._experiences)
        return found

    def _experiences(self) -> tuple[list[str], dict[str, str]]:
        return sorted(self._store.experiences), {key: self._store.last_id(key) for key in self._store.wakes}

    async def leases(self, shards: Sequence[int]) -> list[bytes | None]:
        found: list[bytes | None] = await self._call(
            "leases", lambda: [self._store.value(lease_key(shard)) for shard in shards]
        )
        return found

    async def replace_lease(self, shard: int, write: Write) -> bool:
        return bool(await self._call("replace_lease", lambda: self._store.replace_lease(shard, write)))

    async def last_entry(self, experience: str) -> LogEntry | None:
        found: LogEntry | None = await self._call("last_entry", lambda: self._last_entry(experience))
        return found

    def _last_entry(self, experience: str) -> LogEntry | None:
        entries = self._store.stream(events_key(experience)).entries
        return log_entry(*entries[-1]) if entries else None

    async def last_entry_id(self, experience: str) -> str:
        return str(await self._call("last_entry_id", lambda: self._store.last_id(events_key(experience))))

    async def epoch(self, experience: str) -> int:
        return int(await self._call("epoch", lambda: self._store.epoch(experience)))

    async def store_ms(self) -> int:
        return int(await self._call("store_ms", self._store._wall_ms))

    async def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        appends = list(appends)
        self.process.check_retries(appends)
        name = "take_over" if appends[0].takes_over else "commit"
        outcomes: list[Outcome] = await self._call(name, lambda: self._store.commit(appends))
        return outcomes

    def beginning(self, experience: str, until: str | None) -> Future[Beginning]:
        """The real one. What the thread that looks for it asks is answered while the loop stands still; then decoding
        what it has found may take a while, and the store may be another one by then."""
        found = Search(self.process)
        client: Any = self.process.client
        may_begin = self.machine.may_begin(experience)
        try:
            begun = begin(client, experience, until)
            check_begun(experience, begun.manifest, may_begin | self.machine.may_begin(experience))
        except Exception as error:  # noqa: BLE001 - as a thread would hand it over
            found.set_exception(error)
        else:
            late_us = self.machine.world.chance.choice(DECODING_MS) * US_PER_MS
            self.machine.world.after(late_us, lambda: found.set_result(begun))
        return found

    def newest_manifest(self, experience: str, until: str) -> Manifest | None:
        client: Any = self.process.client
        return newest_manifest(client, experience, until)

    def log(self, experience: str, after: str) -> Iterator[LogEntry]:
        return (log_entry(*entry) for entry in self._entries(events_key(experience), after))

    def commands(self, experience: str, after: str) -> Iterator[RawEntry]:
        return self._entries(commands_key(experience), after)

    def _entries(self, key: str, after: str) -> Iterator[RawEntry]:
        """In chunks, as they stand at that instant. Reading takes the process time."""
        breaks = self.link.network.breaks
        while True:
            if not self.link.network.up or breaks != self.link.network.breaks:
                raise CutOff("reading was cut off")
            entries = self._store.stream(key).behind(after, CHUNK_ENTRIES)
            for entry in entries:
                after = entry[0]
                self.process.busy_us += ENTRY_READ_US
                yield entry
            if len(entries) < CHUNK_ENTRIES:
                return

    def close(self) -> None:
        self.machine.world.note(self.machine.name, "ends in order")


def check_begun(experience: str, at: Manifest | Replica | None, allowed: set[Written]) -> None:
    """What is spoilt, or of a lost history, is never begun with. Raises Broken."""
    if at is not None and Written(experience, at.entry_id, at.chain) not in allowed:
        raise Broken(f"believed: the pair at {at.entry_id} of {experience} was begun with")
