"""The lottery is fair, and the tests that say so would find a bias of 5 %. `make fairness` is the long form."""

from __future__ import annotations

import pytest

from tests.protocol.fairness import (
    FAIR_P_MIN,
    FOUND_P_MAX,
    POPULATIONS,
    Population,
    biased,
    chi_square_p,
    measure,
)

DRAWS = 5_000


@pytest.mark.parametrize("population", POPULATIONS[:2], ids=lambda population: population.name)
def test_a_draw_is_fair(population: Population) -> None:
    assert min(measure(population, DRAWS)) > FAIR_P_MIN


@pytest.mark.parametrize("population", POPULATIONS[:2], ids=lambda population: population.name)
def test_a_planted_bias_is_found(population: Population) -> None:
    found = measure(population, DRAWS, biased)
    assert found.half_split < FOUND_P_MAX and found.rank_correlation < FOUND_P_MAX


def test_a_wrong_weight_is_found_by_chi_square() -> None:
    def flat(seed: bytes, hats: bytes) -> list[int]:
        return biased(seed, bytes([1]) * len(hats))

    assert measure(POPULATIONS[0], DRAWS, flat).chi_square < FOUND_P_MAX


@pytest.mark.parametrize(
    ("distance", "freedom", "p"), [(3.841459, 1, 0.05), (124.342113, 100, 0.05), (77.929465, 100, 0.95)]
)
def test_chi_square_is_that_of_the_tables(distance: float, freedom: int, p: float) -> None:
    assert chi_square_p(distance, freedom) == pytest.approx(p, abs=1e-6)
