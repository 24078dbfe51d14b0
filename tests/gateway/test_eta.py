"""The wait that is shown: from the asked rate while it is kept, from the measured one where it is not."""

from __future__ import annotations

import pytest

from gateway.eta import estimate
from protocol.documents import Experience
from protocol.path_replica import PathReplica
from tests.support.samples import document, raw_path

NOW = 1_800_000_000_000


def queue(rate: int, *, over_all: int | None = None) -> tuple[Experience, PathReplica]:
    made = document(paths=[raw_path(distribution={"release_rate_per_minute": rate})], release_rate_per_minute=over_all)
    return made, PathReplica(made.paths[0])


def admit(path: PathReplica, per_second: float, seconds: int) -> None:
    """Admissions at a steady pace until ``NOW``."""
    for index in range(int(per_second * seconds)):
        path.count_recent(NOW - seconds * 1000 + int(index * 1000 / per_second), 1)


def test_before_anything_is_measured_the_asked_rate_stands() -> None:
    made, path = queue(600)
    guess = estimate(made, path, NOW - 1_000, NOW)
    assert (guess.shown, guess.measured) == (600, False)
    assert guess.interval(599) == (47, 65)


def test_the_narrower_of_both_rates_is_asked() -> None:
    made, path = queue(600, over_all=60)
    assert estimate(made, path, NOW, NOW).shown == 60


@pytest.mark.parametrize(("rate", "paused"), [(0, False), (600, True)])
def test_nobody_knows_while_nobody_is_admitted(rate: int, paused: bool) -> None:
    made, path = queue(rate)
    path.paused = paused
    assert estimate(made, path, NOW - 60_000, NOW).interval(5) is None


def test_a_rate_that_is_kept_is_reckoned_with_as_asked() -> None:
    made, path = queue(60)
    admit(path, 1.0, 30)
    guess = estimate(made, path, NOW - 30_000, NOW)
    assert (guess.shown, guess.measured) == (60, False)


def test_after_a_minute_the_last_minute_is_shown() -> None:
    made, path = queue(60)
    admit(path, 1.0, 61)
    guess = estimate(made, path, NOW - 300_000, NOW)
    assert abs(guess.shown - 60) <= 1


def test_where_a_cap_binds_the_measured_rate_counts() -> None:
    made, path = queue(600)
    admit(path, 1.0, 60)
    guess = estimate(made, path, NOW - 60_000, NOW)
    assert guess.measured
    assert abs(guess.shown - 60) <= 1
    interval = guess.interval(59)
    assert interval is not None
    assert interval[0] < 60 < interval[1]


def test_where_nothing_moves_nothing_is_promised() -> None:
    made, path = queue(600)
    guess = estimate(made, path, NOW - 60_000, NOW)
    assert (guess.shown, guess.interval(0)) == (0, None)


def test_a_waitlist_promises_nothing() -> None:
    made = document(paths=[{"id": "list", "distribution": {"kind": "waitlist"}}])
    path = PathReplica(made.paths[0])
    admit(path, 1, 10)
    guess = estimate(made, path, NOW - 60_000, NOW)
    assert (guess.shown, guess.interval(0)) == (10, None)
