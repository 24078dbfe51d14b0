"""What is done to the parts in the chaos run: one table of faults, and from a seed the order in which they come.

A fault is done, lasts, and is undone; then it is waited for whoever it may have stopped. ``taken_s`` is the time until
a new writer's first entry, ``served_s`` until its second, ``back_s`` how long after the end of the fault the log goes
on. Between the two the state is rebuilt: ``standby`` says from what, "warm" for one that stood ready, "cold" for a
snapshot and its tail; when faults come fast most are cold, as who was hit before is not ready again. What a store that
was killed needs to load its data is ``load_s``, and no fault of the engine. ``alone``: no other engine was up to take
over, as the last ones that were killed had not started again yet.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from loadtests.chaos_stage import ChaosStage, Link, Process
from loadtests.chaos_watch import Sight, Watch

TAKEN_S = 45.0
WRITER_SHARE = 0.8
"""So many of the faults of engines hit the one that writes."""
LONG_SHARE, SHORT_SHARE = 1.6, 0.2
"""A fault lasts between a fifth of a lease and more than one and a half."""
STOPPED_SHARE = 1.5
FULL_EXIT_S = 10.0
LOOK_S = 0.02
DEAD_PORT = 1
DOWN_S_MAX = 0.5
_RESTORED = re.compile(r"event=restored .*standby=(warm|cold)")

WEIGHTS = {
    "engine killed": 40,
    "engine stopped": 30,
    "engine ended": 12,
    "engine cut from store": 24,
    "engine stalled": 18,
    "engine muted": 20,
    "gateway killed": 30,
    "gateway stopped": 16,
    "gateway cut from store": 20,
    "gateway stalled": 16,
    "gateway muted": 12,
    "clients cut": 14,
    "clients stalled": 12,
    "store killed": 20,
    "store out of memory": 10,
    "store read-only": 10,
    "disk full": 6,
}
WORDS = {"cut": "cut", "stalled": "stall", "muted": "mute"}
OF_ENGINE = frozenset({"engine killed", "engine stopped"})
"""Kinds with a bar: the lease and two seconds."""
OF_STORE = frozenset({"store killed", "disk full"})
"""Kinds with another: the time to load and a lease."""


class Fault(Struct):
    """One fault and what came of it; instants are s since the run began, None what did not happen."""

    kind: str
    target: str = ""
    writer: bool = False
    alone: bool = False
    at_s: float = 0.0
    lasted_s: float = 0.0
    taken_s: float | None = None
    served_s: float | None = None
    standby: str = ""
    back_s: float | None = None
    load_s: float | None = None


def schedule(count: int, chance: random.Random, kinds: Sequence[str]) -> list[str]:
    """``count`` kinds of faults in a random order: each once, if there is room, the others by their weights."""
    each = chance.sample(list(kinds), len(kinds))
    more = chance.choices(kinds, [WEIGHTS[kind] for kind in kinds], k=max(0, count - len(kinds)))
    planned = [*each[:count], *more]
    chance.shuffle(planned)
    return planned


class Faults:
    """Does them, one after another."""

    def __init__(
        self, stage: ChaosStage, watch: Watch, shard: int, lease_ms: int, chance: random.Random, begun_s: float
    ) -> None:
        self._stage, self._watch, self._shard = stage, watch, shard
        self._lease_s, self._chance, self._begun_s = lease_ms / 1_000, chance, begun_s

    def do(self, kind: str) -> Fault:
        """Do one and wait for what it stopped. Raises RuntimeError when that does not come back."""
        fault = Fault(kind, at_s=round(time.monotonic() - self._begun_s, 3))
        part, *what = kind.split(" ")
        match part:
            case "engine":
                self._engine(fault, what)
            case "gateway" | "clients":
                self._edge(fault, part, what)
            case _:
                self._store(fault)
        return fault

    # Engines: somebody must write on

    def _engine(self, fault: Fault, what: list[str]) -> None:
        number, fault.writer = self._an_engine()
        engine, link = self._stage.engines[number], self._stage.engine_links[number]
        fault.target = engine.name
        fault.alone = not any(other.is_up for other in self._stage.engines if other is not engine)
        said = {one: one.said_bytes for one in self._stage.engines}
        since, begun_s = self._watch.sight(), time.monotonic()
        match what[0]:
            case "killed":
                engine.kill()
                engine.start()
                lasts_s = 0.0
            case "ended":
                engine.signal(signal.SIGTERM)
                engine.wait()
                engine.start()
                lasts_s = 0.0
            case "stopped":
                engine.signal(signal.SIGSTOP)
                lasts_s = self._lease_s * STOPPED_SHARE
            case word:
                link.become(WORDS[word])
                lasts_s = self._a_while()
        must_change = fault.writer and what[0] in ("killed", "ended", "stopped")
        found = self._watch.wait_for_writer(since, TAKEN_S if must_change else lasts_s)
        time.sleep(max(0.0, begun_s + lasts_s - time.monotonic()))
        if what[0] == "stopped":
            engine.signal(signal.SIGCONT)
        elif what[0] not in ("killed", "ended"):
            self._flow(link, what[0])
        fault.lasted_s = time.monotonic() - begun_s
        self._goes_on(fault, self._watch.sight())
        found = found if len(found) > 1 else self._watch.wait_for_writer(since, 0.0)
        self._taken(fault, found, begun_s)
        restored = [one for engine in said for one in _RESTORED.findall(engine.log(said[engine]))]
        fault.standby = restored[0] if fault.taken_s is not None and restored else ""

    def _an_engine(self) -> tuple[int, bool]:
        writer = self._stage.writer(self._shard)
        number = self._chance.randrange(len(self._stage.engines))
        if writer is not None and self._chance.random() < WRITER_SHARE:
            number = writer
        return number, number == writer

    # Gateways and clients: nobody else must notice

    def _edge(self, fault: Fault, part: str, what: list[str]) -> None:
        number = self._chance.randrange(len(self._stage.gateways))
        gateway = self._stage.gateways[number]
        link = self._stage.client_links[number] if part == "clients" else self._stage.gateway_links[number]
        fault.target, begun_s = gateway.name, time.monotonic()
        if what[0] == "killed":
            gateway.kill()
            time.sleep(self._chance.uniform(0.0, DOWN_S_MAX))
            gateway.start()
        elif what[0] == "stopped":
            self._stopped(gateway)
        else:
            link.become(WORDS[what[0]])
            time.sleep(self._a_while())
            self._flow(link, what[0])
        fault.lasted_s = time.monotonic() - begun_s

    def _stopped(self, process: Process) -> None:
        process.signal(signal.SIGSTOP)
        time.sleep(self._a_while())
        process.signal(signal.SIGCONT)

    def _flow(self, link: Link, word: str) -> None:
        """Mend a link; what was held back arrives, or, of answers, half of the time never does."""
        if word == "muted" and self._chance.random() < 0.5:
            link.become("cut")
        link.become("flow")

    # The store: everybody waits for it

    def _store(self, fault: Fault) -> None:
        fault.target = self._stage.store.name
        since, begun_s = self._watch.sight(), time.monotonic()
        undo = {
            "store killed": self._kill_store,
            "store out of memory": self._fill_memory,
            "store read-only": self._write_protect,
            "disk full": self._fill_disk,
        }[fault.kind]()
        silent = self._watch.sight()
        undo()
        ended_s = time.monotonic()
        fault.lasted_s = ended_s - begun_s
        if fault.kind in OF_STORE:
            self._stage.wait_for_store()
            fault.load_s = time.monotonic() - ended_s
        self._goes_on(fault, silent, ended_s)
        self._taken(fault, self._watch.wait_for_writer(since, 0.0), begun_s)

    def _kill_store(self) -> Callable[[], object]:
        self._stage.store.kill()
        time.sleep(self._chance.uniform(0.0, DOWN_S_MAX))
        return self._stage.store.start

    def _fill_memory(self) -> Callable[[], object]:
        store = self._stage.redis
        store.config_set("maxmemory", 1)
        time.sleep(self._a_while())
        return lambda: store.config_set("maxmemory", 0)

    def _write_protect(self) -> Callable[[], object]:
        """As after a failover that has made it a replica; of a store that is not there."""
        store = self._stage.redis
        store.replicaof("127.0.0.1", DEAD_PORT)
        time.sleep(self._a_while())
        return lambda: store.replicaof("NO", "ONE")

    def _fill_disk(self) -> Callable[[], object]:
        """A store that syncs every write ends itself when it cannot; until there is room it does not start either."""
        self._stage.fill_disk()
        until_s = time.monotonic() + FULL_EXIT_S
        while self._stage.store.runs and time.monotonic() < until_s:
            time.sleep(LOOK_S)
        if self._stage.store.runs:
            raise RuntimeError("the store did not notice that its disk is full")
        time.sleep(self._a_while())
        return self._room_again

    def _room_again(self) -> None:
        self._stage.free_disk()
        self._stage.store.start()

    # What comes of it

    def _a_while(self) -> float:
        return self._chance.uniform(SHORT_SHARE, LONG_SHARE) * self._lease_s

    def _goes_on(self, fault: Fault, since: Sight, ended_s: float | None = None) -> None:
        ended_s = time.monotonic() if ended_s is None else ended_s
        found = self._watch.wait_for_entry(since, TAKEN_S)
        if not found:
            raise RuntimeError(f"{fault.kind} ({fault.target}): nobody has written for {TAKEN_S:g} s since")
        fault.back_s = found[0] - ended_s

    @staticmethod
    def _taken(fault: Fault, found: list[float], begun_s: float) -> None:
        if found:
            fault.taken_s = found[0] - begun_s
            fault.served_s = found[-1] - begun_s
