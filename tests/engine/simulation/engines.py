"""Engine processes: the real ``engine.runner.Runner``, its loop suspended at every question that it asks.

A process can be killed at any question (before it is sent, or when it has had its effect and nobody hears the answer),
and stopped in the same places and resumed later, as SIGKILL and SIGSTOP do. What a killed process had sent is not taken
back. A machine starts another process after a while.

Its snapshots are the real ones too; only the fork is simulated (``children.py``).

Hands over to: ``links.py`` and ``clients.py`` (the way to the store), ``auditor.py`` (which is shown the states between
two questions).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError as CutOff
from redis.exceptions import RedisError

from engine.beginning import Beginning, begin, newest_manifest
from engine.io.append import Append, Outcome
from engine.io.clock import Reading
from engine.io.lease import Write
from engine.io.streams import Found, LogEntry, RawEntry, log_entry
from engine.metrics import Metrics
from engine.runner import Runner
from engine.settings import EngineSettings
from engine.snapshots import Snapshots
from protocol.manifest import Manifest
from protocol.replica import Replica
from protocol.streams import commands_key, events_key, lease_key
from tests.engine.simulation.children import Childhood, Fate
from tests.engine.simulation.clients import Killed, SimulatedClient
from tests.engine.simulation.links import Link, Network, Question
from tests.engine.simulation.store import Written
from tests.engine.simulation.world import US_PER_MS, Clock, World

COMMIT_TRIES_US_MAX = 1_000 * US_PER_MS
"""The rule of design.md §3, not the engine's constant."""
ENTRY_READ_US = 200
"""What reading and applying one entry of a log costs a process that restores."""

METRICS = Metrics()


class Broken(AssertionError):
    """A promise that was broken in the simulated world; the text begins with the name of the check."""


class Doom(NamedTuple):
    """What will happen to a process at its question number ``at``, or the first of that ``name`` from then on: ``kill``
    or ``stop``, before it or behind it."""

    at: int
    kind: str
    behind: bool
    name: str = ""
    stop_us: int = 0


class Call:
    """One question; awaiting it suspends the loop."""

    def __init__(self, name: str, begin: Callable[[Process], None]) -> None:
        self.name = name
        self.begin = begin

    def __await__(self) -> Generator[Call, Any, Any]:
        return (yield self)


class Process:
    """One process, from its start to its end. ``questions`` counts what it has asked; ``busy_us`` is time that it
    spent since its last question."""

    def __init__(self, machine: Machine, settings: EngineSettings) -> None:
        self.machine = machine
        self.alive = True
        self.client = SimulatedClient(machine.link, self)
        self.doom: Doom | None = None
        self.questions = 0
        self.busy_us = 0
        self.stops = 0
        self._stopped = False
        self._held: list[tuple[Any, RedisError | None]] = []
        client: Any = self.client  # a client of the real library, as far as it is used
        snapshots = Snapshots(lambda _: client, settings, METRICS, Childhood(machine.link, self, machine.fates).fork)
        self.runner = Runner(settings, METRICS, SimulatedOutside(machine, self), snapshots)
        self._loop = self.runner.run()
        self._tries: dict[bytes, tuple[int, int]] = {}

    def go_on(self, answer: Any = None, error: RedisError | None = None) -> None:
        """Here is what was asked for; run until the next question."""
        if not self.alive:
            return
        if self._stopped:
            self._held.append((answer, error))
            return
        try:
            call = self._loop.throw(error) if error is not None else self._loop.send(answer)
        except StopIteration:
            self.alive = False
            self.machine.start_again()
            return
        except Killed as killed:
            return self.kill(str(killed))
        self.machine.watch(self)
        self.questions += 1
        self._ask(call)

    def strike(self, name: str, *, behind: bool) -> None:
        """At a call of the snapshots' code, which is not suspended: a stop makes it last."""
        if not self.alive:
            raise Killed("while it waited")
        self.questions += not behind
        if self.doom is None or self.doom.behind != behind:
            return
        doom = self._doom_at(name)
        if doom is not None and doom.kind == "kill":
            raise Killed(_where(doom, name))
        if doom is not None:
            self.machine.world.note(self.machine.name, f"stopped for {doom.stop_us // US_PER_MS} ms {name}")
            self.stops += 1
            self.machine.world.run_until(self.machine.world.now_us + doom.stop_us)

    def _doom_at(self, name: str) -> Doom | None:
        """What happens to it at this question; it happens once."""
        doom = self.doom
        if doom is None or self.questions < doom.at or doom.name not in ("", name):
            return None
        self.doom = None
        what = f"{doom.kind} {_where(doom, name)}"
        self.machine.met[what] = self.machine.met.get(what, 0) + 1
        return doom

    def _ask(self, call: Call) -> None:
        doom = self._doom_at(call.name)
        if doom is not None:
            where = _where(doom, call.name)
            if doom.kind == "kill" and not doom.behind:
                return self.kill(where)
            if doom.kind == "kill":
                call.begin(self)
                return self.kill(where)
            self.stop(doom.stop_us, where)
            if not doom.behind:
                return self._send(call, doom.stop_us + 1)
        busy_us, self.busy_us = self.busy_us, 0
        return self._send(call, busy_us)

    def _send(self, call: Call, later_us: int) -> None:
        if later_us:
            self.machine.world.after(later_us, lambda: call.begin(self) if self.alive else None)
        else:
            call.begin(self)

    def kill(self, where: str) -> None:
        """SIGKILL."""
        self.machine.world.note(self.machine.name, f"killed {where}")
        self.alive = False
        self._loop.close()
        self.machine.start_again()

    def stop(self, us: int, where: str) -> None:
        """SIGSTOP, and SIGCONT after ``us``."""
        self.machine.world.note(self.machine.name, f"stopped for {us // US_PER_MS} ms {where}")
        self._stopped = True
        self.stops += 1
        self.machine.world.after(us, self._resume)

    def _resume(self) -> None:
        self._stopped = False
        self.machine.world.note(self.machine.name, "resumed")
        held, self._held = self._held, []
        for answer, error in held:
            self.go_on(answer, error)

    def check_retries(self, appends: Sequence[Append]) -> None:
        """A batch that could not be committed within a second is not tried again as it is (design.md §3)."""
        now_us = self.machine.world.now_us
        self._tries = {append.end.chain: self._tries.get(append.end.chain, (now_us, self.stops)) for append in appends}
        for first_us, stops in self._tries.values():
            if stops == self.stops and now_us - first_us > COMMIT_TRIES_US_MAX:
                raise Broken(f"retries: a batch was tried again {(now_us - first_us) // US_PER_MS} ms later")


def check_begun(experience: str, at: Manifest | Replica | None, allowed: set[Written]) -> None:
    """What is spoilt, or of a lost history, is never begun with. Raises Broken."""
    if at is not None and Written(experience, at.entry_id, at.chain) not in allowed:
        raise Broken(f"believed: the pair at {at.entry_id} of {experience} was begun with")


def _where(doom: Doom, name: str) -> str:
    return f"{'behind' if doom.behind else 'before'} {name}"


class Machine:
    """A machine that runs one engine process at a time."""

    def __init__(self, world: World, network: Network, number: int, settings: EngineSettings) -> None:
        self.world = world
        self.name = f"engine {number}"
        self.clock = Clock(world)
        self.link = Link(network)
        self.network = network
        self.process: Process | None = None
        self.met: dict[str, int] = {}
        self.fates: list[Fate] = []
        """What is to become of the next children."""
        self.on_watch: Callable[[Runner], None] = lambda _: None
        self.may_begin: Callable[[str], set[Written]] = lambda _: set()
        self._settings = settings

    def start(self) -> None:
        """Start a process, if none runs."""
        if self.process is None or not self.process.alive:
            self.world.note(self.name, "starts")
            self.process = Process(self, self._settings)
            self.process.go_on()

    def start_again(self) -> None:
        """Another process starts after a while."""
        self.world.after(self.world.chance.randrange(50, 3_000) * US_PER_MS, self.start)

    def watch(self, process: Process) -> None:
        """Between two questions: what the process does not do any more, and its states."""
        for experience in process.runner._duties.degraded:
            raise Broken(f"degraded: something is wrong with {experience} at {self.name}")
        self.on_watch(process.runner)


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
        """The real one. The thread that looks for it is not simulated: the loop stands still meanwhile."""
        found: Future[Beginning] = Future()
        client: Any = self.process.client
        may_begin = self.machine.may_begin(experience)
        try:
            begun = begin(client, experience, until)
            check_begun(experience, begun.manifest, may_begin | self.machine.may_begin(experience))
            found.set_result(begun)
        except Exception as error:  # noqa: BLE001 - as a thread would hand it over
            found.set_exception(error)
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


CHUNK_ENTRIES = 64
