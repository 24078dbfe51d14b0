"""``python -m tests.engine.simulation.seeds --seeds 1000``: many runs, on all cores, with progress.

A seed that fails prints itself, what is broken, and how to see it again; ``--seed N`` runs that one with its log of
steps, and ``--shrink`` looks for the shortest plan that breaks the same promise and prints its log.

Hands over to: ``simulation.py`` (one run), ``shrinking.py``.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from tests.engine.simulation.plan import Plan, plan_of
from tests.engine.simulation.shrinking import shrink
from tests.engine.simulation.simulation import Result, run

CHUNK_SEEDS = 8
GARBAGE_MAX = 50_000
FAILURES_MAX = 20
LINE_EVERY_SEEDS = 250
"""How often progress is told where there is no terminal."""
console = Console(highlight=False, soft_wrap=True)


def again(seed: int) -> str:
    """How to see a seed again."""
    return f"make simulate SEED={seed}"


def run_seed(seed: int) -> Result:
    """One seed, without a log."""
    return run(plan_of(seed))


def many(first: int, count: int, jobs: int) -> Iterator[Result]:
    """These seeds, in any order."""
    with get_context("fork").Pool(jobs, _collect_rarely) as pool:
        yield from pool.imap_unordered(run_seed, range(first, first + count), CHUNK_SEEDS)


def _collect_rarely() -> None:
    """A run leaves little garbage that needs looking for: looking for it less often saves an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_MAX)


def report(first: int, count: int, jobs: int) -> int:
    """Run them all and print what was found; the exit code."""
    began, met = time.monotonic(), Counter[str]()
    failed: list[Result] = []
    entries = admitted = 0
    simulated_s = 0.0
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        for done, result in enumerate(progress.track(many(first, count, jobs), total=count, description="seeds"), 1):
            if not sys.stderr.isatty() and done % LINE_EVERY_SEEDS == 0:
                console.print(f"{done} seeds, {len(failed)} failed, {time.monotonic() - began:.0f} s")
            entries, admitted = entries + result.entries, admitted + result.admitted
            simulated_s += result.seconds
            met.update(result.met)
            if result.broken is not None:
                failed.append(result)
                console.print(f"seed {result.plan.seed}: {result.broken}\n  {again(result.plan.seed)}")
                if len(failed) == FAILURES_MAX:
                    break
    took_s = time.monotonic() - began
    console.print(f"{count} seeds from {first} on, {len(failed)} failed, {took_s:.0f} s on {jobs} processes")
    console.print(f"{simulated_s / 3_600:.1f} h of simulated time, {entries} entries, {admitted} admissions")
    for where, times in sorted(met.items()):
        console.print(f"  {where}: {times}")
    return 1 if failed else 0


def show(plan: Plan, *, shrinks: bool) -> int:
    """One run with its log; the exit code."""
    result = run(plan)
    if result.broken is not None and shrinks:
        result = shrink(result)
    for line in describe(result.plan):
        console.print(line, markup=False)
    for line in run(result.plan, keeps_log=True).lines:
        console.print(line, markup=False)
    console.print(f"seed {plan.seed}: {result.broken or 'every promise was kept'}", markup=False)
    console.print(f"digest {result.digest}")
    return 0 if result.broken is None else 1


def describe(plan: Plan) -> Iterator[str]:
    """A plan in lines."""
    yield f"seed {plan.seed}: {plan.character}"
    yield from (str(step) for step in plan.steps)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Simulate the engine, seed by seed.")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seed", type=int, help="this one alone, with its log")
    parser.add_argument("--shrink", action="store_true", help="with --seed: the shortest plan that still fails")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        return show(plan_of(given.seed), shrinks=given.shrink)
    return report(given.first, given.seeds, given.jobs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
