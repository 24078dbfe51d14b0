"""Failovers: the last writes of the store are lost, over all keys, as by a replica that had not got them yet.

``failover`` loses a number of writes, wherever that cuts. The others wait for the instant that hurts most:

- ``lost_commands``: a writer is stopped before its next commit, and what is lost are the commands that it names, but no
  entry of a log.
- ``lost_take_over``: a new writer is stopped soon, before a commit or while it waits for commands, and all since its
  take-over is lost, with its epoch. So the next one has the same epoch, and an entry of the same ID. Often that one is
  stopped too, and the first is back before anything more is written.
- ``lost_pair``: where a writer announces a pair, or lets one count, the last write is lost, which is that as a rule. It
  goes on, believing in it.

Hands over to: ``engines.py`` and ``store.py``, on which it is inflicted.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.streams import events_key, replica_chunks_key, snapshot_chunks_key, snapshot_key
from tests.engine.simulation.engines import Doom, Machine, Process
from tests.engine.simulation.links import Network
from tests.engine.simulation.pairs import Pair, PairsCheck
from tests.engine.simulation.plan import Step
from tests.engine.simulation.world import US_PER_MS, World

LOST_WRITES_MAX = 30
DOWN_MS_MAX = 6_000
SHORT_STOPS_MS = (5, 30, 400)
LONG_STOPS_MS = (1_500, 3_500, 4_500, 6_000)
"""Shorter, and longer, than the shorter lease."""
SOON_MAX = 12
LATER_MS = (0, 30, 200)
"""After so many questions a new writer is stopped, and so long after that it is lost: nobody, or everybody, has read
its take-over."""


def nobody(process: Process) -> None:
    """Nothing is to happen at a take-over."""


class Failovers:
    """Inflicts them. ``leases_gone`` lets everybody try to take over at once."""

    def __init__(
        self,
        world: World,
        network: Network,
        machines: list[Machine],
        experiences: list[str],
        pairs: PairsCheck,
        leases_gone: Callable[[], None],
    ) -> None:
        self._world = world
        self._network = network
        self._machines = machines
        self._experiences = experiences
        self._pairs = pairs
        self._leases_gone = leases_gone
        self._ended = False
        self.words: dict[str, Callable[[Step], None]] = {
            "failover": self._failover,
            "lost_commands": self._lost_commands,
            "lost_take_over": self._lost_take_over,
            "lost_pair": self._lost_pair,
        }

    def end(self) -> None:
        """What waits for its instant does not happen any more."""
        self._ended = True
        self._at_take_over(nobody)

    def _failover(self, step: Step) -> None:
        store = self._network.store
        pairs = {experience: self._pairs.sound(experience) for experience in self._experiences}
        hashes = dict(store.hashes)
        self._lose(step.which % LOST_WRITES_MAX, 1 + step.size * DOWN_MS_MAX // 1_000)
        for experience, before in pairs.items():
            for pair in before if step.who % 2 else []:
                if not store.stream(events_key(experience)).has(pair.manifest.entry_id):
                    self._bring_back(experience, pair, hashes)

    def _lose(self, writes: int, down_ms: int) -> None:
        if self._ended:
            return
        self._network.go_down()
        self._network.store.lose(writes)
        self._world.note("store", f"lost its last {writes} writes")
        self._world.after(down_ms * US_PER_MS, self._network.come_up)

    def _bring_back(self, experience: str, pair: Pair, hashes: dict[str, dict[bytes, bytes]]) -> None:
        """A pair of the history that was lost stands there again, whole: a backup put back in part leaves such."""
        store, entry_id = self._network.store, pair.manifest.entry_id
        self._world.note("store", f"has the stale pair at {entry_id} of {experience}")
        self._pairs.spoilt[pair.place(experience)] = None
        for key in (snapshot_chunks_key(experience, entry_id), replica_chunks_key(experience, entry_id)):
            store.restore_hash(key, hashes[key])
        manifests = snapshot_key(experience)
        field = entry_id.encode()
        store.restore_hash(manifests, {**store.hash(manifests), field: hashes[manifests][field]})

    def _lost_commands(self, step: Step) -> None:
        store = self._network.store
        before_commit = Doom(1, "stop", behind=False, name="commit", stop_us=_us(SHORT_STOPS_MS, step.which))
        self._doom_all(before_commit._replace(also=lambda: self._lose(store.writes_since_entry, 1)))

    def _lost_pair(self, step: Step) -> None:
        behind = Doom(1 + step.size % SOON_MAX, "stop", True, "execute", _us(SHORT_STOPS_MS, step.which))
        self._doom_all(behind._replace(also=lambda: self._lose(1, 1)))

    def _doom_all(self, doom: Doom) -> None:
        for machine in self._machines:
            if machine.process is not None and machine.process.alive:
                machine.process.doom_next(doom)

    def _lost_take_over(self, step: Step) -> None:
        store = self._network.store
        name = ("commit", "wait")[step.which % 2]
        soon = Doom(1 + step.size % SOON_MAX, "stop", behind=False, name=name, stop_us=_us(LONG_STOPS_MS, step.who))
        behind_take_over = Doom(0, "stop", behind=True, name="take_over", stop_us=_us(LONG_STOPS_MS, step.which))

        def take_over(process: Process) -> None:
            writes = store.writes
            self._at_take_over(nobody)
            process.doom_next(soon._replace(also=lambda: stopped(writes)))

        def stopped(writes: int) -> None:
            self._world.after(_us(LATER_MS, step.size), lambda: self._lose(store.writes - writes, 1))
            if step.who % 3:
                self._at_take_over(take_over_again)

        def take_over_again(process: Process) -> None:
            self._at_take_over(nobody)
            process.doom_next(behind_take_over)

        self._at_take_over(take_over)
        self._leases_gone()

    def _at_take_over(self, then: Callable[[Process], None]) -> None:
        for machine in self._machines:
            machine.on_take_over = then


def _us(ms: tuple[int, ...], number: int) -> int:
    return ms[number % len(ms)] * US_PER_MS
