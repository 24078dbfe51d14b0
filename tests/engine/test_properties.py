"""What holds for every workload: the auditor finds nothing, replicas agree, and the same done again is the same.

Every stage gives each of its entries to the auditor and to a replica, so merely living through a workload checks the
metering, first come first served, the caps, the stock and the windows from the log alone.
"""

from __future__ import annotations

from collections import Counter

import pytest

from engine.core.experience import Batch, Experience
from protocol.codec import decode_commands, encode_commands
from protocol.events import Refused
from protocol.replica_codec import decode_replica, encode_replica
from protocol.states import TicketState
from tests.engine.auctions_workload import AuctionsWorkload
from tests.engine.draws_workload import DrawsWorkload
from tests.engine.kinds_workload import KindsWorkload
from tests.engine.slots_workload import SlotsWorkload
from tests.engine.stage import SENDER, Stage, assert_agree
from tests.engine.workload import Act, Moment, Workload
from tests.support.samples import EXPERIENCE

SEEDS = range(24)
Workloads = type[Workload]


def _live(workload: Workload, stage: Stage, moment: Moment) -> None:
    now_ms = stage.now_ms + moment.gap_ms
    if moment.outage:
        stage.take_over(now_ms)
    stage.step(now_ms, *[command for act in moment.acts for command in workload.commands_of(act, stage)])


@pytest.fixture(
    params=[Workload, KindsWorkload, DrawsWorkload, AuctionsWorkload, SlotsWorkload],
    ids=["queues", "kinds", "draws", "auctions", "slots"],
)
def workloads(request: pytest.FixtureRequest) -> Workloads:
    """What a workload is about: queues alone, what feeds a waitlist, draws, auctions or slots."""
    chosen: Workloads = request.param
    return chosen


@pytest.mark.parametrize("seed", SEEDS)
def test_the_auditor_finds_nothing_and_replicas_agree_at_every_step(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed)
    stage = Stage(workload.document)
    for moment in workload.moments:
        _live(workload, stage, moment)
        assert_agree(stage.core, stage.replica)
        deadline = stage.core.next_deadline_ms()
        assert deadline is None or deadline > stage.now_ms


@pytest.mark.parametrize("seed", SEEDS)
def test_a_snapshot_gives_back_the_same_state_at_every_step(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed)
    stage, restored = Stage(workload.document), Stage(workload.document)
    for moment in workload.moments:
        _live(workload, stage, moment)
        _live(workload, restored, moment)
        assert restored.entries == stage.entries
        kept = restored.core.snapshot()
        restored.core = Experience.restore(EXPERIENCE, kept)
        assert (restored.core.snapshot(), restored.core.digest()) == (kept, stage.core.digest())
        assert restored.core.next_deadline_ms() == stage.core.next_deadline_ms()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stored_replica_agrees_with_the_core_at_every_step(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed)
    stage = Stage(workload.document)
    for moment in workload.moments:
        _live(workload, stage, moment)
        stored = encode_replica(stage.replica)
        stage.replica = decode_replica(stored)
        assert_agree(stage.core, stage.replica)
        assert encode_replica(stage.replica) == stored


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_batches_at_the_same_times_give_the_same_entries(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed)
    stage = Stage(workload.document)
    for moment in workload.moments:
        _live(workload, stage, moment)
    stage.script = [
        done._replace(
            batches=done.batches
            and [Batch(one.sender, one.number, decode_commands(encode_commands(one.commands))) for one in done.batches]
        )
        for done in stage.script
    ]
    again = stage.replayed()
    assert again.entries == stage.entries
    assert again.core.digest() == stage.core.digest()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_late_step_admits_at_the_same_instants_as_one_at_every_deadline(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed)
    late, punctual = Stage(workload.document), Stage(workload.document)
    for moment in workload.moments:
        _live(workload, late, moment._replace(outage=False))
        while (deadline := punctual.core.next_deadline_ms()) is not None and deadline <= late.now_ms:
            punctual.step(deadline)
        punctual.step_batches(late.now_ms, *(late.script[-1].batches or []))
        assert punctual.admissions == late.admissions
        assert punctual.core.digest() == late.core.digest()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_refused_changes_nothing(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed)
    stage = Stage(workload.document)
    for moment in workload.moments:
        _live(workload, stage, moment)
        for act in (workload.act(), *moment.acts):
            _refuse(workload, stage, act)


def _refuse(workload: Workload, stage: Stage, act: Act) -> None:
    """Try an act on a copy; where it is refused, the copy is as if nobody had asked."""
    commands = workload.commands_of(act, stage)
    kept, number = stage.core.snapshot(), stage.core.senders.last(SENDER) + 1
    asked, silent = Experience.restore(EXPERIENCE, kept), Experience.restore(EXPERIENCE, kept)
    events, applied = asked.step(stage.now_ms, [Batch(SENDER, number, commands)])
    silent.step(stage.now_ms, [Batch(SENDER, number, [])])
    assert applied == {SENDER: number}
    if sum(isinstance(event, Refused) for event in events) == len(commands) == len(events):
        assert asked.digest() == silent.digest()
    elif not events:
        assert asked.digest() == silent.digest(), "a change without an event"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_that_comes_again_is_dropped(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed)
    stage = Stage(workload.document)
    for moment in workload.moments:
        _live(workload, stage, moment)
        before = stage.core.digest()
        batches = stage.script[-1].batches or []
        assert stage.core.step(stage.now_ms, batches) == ([], {})
        assert stage.core.digest() == before


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_lost_or_admitted_twice(workloads: Workloads, seed: int) -> None:
    workload = workloads(seed, tuple(word for word in workloads.WORDS if word != "configure"))
    stage = Stage(workload.document)
    for moment in workload.moments:
        _live(workload, stage, moment)
        for path in stage.core.paths.values():
            held = [path.tickets.live(one) for one in path.tickets.latest]
            live = [ticket for ticket in held if ticket is not None]
            assert len(live) == path.tickets.alive
            states = [path.tickets.state(ticket) for ticket in live]
            placed = states.count(TicketState.HELD) + states.count(TicketState.BOOKED)
            assert len(live) == path.tickets.waiting + len(path.windows.open) + len(path.offers.open) + placed
            assert set(path.windows.open) == {one for one in live if one in path.windows.open}
    assert len(set(stage.ids)) == len(stage.ids)
    turns = Counter((one.path, one.ticket) for one in stage.admissions)
    for (path_id, ticket), times in turns.items():
        assert times <= 1 + (ticket in stage.path(path_id).tickets.forgiven)
