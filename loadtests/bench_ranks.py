"""Positions are computed where the sockets are: the ranks of all places of a big roster for one gateway's sockets.

The floor is what numpy alone needs for the same: one ``cumsum`` over a byte a place, one ``take``.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from loadtests.report import Report, progress
from protocol.roster import Roster

SEED = 1
WAITING_SHARE = 0.9
MS = 1_000


def bench_ranks(report: Report, *, places: int, sockets: int, pairs: int) -> None:
    """Report the ms that the ranks of ``sockets`` places among ``places`` take, in ``pairs`` turns with the floor."""
    chance = np.random.default_rng(SEED)
    waits = (chance.random(places) < WAITING_SHARE).astype(np.uint8)
    asked = np.sort(chance.choice(places, sockets, replace=False)).astype(np.int64)
    roster = Roster()
    roster.append(places)
    for place in np.flatnonzero(waits == 0).tolist():
        roster.remove(place)
    figures, floors = [], []
    for index in range(pairs + 1):
        begun = perf_counter()
        ranks = roster.ranks(asked)
        between = perf_counter()
        counts = np.cumsum(waits, dtype=np.int64).take(asked)
        ended = perf_counter()
        if not np.array_equal(ranks, counts - waits[asked]):
            raise RuntimeError("the roster and numpy disagree: nothing was measured")
        if index:  # the first turn only warms the caches
            figures.append((between - begun) * MS)
            floors.append((ended - between) * MS)
    progress.print(f"ranks of {sockets:,} in {places:,}: {min(figures):.2f} … {max(figures):.2f} ms")
    report.add(
        "ranks of a roster",
        "ms",
        "≤ 5",
        figures,
        floor=("numpy cumsum and take", floors),
        detail={"places": places, "sockets": sockets},
    )
