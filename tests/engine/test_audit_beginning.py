"""An audit that begins at a snapshot, wherever that stands, finds nothing wrong in what is right, and what is wrong."""

from __future__ import annotations

import pytest

from engine.audit_beginning import audit_from
from engine.audits.promises import Broken
from engine.beginning import Beginning
from engine.core.experience import Experience
from engine.core.limits import RULES
from protocol.commands import Book, Hold, Join
from protocol.events import Expired, PhaseChanged
from protocol.kind_events import Booked, Drawn, EntriesClosed
from protocol.lottery import roster_root, seed_of
from protocol.manifest import VERSION, Manifest, part_of
from protocol.replica import Replica
from protocol.states import Phase
from protocol.streams import START_ID
from tests.engine.auctions_workload import AuctionsWorkload
from tests.engine.draws_workload import DrawsWorkload
from tests.engine.kinds_workload import KindsWorkload
from tests.engine.slots_workload import SlotsWorkload
from tests.engine.stage import START_MS, Stage
from tests.engine.test_appointment import PATH, TEN, appointment
from tests.engine.test_properties import SEEDS, _live
from tests.engine.workload import Workload
from tests.support.samples import EXPERIENCE, consumer, document, raw_path


def snapshot_of(stage: Stage) -> Beginning:
    """What an engine would begin with that restores a snapshot of this very state."""
    core = Experience.restore(EXPERIENCE, stage.core.snapshot())
    entry_id, chain, nothing = stage.replica.entry_id, stage.replica.chain, part_of(b"")
    manifest = Manifest(VERSION, RULES, entry_id, chain, START_ID, nothing, nothing)
    return Beginning(core, stage.replica, START_ID, manifest, [])


def begin_anew(stage: Stage) -> None:
    """Let the stage be audited from here on only."""
    writers, stage.audit = stage.audit.writers, audit_from(snapshot_of(stage))
    stage.audit.writers = writers


@pytest.mark.parametrize("workloads", [Workload, KindsWorkload, DrawsWorkload, AuctionsWorkload, SlotsWorkload])
@pytest.mark.parametrize("seed", SEEDS)
def test_wherever_an_audit_begins_it_finds_nothing_in_a_log_that_is_right(workloads: type[Workload], seed: int) -> None:
    workload = workloads(seed)
    stage = Stage(workload.document)
    for moment in workload.moments:
        begin_anew(stage)
        _live(workload, stage, moment)


def test_what_is_known_from_the_snapshot_is_held_against_the_log() -> None:
    stage = Stage()
    stage.later(1, Join(consumer(1)), Join(consumer(2)))
    stage.later(2_000)
    begin_anew(stage)
    assert len(stage.audit.paths["general"].windows) == 2
    early = Expired("general", stage.now_ms, [0])
    with pytest.raises(Broken, match="before its window's end"):
        stage.write(stage.now_ms, early)


def test_places_that_were_booked_before_the_snapshot_are_taken() -> None:
    stage = Stage(appointment(capacity_per_slot=2))
    stage.later(1, Book(consumer(1), PATH, slot=TEN), Hold(consumer(2), PATH, slot=TEN), Join(consumer(3), PATH))
    begin_anew(stage)
    with pytest.raises(Broken, match=f"3 places of {TEN} are held or booked, it takes 2"):
        stage.write(stage.now_ms, Booked(PATH, stage.now_ms, 2, TEN, "ANOTHER", ""))


def test_a_secret_that_was_committed_to_before_the_snapshot_is_held_to_that() -> None:
    closes_at = START_MS + 10
    stage = Stage(document(paths=[raw_path(distribution={"kind": "draw", "winner_count": 1, "closes_at": closes_at})]))
    stage.later(1, Join(consumer(1), "general"))
    begin_anew(stage)
    root = roster_root(bytes([1]))
    closed = PhaseChanged("general", Phase.SETTLING, closes_at, None, closes_at, "")
    drawn = Drawn("general", closes_at, bytes(32), seed_of(bytes(32), b"", root), bytes(32), [0])
    with pytest.raises(Broken, match="the secret is not the one that was committed to"):
        stage.write(closes_at, closed, EntriesClosed("general", closes_at, 1, root), drawn)


def test_an_audit_of_a_whole_log_begins_with_nothing() -> None:
    audit = audit_from(Beginning(Experience(EXPERIENCE), Replica(EXPERIENCE), START_ID, None, []))
    assert (audit.entry_id, audit.next_seq, audit.paths) == (START_ID, 0, {})
