"""The simulator in the suite: some seeds, the same seed twice, a failure made small, and bugs that must be caught.

``make simulate`` runs as many seeds as one likes, ``make planted`` all planted bugs.
"""

from __future__ import annotations

import pytest

from engine.core.senders import Senders
from tests.engine.simulation.bugs import BUGS
from tests.engine.simulation.faults import QUESTIONS
from tests.engine.simulation.plan import Character, Plan, Step, plan_of
from tests.engine.simulation.planted import ROOT, hunt
from tests.engine.simulation.seeds import describe
from tests.engine.simulation.shrinking import shrink
from tests.engine.simulation.simulation import run

SEEDS = 16
"""``make simulate`` is for more."""
HUNTED = (
    "no dedupe of numbered batches",
    "a pair counts before its last chunk is stored",
    "of equal maxima the later one leads",
)
HUNT_SEEDS_MAX = 40
FOUND = {
    1: "a failover left a sender behind for ten minutes",
    29: "who was stopped when its take-over was lost took over again, behind another entry of its ID: a broken chain",
    79: "what was followed of a lost history, and did not fit the log, stopped the experience",
    209: "a lost take-over was taken for another one of its ID: the time of the log went back",
    629: "a pair was let count behind a stop in which the connection was cut, which is nobody's fault",
}
"""Seeds that found bugs of the real code, and what they found."""


STOPPED_WHILE_RESTORING = Plan(
    41,
    Character(2, 1, ("drop",), ("stop",), 1_200, False, "cold", 6, False, 100_000),
    (
        Step(2_559, "join", 93, 35, 676),
        Step(2_738, "rate", 947, 467, 374),
        Step(2_742, "rate", 109, 79, 432),
        Step(2_779, "join", 794, 640, 263),
        Step(2_961, "newcomer", 924, 548, 265),
        Step(2_979, "join", 3, 522, 845),
        Step(2_990, "stop", 139, QUESTIONS.index("xrange"), 0),
        Step(3_000, "rivals", 458, 541, 377),
        Step(3_023, "join", 967, 811, 289),
        Step(3_053, "newcomer", 515, 940, 977),
    ),
)
"""An engine is stopped for nine seconds while it looks for a snapshot to begin with; another one trims the log under
it. It took the log for broken, and never served that experience again."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_promise_is_kept(seed: int) -> None:
    result = run(plan_of(seed))
    assert result.broken is None, f"make simulate SEED={seed} SHRINK=1"


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_is_not_found_again(seed: int) -> None:
    assert run(plan_of(seed)).broken is None, FOUND[seed]


def test_who_was_trimmed_away_while_it_restored_leaves_the_log_to_others() -> None:
    result = run(STOPPED_WHILE_RESTORING)
    assert (result.broken, result.met) == (None, {"stop behind xrange": 1})


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
