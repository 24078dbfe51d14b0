"""Everything that goes wrong, by its word in the plan.

``kill`` and ``stop`` strike an engine at one of its next questions, so that over many seeds every step of its loop is
struck, before and behind its effect. ``rivals`` takes the leases away and starts everybody at one instant.
``rot`` spoils a stored pair, unless it is the last one that holds: without any the experience has to stop, which
``tests/integration/test_snapshots.py`` shows. ``poison`` has to be set aside, at the cost of nobody.

Hands over to: ``failovers.py``, which lose writes; ``engines.py``, ``gateways.py``, ``links.py`` and ``pairs.py``, on
which all this is inflicted.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.events import SENDER_BYTES
from protocol.streams import (
    FIELD_BATCH,
    FIELD_NUMBER,
    FIELD_SENDER,
    commands_key,
    epoch_key,
    lease_key,
    replica_chunks_key,
    shard_of,
    snapshot_chunks_key,
    snapshot_key,
)
from tests.engine.simulation.children import Fate
from tests.engine.simulation.engines import Doom, Machine
from tests.engine.simulation.failovers import Failovers
from tests.engine.simulation.gateways import Gateway
from tests.engine.simulation.links import Link, Network
from tests.engine.simulation.pairs import Pair, PairsCheck, is_trimmed
from tests.engine.simulation.plan import Step
from tests.engine.simulation.world import US_PER_MS, Clock, World

STOPS_MS = (30, 400, 1_001, 1_500, 3_500, 6_000, 9_000)
JUMPS_MS = (-3_600_000, -20_000, -3_000, -300, 300, 3_000, 20_000, 3_600_000)
LATE_PAIR_MS = (4_500, 6_000, 9_000)
STEADY_JUMPS_MS = (50, 900, 1_100, 4_000, 20_000)
"""A steady clock only jumps ahead: a machine that slept."""
TROUBLE_PERCENT = (5, 30, 70, 100)
TROUBLE_MS_MAX = 4_000
DOWN_MS_MAX = 6_000
QUESTIONS_MAX = 24
CHILD_CALLS_MAX = 14
QUESTIONS = (
    "",
    "",
    "watch",
    "execute",
    "hmget",
    "xrange",
    "commit",
    "take_over",
    "epoch",
    "last_entry",
    "store_ms",
    "experiences",
    "replace_lease",
    "pause",
)
"""Where an engine is struck: anywhere, or at one of these, some of which are rarely asked."""


class Faults:
    """Inflicts what the plan says; ``heal`` ends all of it."""

    def __init__(
        self,
        world: World,
        network: Network,
        machines: list[Machine],
        gateways: list[Gateway],
        experiences: list[str],
        store_clock: Clock,
        pairs: PairsCheck,
    ) -> None:
        self._world = world
        self._network = network
        self._machines = machines
        self._gateways = gateways
        self._experiences = experiences
        self._store_clock = store_clock
        self._pairs = pairs
        self._failovers = Failovers(world, network, machines, experiences, pairs, self._leases_gone)
        self.words: dict[str, Callable[[Step], None]] = {
            "kill": self._kill,
            "stop": self._stop,
            "term": self._term,
            "child": self._child,
            "rot": self._rot,
            "rivals": lambda step: self._leases_gone(),
            "wipe_epoch": self._wipe_epoch,
            "gateway_kill": lambda step: self._gateway(step).kill(),
            "engine_trouble": lambda step: self._trouble(self._machine(step).link, step),
            "gateway_trouble": lambda step: self._trouble(self._gateway(step).link, step),
            "store_down": self._store_down,
            "read_only": self._read_only,
            "jump_wall": self._jump_wall,
            "jump_steady": self._jump_steady,
            "silence": lambda step: None,
            "poison": self._poison,
            "late_pair": self._late_pair,
            **self._failovers.words,
        }

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        self._world.note("faults", "end here")
        self._network.come_up()
        self._failovers.end()
        for link in (*(one.link for one in self._machines), *(one.link for one in self._gateways)):
            link.trouble = 0
        for machine in self._machines:
            machine.fates.clear()
            if machine.process is not None:
                machine.process.doom = None
            machine.start()

    def _machine(self, step: Step) -> Machine:
        """The one that writes, most of the time: that is where it hurts."""
        writing = [one for one in self._machines if one.process is not None and one.process.runner._duties.writers]
        found = writing if writing and step.size % 4 else self._machines
        return found[step.who % len(found)]

    def _gateway(self, step: Step) -> Gateway:
        return self._gateways[step.who % len(self._gateways)]

    def _kill(self, step: Step) -> None:
        self._doom(self._machine(step), self._doom_of(step, "kill"))

    def _stop(self, step: Step) -> None:
        stop_us = STOPS_MS[step.who % len(STOPS_MS)] * US_PER_MS
        self._doom(self._machine(step), self._doom_of(step, "stop")._replace(stop_us=stop_us))

    def _term(self, step: Step) -> None:
        process = self._machine(step).process
        if process is not None and process.alive:
            self._world.note(process.machine.name, "is asked to end")
            process.runner.stop()

    def _child(self, step: Step) -> None:
        """The next child of an engine will be killed in the middle of its work, or hang."""
        self._machine(step).fates.append(Fate(step.which % CHILD_CALLS_MAX, hangs=step.size % 5 == 0))

    def _rot(self, step: Step) -> None:
        """One bit, or the end, of what is stored of a pair is another one, or a piece of it is gone."""
        store, experience = self._network.store, self._experiences[step.who % len(self._experiences)]
        sound = self._pairs.sound(experience)
        if not sound or (is_trimmed(store, experience) and len(sound) == 1):
            return
        key, field = self._spot(experience, sound[0], step)
        data = store.hash(key)[field]
        at = step.which * 7 % len(data)
        spoilt = (data[:-1], data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], None)[step.size % 3]
        self._world.note("store", f"spoils {key} of the pair at {sound[0].manifest.entry_id}")
        self._pairs.spoilt[sound[0].place(experience)] = None
        store.spoil(key, field, spoilt)

    def _spot(self, experience: str, pair: Pair, step: Step) -> tuple[str, bytes]:
        entry_id, manifest = pair.manifest.entry_id, pair.manifest
        snapshot, replica = snapshot_chunks_key(experience, entry_id), replica_chunks_key(experience, entry_id)
        spots = (
            (snapshot_key(experience), entry_id.encode()),
            (snapshot, b"%d" % (step.which % manifest.snapshot.chunks)),
            (replica, b"%d" % (step.which % manifest.replica.chunks)),
        )
        return spots[step.which % len(spots)]

    def _poison(self, step: Step) -> None:
        """Somebody has written what is no batch of commands among the commands: nobody can apply it."""
        experience = self._experiences[step.who % len(self._experiences)]
        sender = {FIELD_SENDER: step.which.to_bytes(SENDER_BYTES), FIELD_NUMBER: b"%d" % (1 + step.size % 2)}
        fields = ({}, sender, {**sender, FIELD_BATCH: b"no batch"})[step.size % 3]
        if self._network.up and not self._network.store.read_only:
            self._network.store.add(commands_key(experience), {b"by": b"nobody", **fields})
            self._world.note("store", f"has poison for {experience}")
            for machine in self._machines:
                machine.poisoned[experience] = None
            self._network.written()

    def _late_pair(self, step: Step) -> None:
        """A writer is stopped where it announces a pair, or lets it count, for so long that another one does so, too:
        before it looks whether it still writes, or behind that."""
        name = ("watch", "execute")[step.which % 2]
        stop_us = LATE_PAIR_MS[step.who % len(LATE_PAIR_MS)] * US_PER_MS
        self._doom(self._machine(step), Doom(step.size % QUESTIONS_MAX, "stop", False, name, stop_us))

    def _doom_of(self, step: Step, kind: str) -> Doom:
        name = QUESTIONS[step.which % len(QUESTIONS)]
        return Doom(0 if name else step.which % QUESTIONS_MAX, kind, step.size % 2 == 0, name)

    def _doom(self, machine: Machine, doom: Doom) -> None:
        process = machine.process
        if process is not None and process.alive:
            process.doom_next(doom._replace(at=1 + doom.at))

    def _leases_gone(self) -> None:
        self._world.note("faults", "the leases are gone")
        for experience in self._experiences:
            self._network.store.erase(lease_key(shard_of(experience)))
        for machine in self._machines:
            machine.start()

    def _wipe_epoch(self, step: Step) -> None:
        self._world.note("faults", "the epoch counters are wiped")
        for experience in self._experiences:
            self._network.store.erase(epoch_key(shard_of(experience)))

    def _trouble(self, link: Link, step: Step) -> None:
        link.trouble = TROUBLE_PERCENT[step.which % len(TROUBLE_PERCENT)]
        self._world.note("faults", f"trouble of {link.trouble} % between a process and the store")
        us = (1 + step.size * TROUBLE_MS_MAX // 1_000) * US_PER_MS

        def end() -> None:
            link.trouble = 0

        self._world.after(us, end)

    def _store_down(self, step: Step) -> None:
        self._network.go_down()
        self._world.after((1 + step.size * DOWN_MS_MAX // 1_000) * US_PER_MS, self._network.come_up)

    def _read_only(self, step: Step) -> None:
        """The store takes no writes, as one that is full or a replica that was not promoted."""
        self._world.note("store", "takes no writes")
        self._network.store.read_only = True
        self._world.after((1 + step.size * DOWN_MS_MAX // 1_000) * US_PER_MS, self._network.come_up)

    def _jump_wall(self, step: Step) -> None:
        clocks = [*(machine.clock for machine in self._machines), self._store_clock]
        jump_ms = JUMPS_MS[step.which % len(JUMPS_MS)]
        clocks[step.who % len(clocks)].wall_off_us += jump_ms * US_PER_MS
        self._world.note("faults", f"wall clock {step.who % len(clocks)} jumps by {jump_ms} ms")

    def _jump_steady(self, step: Step) -> None:
        jump_ms = STEADY_JUMPS_MS[step.which % len(STEADY_JUMPS_MS)]
        self._machine(step).clock.steady_off_us += jump_ms * US_PER_MS
        self._world.note("faults", f"a steady clock jumps ahead by {jump_ms} ms")
