"""``stanchion bench``: the measurements, bounded in count and time; figures on standard output, progress on the other.

    stanchion bench engine    joins/s and mixed commands/s of the pure core
    stanchion bench stream    commands/s and delay through a real store, for both ways of syncing it
    stanchion bench ranks     positions of a gateway's sockets in a big roster
    stanchion bench all       all of them

Hands over to: ``bench_engine``, ``bench_stream``, ``bench_ranks``; ``report`` writes what they find.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import redis

from loadtests.bench_engine import bench_engine
from loadtests.bench_ranks import bench_ranks
from loadtests.bench_stream import bench_stream
from loadtests.parts import Parts
from loadtests.report import RESULTS, Report, progress

BENCHES = ("engine", "stream", "ranks")
FSYNCS = ("always", "everysec")
FAILURE = 1


def main(argv: Sequence[str], parts: Parts) -> int:
    """Run what ``argv`` asks for on ``parts``; the exit code. A wrong argument exits with 2."""
    asked = _parser().parse_args(argv)
    folder = None if asked.no_save else asked.results
    benches = BENCHES if asked.bench == "all" else (asked.bench,)
    try:
        for bench in benches:
            _run(bench, asked, parts, Report(bench, folder))
    except (RuntimeError, OSError, redis.RedisError) as error:
        progress.print(f"the bench failed: {error}", markup=False)
        return FAILURE
    return 0


def _run(bench: str, asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    if bench == "engine":
        bench_engine(parts, report, joins_count=asked.joins, mixed_count=asked.mixed, slices=asked.pairs)
    elif bench == "ranks":
        bench_ranks(report, places=asked.places, sockets=asked.sockets, pairs=asked.pairs)
    else:
        for fsync in FSYNCS:
            bench_stream(
                parts,
                report,
                fsync=fsync,
                joins=asked.stream_joins,
                pairs=asked.pairs,
                rate=asked.rate,
                seconds=asked.seconds,
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stanchion bench",
        description="Measure. One JSON line per figure; progress on standard error.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("bench", choices=[*BENCHES, "all"], help="what is measured")
    parser.add_argument("--joins", type=_between(1, 10_000_000), default=1_000_000, help="joins of the engine bench")
    parser.add_argument("--mixed", type=_between(1, 10_000_000), default=500_000, help="mixed commands of it")
    parser.add_argument("--stream-joins", type=_between(1, 2_000_000), default=300_000, help="joins of a turn")
    parser.add_argument("--rate", type=_between(200, 500_000), default=50_000, help="commands/s for the delay")
    parser.add_argument("--seconds", type=_between(1, 300), default=10, help="how long that rate is kept, in s")
    parser.add_argument("--places", type=_between(1, 20_000_000), default=1_000_000, help="places of the roster")
    parser.add_argument("--sockets", type=_between(1, 1_000_000), default=20_000, help="places that are asked for")
    parser.add_argument("--pairs", type=_between(1, 100), default=5, help="turns with the floor")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the figures are appended in")
    parser.add_argument("--no-save", action="store_true", help="append nothing")
    return parser


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not allowed: {least} … {most}")
        return value

    return number
