"""One run: a world made of a plan, lived through to its end, then healed, drained and audited.

The same plan makes the same run, byte for byte: ``Result.digest`` is a hash of all logs and of everything that people
were told. What is simulated is what lies below the process: the store, the way to it, the clocks, chance. The engine's
loop with all that it drives, the core, and the sender's numbering are the real code; see ``engines.py`` and
``gateways.py``.

A run ends in three parts. The plan is lived through. Then nothing goes wrong any more: everybody must be told what they
asked for within ``SETTLE_MS``. Then the merchant lifts every limit, and within ``DRAIN_MS`` nobody may wait any more.

Hands over to: ``auditor.py`` (is every promise kept?), ``seeds.py`` (many runs), ``shrinking.py`` (fewer steps).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import structlog
from msgspec import msgpack
from redis.exceptions import RedisError

from engine import restoration, runner, snapshot_pace, snapshots, writer
from engine.core import lots
from engine.distributions import lobby
from engine.settings import EngineSettings
from protocol import manifest
from protocol.states import Phase
from protocol.streams import FIELD_EXPERIENCE, events_key, shard_of, wake_key
from tests.engine.simulation.archives import Archive
from tests.engine.simulation.auditor import Auditor
from tests.engine.simulation.engines import Machine
from tests.engine.simulation.faults import Faults
from tests.engine.simulation.gateways import Gateway
from tests.engine.simulation.links import Link, Network
from tests.engine.simulation.outside import wait_for
from tests.engine.simulation.people import AddKinds, People
from tests.engine.simulation.plan import Plan, Step
from tests.engine.simulation.store import SimulatedStore
from tests.engine.simulation.terms import every_kind, with_kinds
from tests.engine.simulation.world import US_PER_MS, Broken, Clock, World

SETTLE_MS = 60_000
DRAIN_MS = 20_000
LOOK_MS = 250
CREATED_MS_MAX = 5_000
CREATE_AGAIN_MS = 300
SMALL_STEP_ENTRIES = 2
SMALL: tuple[tuple[Any, str, Any], ...] = (
    (manifest, "CHUNK_BYTES", 700),
    (snapshots, "MAKING_MS_MAX", 2_500),
    (snapshots, "REST_MS_FAILED", 300),
    (snapshot_pace, "REST_MS_MIN", 100),
    (restoration, "wait", wait_for),
)
"""Bounds of the real code that are smaller in a small world: a snapshot is of several chunks, and they come often; and
no thread is waited for in true time."""
SMALL_PARTS: tuple[tuple[Any, str, int], ...] = (
    (lots, "SLICE_LOTS", 4),
    (lobby, "PART_PLACES", 5),
)
"""The same of bounds that a log shows: what is drawn by lot is of several parts."""
STEP_BOUNDS: tuple[tuple[Any, str, int], ...] = (
    (writer, "STEP_ENTRIES_MAX", SMALL_STEP_ENTRIES),
    (runner, "STEP_ENTRIES_MAX", SMALL_STEP_ENTRIES),
)
"""How many entries a step takes, in runs of small steps."""
SILENCE_MS = 930_000
"""More than the 15 minutes after which a silent sender is closed."""


class Result(NamedTuple):
    """What became of a run. ``broken`` is None, or which promise was; ``lines`` is its log where one was kept."""

    plan: Plan
    broken: str | None
    digest: str
    lines: list[str]
    entries: int
    admitted: int
    met: dict[str, int]
    seconds: float

    @property
    def check(self) -> str:
        """The name of the check that failed."""
        return "" if self.broken is None else self.broken.split(":")[0]


class Simulation:
    """One run. ``add_kinds``: in place of what the plan's character says."""

    def __init__(self, plan: Plan, *, keeps_log: bool, add_kinds: AddKinds | None = None) -> None:
        self.world = World(f"world {plan.seed}", keeps_log=keeps_log)
        self.plan = plan
        self._store_clock = Clock(self.world)
        self._experiences = list(plan.character.experiences)
        self.store = SimulatedStore(lambda: self._store_clock.wall_us // US_PER_MS, lambda: self._network.written())
        self._network = Network(self.world, self.store)
        self.auditor = Auditor(self.store, self._experiences, calm=not plan.character.troubles)
        self.store.on_execute = self.auditor.look
        self.machines = [self._machine(number) for number in range(plan.character.engines)]
        self.gateways = [
            Gateway(self.world, self._network, number, self._experiences, self.auditor.told)
            for number in range(plan.character.gateways)
        ]
        for gateway in self.gateways:
            gateway.may_resume = self.auditor.pairs.may_resume
        if add_kinds is None:
            add_kinds = every_kind if plan.character.every_kind else with_kinds if plan.character.kinds else None
        self.people = People(self.world, self.gateways, self._experiences, add_kinds)
        self._faults = Faults(
            self.world,
            self._network,
            self.machines,
            self.gateways,
            self._experiences,
            self._store_clock,
            self.auditor.pairs,
        )
        archived = self._experiences if plan.character.archives else []
        self.archives = [Archive(self.world, self._network, experience) for experience in archived]

    def _machine(self, number: int) -> Machine:
        character = self.plan.character
        settings = EngineSettings(
            number=number,
            lease_ms=character.lease_ms,
            beat_ms=character.lease_ms // 3,
            standby=character.standby,
            snapshot_entries=character.snapshot_entries,
            reader_behind_entries=character.reader_behind_entries,
        )
        machine = Machine(self.world, self._network, number, settings)
        machine.on_watch = self.auditor.watch
        machine.may_begin = self.auditor.pairs.may_begin
        return machine

    def live(self) -> None:
        """Live through the plan and audit it. Raises Broken, and whatever the real code raises."""
        self.store.wakes = sorted({wake_key(shard_of(experience)) for experience in self._experiences})
        for number, experience in enumerate(self._experiences):
            late_us = self.world.chance.randrange(CREATED_MS_MAX) * US_PER_MS
            self.world.after(late_us if number else 0, partial(self._create, experience))
        starts: list[Callable[[], None]] = [one.start for one in self.machines]
        starts += [one.start for one in self.gateways] + [one.start for one in self.archives]
        for start in starts:
            self.world.after(self.world.chance.randrange(200) * US_PER_MS, start)
        self.people.configure()
        self._follow(self.plan.steps)
        self._faults.heal()
        self._settle()
        self._drain()
        self._stand_still()
        for experience in self._experiences:
            self.auditor.check(experience, self.gateways, self.people.asked)

    def _create(self, experience: str) -> None:
        """Make an experience known, in one piece, and again until that is answered."""
        key, fields = wake_key(shard_of(experience)), {FIELD_EXPERIENCE: experience.encode()}

        def effect() -> None:
            self.store.add(key, fields)
            if experience not in self.store.experiences:
                self.store.experiences.append(experience)

        def answered(answer: None, error: RedisError | None) -> None:
            if error is not None:
                self.world.after(CREATE_AGAIN_MS * US_PER_MS, partial(self._create, experience))

        Link(self._network).call(effect, answered)

    def _follow(self, steps: tuple[Step, ...]) -> None:
        silent_ms = 0
        for step in steps:
            self.world.run_until((step.at_ms + silent_ms) * US_PER_MS)
            if step.word == "silence":
                silent_ms += SILENCE_MS
            if step.word in self._faults.words:
                self._faults.words[step.word](step)
            else:
                self.people.act(step)

    def _settle(self) -> None:
        """Nothing goes wrong any more: everybody must be told."""
        end_us = self.world.now_us + SETTLE_MS * US_PER_MS
        while not all(asked.done for asked in self.people.asked):
            if self.world.now_us >= end_us:
                waiting = [asked for asked in self.people.asked if not asked.done]
                first = f"{waiting[0].command} was asked {waiting[0].tries} times"
                raise Broken(f"liveness: {len(waiting)} are not told; {first}")
            self.world.run_until(self.world.now_us + LOOK_MS * US_PER_MS)

    def _drain(self) -> None:
        """The merchant lifts every limit: nobody may wait any more."""
        self.people.configure()
        self._settle()
        self.people.drain()
        self._settle()
        self.people.end()
        self._settle()
        end_us = self.world.now_us + DRAIN_MS * US_PER_MS
        while waiting := sum(self._waiting(gateway) for gateway in self.gateways):
            if self.world.now_us >= end_us:
                raise Broken(f"liveness: {waiting} wait although there is no limit any more")
            self.world.run_until(self.world.now_us + LOOK_MS * US_PER_MS)

    def _waiting(self, gateway: Gateway) -> int:
        paths = [path for room in gateway.rooms.values() for path in room.replica.paths.values()]
        return sum(path.roster.waiting for path in paths if path.phase in (Phase.OPEN, Phase.SETTLING))

    def _stand_still(self) -> None:
        """Every gateway has read the end of every log."""
        end_us = self.world.now_us + DRAIN_MS * US_PER_MS
        while not all(self._has_read_all(gateway) for gateway in self.gateways) and self.world.now_us < end_us:
            self.world.run_until(self.world.now_us + US_PER_MS)

    def _has_read_all(self, gateway: Gateway) -> bool:
        rooms = gateway.rooms.values()
        return all(room.replica.entry_id == self.store.last_id(events_key(room.experience)) for room in rooms)

    def digest(self) -> str:
        """A hash of everything that came of it."""
        logs = [self.store.stream(events_key(experience)).whole for experience in self._experiences]
        answers = [(asked.tries, asked.answer and asked.answer.entry) for asked in self.people.asked]
        return sha256(msgpack.encode([self.world.now_us, logs, answers])).hexdigest()

    def met(self) -> dict[str, int]:
        """At which questions engines were killed or stopped, and how often."""
        found: dict[str, int] = {}
        for machine in self.machines:
            for where, count in machine.met.items():
                found[where] = found.get(where, 0) + count
        return found


def run(plan: Plan, *, keeps_log: bool = False) -> Result:
    """Live through a plan; what is raised on the way is what is broken."""
    simulation = Simulation(plan, keeps_log=keeps_log)
    broken = lived(simulation)
    auditor = simulation.auditor
    counts = (auditor.entries, auditor.admitted, simulation.met(), simulation.world.now_us / 1e6)
    return Result(plan, broken, simulation.digest(), simulation.world.lines, *counts)


def lived(simulation: Simulation, *, small_parts: bool = True) -> str | None:
    """Live through it; which promise was broken, or None. Only without ``small_parts`` are its logs what the real code
    makes of the same commands."""
    smaller = SMALL + SMALL_PARTS * small_parts + STEP_BOUNDS * simulation.plan.character.small_steps
    with _logging(simulation.world), _bounds(smaller):
        try:
            simulation.live()
        except Broken as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever the real code raises is a finding
            return f"raised: {error!r}"
    return None


@contextmanager
def _bounds(smaller: tuple[tuple[Any, str, Any], ...]) -> Iterator[None]:
    """The real code with smaller bounds."""
    before = [(module, name, getattr(module, name)) for module, name, _ in smaller]
    for module, name, bound in smaller:
        setattr(module, name, bound)
    try:
        yield
    finally:
        for module, name, bound in before:
            setattr(module, name, bound)


@contextmanager
def _logging(world: World) -> Iterator[None]:
    """What the engines log goes to the log of the run, or nowhere."""
    before = structlog.get_config()
    if world.keeps_log:
        structlog.configure(processors=[partial(_note, world)])
    else:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _note(world: World, logger: Any, method: str, event: dict[str, Any]) -> Any:
    told = ", ".join(f"{key}={value}" for key, value in event.items() if key not in {"event", "exc_info"})
    world.note("engine", f"{event['event']}: {told}")
    raise structlog.DropEvent
