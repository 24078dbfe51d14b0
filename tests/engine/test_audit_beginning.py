"""An audit that begins at a snapshot, wherever that stands, finds nothing wrong in what is right, and what is wrong."""

from __future__ import annotations

import pytest

from engine.audit_beginning import audit_from
from engine.audits.promises import Broken
from engine.beginning import Beginning
from engine.core.experience import Experience
from engine.core.limits import RULES
from protocol.commands import Join
from protocol.events import Expired
from protocol.manifest import VERSION, Manifest, part_of
from protocol.replica import Replica
from protocol.streams import START_ID
from tests.engine.auctions_workload import AuctionsWorkload
from tests.engine.kinds_workload import KindsWorkload
from tests.engine.stage import Stage
from tests.engine.test_properties import SEEDS, _live
from tests.engine.workload import Workload
from tests.support.samples import EXPERIENCE, consumer


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


@pytest.mark.parametrize("workloads", [Workload, KindsWorkload, AuctionsWorkload])
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


def test_an_audit_of_a_whole_log_begins_with_nothing() -> None:
    audit = audit_from(Beginning(Experience(EXPERIENCE), Replica(EXPERIENCE), START_ID, None, []))
    assert (audit.entry_id, audit.next_seq, audit.paths) == (START_ID, 0, {})
