"""Engine processes: the real ``engine.runner.Runner``, its loop suspended at every question that it asks.

A process can be killed at any question (before it is sent, or when it has had its effect and nobody hears the answer),
and stopped in the same places and resumed later, as SIGKILL and SIGSTOP do. What a killed process had sent is not taken
back. A machine starts another process after a while.

Its snapshots are the real ones too; only the fork is simulated (``children.py``).

Hands over to: ``outside.py`` (what is asked), ``auditor.py`` (which is shown the states between two questions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from engine.io.append import Append
from engine.metrics import Metrics
from engine.runner import Runner
from engine.settings import EngineSettings
from engine.snapshots import Snapshots
from tests.engine.simulation.children import Childhood, Fate
from tests.engine.simulation.clients import Killed, SimulatedClient
from tests.engine.simulation.links import Link, Network
from tests.engine.simulation.outside import Call, SimulatedOutside
from tests.engine.simulation.store import Written
from tests.engine.simulation.world import US_PER_MS, Broken, Clock, World

COMMIT_TRIES_US_MAX = 1_000 * US_PER_MS
"""The rule, not the engine's constant."""

METRICS = Metrics()


class Doom(NamedTuple):
    """What will happen to a process at its question number ``at``, or the first of that ``name`` from then on: ``kill``
    or ``stop``, before it or behind it; ``also``: what happens elsewhere at that instant."""

    at: int
    kind: str
    behind: bool
    name: str = ""
    stop_us: int = 0
    also: Callable[[], None] | None = None


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

    def doom_next(self, doom: Doom) -> None:
        """It will happen, counted from the question that is asked now."""
        self.doom = doom._replace(at=self.questions + doom.at)

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
        if doom.also is not None:
            doom.also()
        return doom

    def _ask(self, call: Call) -> None:
        if call.name == "take_over":
            self.machine.on_take_over(self)
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
        """A batch that could not be committed within a second is not tried again as it is."""
        now_us = self.machine.world.now_us
        self._tries = {append.end.chain: self._tries.get(append.end.chain, (now_us, self.stops)) for append in appends}
        for first_us, stops in self._tries.values():
            if stops == self.stops and now_us - first_us > COMMIT_TRIES_US_MAX:
                raise Broken(f"retries: a batch was tried again {(now_us - first_us) // US_PER_MS} ms later")


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
        self.on_take_over: Callable[[Process], None] = lambda _: None
        """Called before one is sent."""
        self.may_begin: Callable[[str], set[Written]] = lambda _: set()
        self.poisoned: dict[str, None] = {}
        """Experiences with commands that nobody can apply: one that says so is right."""
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
        duties = process.runner._duties
        for experience in duties.stopped:
            raise Broken(f"stopped: {experience} is served no more by {self.name}")
        for experience in duties.degraded:
            if experience not in self.poisoned:
                raise Broken(f"degraded: something is wrong with {experience} at {self.name}")
        self.on_watch(process.runner)
