"""The simulator in the suite: some seeds, the same seed twice, a failure made small, and bugs that must be caught.

``make simulate`` runs as many seeds as one likes, ``make planted`` all planted bugs.
"""

from __future__ import annotations

import pytest

from engine.core.senders import Senders
from tests.engine.simulation.bugs import BUGS
from tests.engine.simulation.plan import plan_of
from tests.engine.simulation.planted import ROOT, hunt
from tests.engine.simulation.seeds import describe
from tests.engine.simulation.shrinking import shrink
from tests.engine.simulation.simulation import run

SEEDS = 16
"""``make simulate`` is for more."""
HUNTED = ("no dedupe of numbered batches", "a pair counts before its last chunk is stored")
HUNT_SEEDS_MAX = 40
FOUND = {1: "a failover left a sender behind for ten minutes"}
"""Seeds that found bugs of the real code, and what they found."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_promise_is_kept(seed: int) -> None:
    result = run(plan_of(seed))
    assert result.broken is None, f"make simulate SEED={seed} SHRINK=1"


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_is_not_found_again(seed: int) -> None:
    assert run(plan_of(seed)).broken is None, FOUND[seed]


def test_the_same_seed_is_the_same_run_byte_for_byte() -> None:
    one, other = run(plan_of(7), keeps_log=True), run(plan_of(7), keeps_log=True)
    assert one.lines == other.lines
    assert one == other
    assert run(plan_of(7)).digest == one.digest, "keeping a log changes nothing"
    assert run(plan_of(8)).digest != one.digest


def test_a_failing_run_is_made_small_and_can_be_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Senders, "accept", lambda self, sender, number, now_ms: True)
    failed = next(result for result in map(run, map(plan_of, range(HUNT_SEEDS_MAX))) if result.broken is not None)
    small = shrink(failed, tries_max=60)
    assert small.check == failed.check
    assert len(small.plan.steps) < len(failed.plan.steps) / 2
    assert run(small.plan).broken == small.broken
    assert len(list(describe(small.plan))) == 1 + len(small.plan.steps)


@pytest.mark.parametrize("name", HUNTED)
def test_a_planted_bug_is_caught(name: str) -> None:
    (bug,) = (bug for bug in BUGS if bug.name == name)
    assert hunt(bug, HUNT_SEEDS_MAX).seed is not None


def test_what_is_planted_can_be_planted() -> None:
    for bug in BUGS:
        assert (ROOT / bug.file).read_text().count(bug.before) == 1, bug.name
