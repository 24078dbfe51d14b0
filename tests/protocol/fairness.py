"""Whether the lottery is fair: many draws against the exact probabilities of weighted sampling without replacement.

    make fairness                 20,000 draws of each population, p-values shown, then a planted bias of 5 %
    python -m tests.protocol.fairness --draws 2000

Three tests, because each is blind to something: chi-square over who comes first and second finds a wrong weight but
hardly a drift along the ticket numbers; the half-split (do early tickets win as often as late ones?) and the rank
correlation of ticket and place find that. Hats are laid out as a palindrome, so early and late are equal by right.

The seeds are numbers that were fixed before the first draw; nothing is drawn again because its p-value was ugly.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import permutations
from math import erfc, exp, lgamma, log, sqrt
from statistics import fmean, pstdev
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from protocol.lottery import draw, key_of

DRAWS = 20_000
FAIR_P_MIN = 0.001
FOUND_P_MAX = 0.001
BIAS_PERCENT = 5
EXPECTED_MIN = 5

Draw = Callable[[bytes, bytes], Sequence[int]]


class Population(NamedTuple):
    """Who enters, how many win, and which seeds are drawn with."""

    name: str
    hats: bytes
    winners: int


POPULATIONS = (
    Population("12 tickets with 1 to 5 hats", bytes([1, 5, 2, 3, 4, 1, 1, 4, 3, 2, 5, 1]), 3),
    Population("16 tickets with 1 hat", bytes([1] * 16), 4),
    Population("40 tickets with 1 to 64 hats", bytes([1, 2, 64, 5] * 5 + [5, 64, 2, 1] * 5), 8),
)


class Fairness(NamedTuple):
    """p-values: how likely a fair lottery is to look at least as odd as this."""

    chi_square: float
    half_split: float
    rank_correlation: float


def seed(population: Population, number: int) -> bytes:
    """The seed of the draw of this number."""
    return sha256(f"{population.name}, draw {number}".encode()).digest()


def measure(population: Population, draws: int, drawn: Draw = draw) -> Fairness:
    """Draw ``draws`` times and test what came out."""
    hats, half = population.hats, len(population.hats) // 2
    assert hats == hats[::-1], "early and late tickets must have equal hats"
    pairs: Counter[tuple[int, int]] = Counter()
    early, correlations = [], []
    for number in range(draws):
        order = drawn(seed(population, number), hats)
        pairs[order[0], order[1]] += 1
        early.append(sum(ticket < half for ticket in order[: population.winners]) - population.winners / 2)
        correlations.append(_correlation(order))
    return Fairness(_chi_square(hats, pairs, draws), _mean_is_zero(early), _mean_is_zero(correlations))


def biased(seed: bytes, hats: bytes) -> list[int]:
    """An order in which the early half has a chance 5 % too good: its keys are that much smaller."""
    half = len(hats) // 2

    def key(ticket: int) -> int:
        fair = int.from_bytes(key_of(seed, ticket, hats[ticket]), "big")
        return fair * 100 if ticket < half else fair * (100 + BIAS_PERCENT)

    return sorted(range(len(hats)), key=key)


def _chi_square(hats: bytes, pairs: Counter[tuple[int, int]], draws: int) -> float:
    """Over all ordered pairs of first and second: P(i, j) = h(i) / H · h(j) / (H - h(i)). Pairs that are expected less
    than five times are counted as one, as chi-square asks for."""
    total = sum(hats)
    rare_seen, rare_expected, distance, bins = 0, 0.0, 0.0, 0
    for pair in permutations(range(len(hats)), 2):
        first, second = (hats[ticket] for ticket in pair)
        expected = draws * first / total * second / (total - first)
        if expected < EXPECTED_MIN:
            rare_seen, rare_expected = rare_seen + pairs[pair], rare_expected + expected
        else:
            distance, bins = distance + (pairs[pair] - expected) ** 2 / expected, bins + 1
    if rare_expected >= EXPECTED_MIN:
        distance, bins = distance + (rare_seen - rare_expected) ** 2 / rare_expected, bins + 1
    return chi_square_p(distance, bins - 1)


def _mean_is_zero(values: Sequence[float]) -> float:
    """Two-sided z test."""
    z = fmean(values) / (pstdev(values) / sqrt(len(values)))
    return erfc(abs(z) / sqrt(2))


def _correlation(order: Sequence[int]) -> float:
    """Spearman's, of ticket number and place: 1 where tickets come in their own order."""
    count = len(order)
    squares = sum((ticket - place) ** 2 for place, ticket in enumerate(order))
    return 1 - 6 * squares / (count * (count * count - 1))


def chi_square_p(distance: float, freedom: int) -> float:
    """The chance of at least this distance: the upper incomplete gamma function Q(freedom / 2, distance / 2), by its
    series for small and by its continued fraction (modified Lentz) for large arguments (Abramowitz and Stegun 6.5)."""
    a, x = freedom / 2, distance / 2
    scale = exp(a * log(x) - x - lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-15:
            n += 1
            term *= x / n
            total += term
        return 1 - scale * total
    b, c = x + 1 - a, 1e300
    d = 1 / b
    fraction, change, n = d, 0.0, 0
    while abs(change - 1) > 1e-15 and n < 10_000:
        n += 1
        b += 2
        d = 1 / (b - n * (n - a) * d)
        c = b - n * (n - a) / c
        change = c * d
        fraction *= change
    return scale * fraction


def main() -> int:
    """Show every p-value; 1 if a fair draw looks unfair or the planted bias is not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS)
    draws = parser.parse_args().draws
    table = Table(
        "population", "draw", "chi-square", "half-split", "rank correlation", title=f"p-values, {draws} draws"
    )
    sound = True
    for population in POPULATIONS:
        fair, unfair = measure(population, draws), measure(population, draws, biased)
        sound = sound and min(fair) > FAIR_P_MIN and unfair.half_split < FOUND_P_MAX
        for name, found in (("fair", fair), (f"{BIAS_PERCENT} % for the early", unfair)):
            table.add_row(population.name, name, *(f"{p:.2g}" for p in found))
    Console().print(table)
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
