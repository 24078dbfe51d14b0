"""Recorded logs: what a file of them holds, how one is made and how it is read.

``make record`` lives through long plans of the simulator until the log of one holds everything that ``WANTED`` names,
and writes it down with the commands that it applied and the digest of the state that its last writer had. It is run
once for a version of the rules; the files stay as they are for ever.

Hands over to: ``test_recorded.py``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from engine.core.experience import RULES
from engine.io.streams import LogEntry, RawEntry, log_entry
from engine.restoration import Restoration
from protocol import codec
from protocol import events as e
from protocol.events import AnyEvent, Entry
from protocol.streams import commands_key, events_key
from tests.engine.simulation.auditor import Shelved
from tests.engine.simulation.plan import Character, Plan, Step, plan_of
from tests.engine.simulation.simulation import Simulation, lived

FOLDER = Path(__file__).parent
BYTES_MAX = 200_000
SEEDS_MAX = 500
PARTS = 2
PART_MS = 10_000
MORE = {"newcomer": 10, "rejoin": 200, "redeem": 30, "stock": 10, "refuse": 40, "kill": 2, "rivals": 1}
LEFT_OUT = ("silence", "failover")
CHARACTER = Character(
    engines=2,
    gateways=2,
    experiences=("drop",),
    troubles=("kill", "rivals"),
    lease_ms=1_200,
    small_steps=False,
    standby="warm",
    snapshot_entries=40,
    archives=False,
    reader_behind_entries=100_000,
)
SLICE_MS = 1_000_000
WANTED: dict[type[AnyEvent], int] = {
    e.WriterChanged: 3,
    e.Configured: 2,
    e.Joined: 10,
    e.Attached: 1,
    e.Admitted: 5,
    e.Redeemed: 2,
    e.Completed: 2,
    e.Expired: 2,
    e.Returned: 1,
    e.Left: 1,
    e.PauseChanged: 2,
    e.PhaseChanged: 3,
    e.ReleaseRateChanged: 3,
    e.WindowMoved: 2,
    e.StockChanged: 2,
    e.SoldOutChanged: 1,
    e.TicketRefused: 1,
    e.NoticePosted: 1,
    e.Refused: 2,
    e.Answered: 2,
}
"""Events that a recorded log must hold, and how many of each. A window moves by an outage or an extension."""


class Recording(Struct, frozen=True):
    """One log, whole. ``digest``: of the state at its end, as hex."""

    rules: int
    seed: int
    experience: str
    log: list[tuple[str, bytes, bytes]]
    commands: list[RawEntry]
    digest: str

    def entries(self) -> Iterator[Entry]:
        return (codec.decode_entry(payload) for _, payload, _ in self.log)

    def counts(self) -> Counter[type[AnyEvent]]:
        """How many events of each kind it has."""
        return Counter(type(event) for entry in self.entries() for event in entry.events)

    def replayed(self) -> Restoration:
        """The real restoration, at the end of it. Raises LogError where a step comes out otherwise than it stands."""
        log = [LogEntry(*entry) for entry in self.log]
        restoration = Restoration(Shelved(log, self.commands), self.experience, None)
        while not restoration.done:
            restoration.advance(SLICE_MS)
        return restoration


def recordings() -> list[Path]:
    """Every file there is."""
    return sorted(FOLDER.glob("*.msgpack"))


def read(path: Path) -> Recording:
    return msgspec.msgpack.decode(path.read_bytes(), type=Recording)


def long_plan(seed: int) -> Plan:
    """The steps of some seeds, one after another, and more of what is rare in them."""
    chance = Random(f"record {seed}")
    parts = [plan_of(seed * PARTS + part).steps for part in range(PARTS)]
    shifted = [one._replace(at_ms=one.at_ms + part * PART_MS) for part, steps in enumerate(parts) for one in steps]
    for word, count in MORE.items():
        shifted += [
            Step(chance.randrange(PARTS * PART_MS), word, *chance.choices(range(1_000), k=3)) for _ in range(count)
        ]
    return Plan(seed, CHARACTER, tuple(sorted(one for one in shifted if one.word not in LEFT_OUT)))


def record(seed: int) -> Recording | None:
    """What a long plan leaves behind; None where it is not all that is wanted."""
    simulation = Simulation(long_plan(seed), keeps_log=False)
    if lived(simulation) is not None:
        return None
    (experience,) = CHARACTER.experiences
    log = [log_entry(*entry) for entry in simulation.store.stream(events_key(experience)).whole]
    commands = simulation.store.stream(commands_key(experience)).whole
    found = Recording(RULES, seed, experience, [(one.entry_id, one.payload, one.chain) for one in log], commands, "")
    counts = found.counts()
    if any(counts[kind] < count for kind, count in WANTED.items()):
        return None
    return msgspec.structs.replace(found, digest=found.replayed().experience.digest())


def main() -> int:
    """Make the file of this version. It is never made anew."""
    path = FOLDER / f"rules-{RULES}.msgpack"
    if path.exists():
        sys.stderr.write(f"{path} is there: a recorded log stays as it is\n")
        return 1
    for seed in range(SEEDS_MAX):
        found = record(seed)
        data = b"" if found is None else msgspec.msgpack.encode(found)
        if found is not None and len(data) <= BYTES_MAX:
            path.write_bytes(data)
            sys.stdout.write(f"{path}: seed {seed}, {len(found.log)} entries, {len(data)} bytes\n")
            return 0
    sys.stderr.write(f"no seed below {SEEDS_MAX} has everything\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
