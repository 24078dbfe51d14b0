"""Recorded logs: what a file of them holds, how one is made and how it is read.

``make record`` lives through long plans of the simulator until the log of one holds everything that its recipe wants,
and writes it down with the commands that it applied and the digest of the state that its last writer had. It is run
once for a version of the rules; the files stay as they are for ever. There are three recipes: queues over a longer
time, one path of each kind, and the same with what is told so seldom that neither of the others has it.

Hands over to: ``test_recorded.py``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
from msgspec import Struct

from engine.core.experience import RULES
from engine.io.streams import LogEntry, RawEntry, log_entry
from engine.restoration import Restoration
from protocol import codec
from protocol import events as e
from protocol import kind_events as k
from protocol.events import AnyEvent, Entry
from protocol.streams import commands_key, events_key
from tests.engine.simulation.auditor import Shelved
from tests.engine.simulation.people import AddKinds
from tests.engine.simulation.plan import Character, Plan, Step, plan_of
from tests.engine.simulation.simulation import Simulation, lived
from tests.engine.simulation.terms import rare_terms

FOLDER = Path(__file__).parent
BYTES_MAX = 200_000
SEEDS_MAX = 500
PARTS = 2
MORE_MS = 7_000
LEFT_OUT = ("silence", "failover")
SLICE_MS = 1_000_000


class Recipe(NamedTuple):
    """What a recorded log is to be: the plans, one in ``every`` from ``first`` on, whose steps it has, each ``part_ms``
    behind the one before; ``more`` of some words; ``wanted``: which events it must hold, and how many of each;
    ``add_kinds``: which paths it has, where the character does not say it all."""

    character: Character
    first: int
    every: int
    part_ms: int
    more: dict[str, int]
    wanted: dict[type[AnyEvent], int]
    add_kinds: AddKinds | None = None


QUEUES = Recipe(
    character=Character(
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
    ),
    first=0,
    every=1,
    part_ms=10_000,
    more={"newcomer": 10, "rejoin": 200, "redeem": 30, "stock": 10, "refuse": 40, "kill": 2, "rivals": 1},
    wanted={
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
    },
)
"""A window moves by an outage or an extension."""
KINDS = Recipe(
    character=QUEUES.character._replace(kinds=True, every_kind=True),
    first=5,
    every=9,
    part_ms=0,
    more={
        **{"enter": 20, "bid": 20, "claim": 30, "third": 10, "hold": 20, "book": 30, "reschedule": 15, "cancel": 4},
        **{"check_in": 10, "cancel_booking": 6, "offer": 10, "beacon": 4, "stock": 10, "kill": 2},
    },
    wanted={
        e.WriterChanged: 3,
        e.Admitted: 5,
        e.Completed: 1,
        e.Expired: 1,
        k.Allotted: 2,
        k.AuctionEnded: 1,
        k.BidPlaced: 4,
        k.Booked: 4,
        k.BookingCancelled: 1,
        k.CheckedIn: 1,
        k.Claimed: 2,
        k.DrawCommitted: 2,
        k.Drawn: 2,
        k.EndMoved: 1,
        k.EntriesClosed: 2,
        k.HoldEnded: 1,
        k.HoldingDetails: 1,
        k.OfferExpired: 1,
        k.Offered: 2,
        k.PlacesGiven: 1,
        k.PriceDropped: 2,
        k.SlotHeld: 2,
        k.TicketsLost: 1,
        k.UnitTaken: 1,
        k.UnitsFreed: 1,
    },
)
"""Two lotteries: of the draw, and of the lobby of the queue, whose places are told."""
RARE = KINDS._replace(
    more={
        **{"enter": 30, "bid": 30, "refuse": 60, "third": 20, "claim": 20, "book": 40, "pay": 40, "no_show": 30},
        **{"choose": 40, "beacon": 10, "cancel": 5, "kill": 2, "poison": 2},
    },
    wanted={
        e.WriterChanged: 3,
        e.Skipped: 1,
        k.Announced: 1,
        k.BeaconGiven: 1,
        k.CheckoutAsked: 3,
        k.CheckoutDropped: 2,
        k.Chosen: 3,
        k.NotDrawn: 1,
        k.NotShown: 1,
        k.PriceChanged: 1,
        k.UnitsGone: 2,
    },
    add_kinds=rare_terms,
)
"""A price changes without a bid where who leads is turned away; units are gone, and are there again."""
RECIPES: dict[str, Recipe] = {"": QUEUES, "-kinds": KINDS, "-rare": RARE}
"""By what stands behind the version in the name of the file."""


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


def recipe_of(path: Path) -> Recipe:
    """What the log in this file was to be."""
    return RECIPES[path.stem.removeprefix(f"rules-{read(path).rules}")]


def long_plan(seed: int, recipe: Recipe) -> Plan:
    """The steps of some seeds, and more of what is rare in them."""
    chance = Random(f"record {seed}")
    shifted = []
    for part in range(PARTS):
        steps = plan_of(recipe.first + recipe.every * (seed * PARTS + part)).steps
        shifted += [one._replace(at_ms=one.at_ms + part * recipe.part_ms) for one in steps]
    length_ms = recipe.part_ms * PARTS or MORE_MS
    for word, count in recipe.more.items():
        shifted += [Step(chance.randrange(length_ms), word, *chance.choices(range(1_000), k=3)) for _ in range(count)]
    return Plan(seed, recipe.character, tuple(sorted(one for one in shifted if one.word not in LEFT_OUT)))


def record(seed: int, recipe: Recipe) -> Recording | None:
    """What a long plan leaves behind; None where it is not all that is wanted."""
    simulation = Simulation(long_plan(seed, recipe), keeps_log=False, add_kinds=recipe.add_kinds)
    if lived(simulation, small_parts=False) is not None:
        return None
    (experience,) = recipe.character.experiences
    log = [log_entry(*entry) for entry in simulation.store.stream(events_key(experience)).whole]
    commands = simulation.store.stream(commands_key(experience)).whole
    found = Recording(RULES, seed, experience, [(one.entry_id, one.payload, one.chain) for one in log], commands, "")
    counts = found.counts()
    if any(counts[kind] < count for kind, count in recipe.wanted.items()):
        return None
    return msgspec.structs.replace(found, digest=found.replayed().experience.digest())


def make(path: Path, recipe: Recipe) -> bool:
    """Make a file of this version, if any seed has everything. It is never made anew."""
    for seed in range(SEEDS_MAX):
        found = record(seed, recipe)
        data = b"" if found is None else msgspec.msgpack.encode(found)
        if found is not None and len(data) <= BYTES_MAX:
            path.write_bytes(data)
            sys.stdout.write(f"{path}: seed {seed}, {len(found.log)} entries, {len(data)} bytes\n")
            return True
    sys.stderr.write(f"{path}: no seed below {SEEDS_MAX} has everything\n")
    return False


def main() -> int:
    """Make the files of this version that are not there yet: a recorded log stays as it is."""
    paths = {FOLDER / f"rules-{RULES}{name}.msgpack": recipe for name, recipe in RECIPES.items()}
    return 0 if all(path.exists() or make(path, recipe) for path, recipe in paths.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
