"""``stanchion bench``: the measurements, bounded in count and time; figures on standard output, progress on the other.

    stanchion bench engine    joins/s and mixed commands/s of the pure core
    stanchion bench stream    commands/s and delay through a real store, for both ways of syncing it
    stanchion bench takeover  the worst delay while snapshots are made; a killed writer; the speed of a replay
    stanchion bench growth    what a join, a tick and a socket cost in lines of ten thousand to a million
    stanchion bench replay    the speed and the memory of a replay of ten million commands
    stanchion bench ranks     positions of a gateway's sockets in a big roster
    stanchion bench draw      order, proof and check of a big draw with hats
    stanchion bench auction   bids on one item through sockets: until they are answered, until all know of them
    stanchion bench release   all claim at the opening of a timed release, until the last one knows how it ended
    stanchion bench edge      memory, frames, handshakes and latency of sockets on a real stack, beside the floors
    stanchion bench storm     what must hold: a storm of reconnects, clients that do not read, coming and going, a drain
    stanchion bench appointment  what must hold: thousands race for few places, holds run out, bookings are moved
    stanchion bench drills    what must hold: power cuts, stopped writers, clocks that jump, answers and commands lost
    stanchion bench chaos     parts are killed, stopped and cut off; what the log then shows, how long nobody wrote
    stanchion bench failover  what consumers saw of a failover under Sentinel that lost writes, frame by frame
    stanchion bench million   as many sockets as are asked for, all with a ticket, and what they cost
    stanchion bench all       all of them but the drills, the chaos, the failover, the million and the replay

Hands over to: ``bench_engine``, ``bench_stream``, ``bench_takeover``, ``bench_growth``, ``bench_replay``,
``bench_ranks``, ``bench_draw``, ``bench_auction``, ``bench_release``, ``bench_edge``, ``bench_storm``,
``bench_appointment``, ``bench_drills``, ``bench_chaos``, ``bench_failover``, ``bench_million``; ``report`` writes what
they find.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import redis

from loadtests import engine_charts
from loadtests.auction_seen import Sizes as AuctionSizes
from loadtests.bench_appointment import bench_appointment
from loadtests.bench_auction import bench_auction
from loadtests.bench_chaos import Plan, bench_chaos
from loadtests.bench_draw import bench_draw
from loadtests.bench_drills import DRILLS, Asked, bench_drills
from loadtests.bench_edge import Sizes, bench_edge
from loadtests.bench_engine import bench_engine
from loadtests.bench_failover import bench_failover
from loadtests.bench_growth import SIZES, bench_growth
from loadtests.bench_million import bench_million
from loadtests.bench_ranks import bench_ranks
from loadtests.bench_release import Sizes as ReleaseSizes
from loadtests.bench_release import bench_release
from loadtests.bench_replay import bench_replay
from loadtests.bench_storm import RUNS, bench_storm
from loadtests.bench_stream import bench_stream
from loadtests.bench_takeover import Load, bench_takeover
from loadtests.chaos_verdict import judge_again
from loadtests.parts import Parts
from loadtests.report import RESULTS, Report, progress

FSYNCS = ("always", "everysec")
FAILURE = 1
SIGNALLED = 128
SECONDS_STREAM = 10
SECONDS_EDGE = 60
SECONDS_AUCTION = 20
SECONDS_DRILLS = 10
SECONDS_APPOINTMENT = 60
SECONDS_TAKEOVER = 12
SOCKETS_RANKS = 20_000
SOCKETS_EDGE = 15_000
SOCKETS_AUCTION = 500
SOCKETS_RELEASE = 15_000
SOCKETS_STORM = 20_000
SOCKETS_APPOINTMENT = 5_000
SOCKETS_FAILOVER = 50
SOCKETS_CHAOS = 5_000
SOCKETS_MILLION = 1_000_000
MINUTES_CHAOS = 30
MINUTES_DRILL = 25
MINUTES_MILLION = 25
SOCKETS_EDGE_MAX = 18_000
"""One gateway and one swarm process hold them: so many that a file limit of 20,000 leaves room for."""


def main(argv: Sequence[str], parts: Parts) -> int:
    """Run what ``argv`` asks for on ``parts``; the exit code. A wrong argument exits with 2."""
    asked = _parser().parse_args(argv)
    signal.signal(
        signal.SIGTERM, lambda number, _: sys.exit(SIGNALLED + number)
    )  # what was started is ended on the way
    folder = None if asked.no_save else asked.results
    benches = [name for name in BENCHES if name not in LONG] if asked.bench == "all" else [asked.bench]
    try:
        for bench in benches:
            BENCHES[bench](asked, parts, Report(bench, folder))
    except (RuntimeError, OSError, redis.RedisError, httpx.HTTPError) as error:
        progress.print(f"the bench failed: {error}", markup=False)
        return FAILURE
    return 0


def _pictures(asked: argparse.Namespace) -> Path | None:
    return None if asked.no_save else asked.results


def _engine(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    counts = {"joins_count": asked.joins, "mixed_count": asked.mixed, "slices": asked.pairs}
    bench_engine(parts, report, **counts, pictures=_pictures(asked))


def _stream(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    seconds = asked.seconds or SECONDS_STREAM
    found = {}
    for fsync in FSYNCS:
        found[fsync] = bench_stream(
            parts,
            report,
            fsync=fsync,
            joins=asked.stream_joins,
            pairs=asked.pairs,
            rate=asked.rate,
            seconds=seconds,
        )
    pictures = _pictures(asked)
    if pictures is not None:
        engine_charts.stream(found, pictures)


def _takeover(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    load = Load(asked.tickets, asked.rate, asked.seconds or SECONDS_TAKEOVER, asked.standby)
    bench_takeover(parts, report, load, _pictures(asked))


def _growth(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    bench_growth(parts, report, asked.lines, _pictures(asked))


def _replay(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    bench_replay(parts, report, asked.commands)


def _ranks(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    bench_ranks(report, places=asked.places, sockets=asked.sockets or SOCKETS_RANKS, pairs=asked.pairs)


def _draw(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    bench_draw(parts, report, entrants=asked.entrants, pairs=asked.pairs)


def _auction(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    sockets, seconds = asked.sockets or SOCKETS_AUCTION, asked.seconds or SECONDS_AUCTION
    if sockets > SOCKETS_EDGE_MAX:
        raise RuntimeError(f"--sockets is {sockets}; allowed for auction: at most {SOCKETS_EDGE_MAX}")
    sizes = AuctionSizes(asked.bidders, sockets, asked.bids, seconds)
    bench_auction(parts, report, sizes, _pictures(asked))


def _release(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    sockets = asked.sockets or SOCKETS_RELEASE
    if sockets > SOCKETS_EDGE_MAX:
        raise RuntimeError(f"--sockets is {sockets}; allowed for release: at most {SOCKETS_EDGE_MAX}")
    bench_release(parts, report, ReleaseSizes(sockets, asked.stock, asked.impatient), _pictures(asked))


def _edge(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    sockets = asked.sockets or SOCKETS_EDGE
    if sockets > SOCKETS_EDGE_MAX:
        raise RuntimeError(f"--sockets is {sockets}; allowed for edge: at most {SOCKETS_EDGE_MAX}")
    sizes = Sizes(sockets, asked.queue, asked.pairs, asked.seconds or SECONDS_EDGE, asked.handshakes)
    bench_edge(parts, report, sizes, _pictures(asked))


def _storm(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    bench_storm(parts, report, asked.runs, sockets=asked.sockets or SOCKETS_STORM, rounds=asked.rounds)


def _appointment(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    consumers, seconds = asked.sockets or SOCKETS_APPOINTMENT, asked.seconds or SECONDS_APPOINTMENT
    bench_appointment(parts, report, consumers=consumers, seconds=seconds)


def _drills(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    watch_s = asked.seconds or SECONDS_DRILLS
    minutes = MINUTES_DRILL if asked.minutes is None else asked.minutes
    bench_drills(parts, report, Asked(asked.only, asked.times, minutes, watch_s))


def _chaos(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    if asked.judge:
        judge_again(asked.judge, parts, report)
        return
    minutes = MINUTES_CHAOS if asked.minutes is None else asked.minutes
    sockets = asked.sockets or SOCKETS_CHAOS
    plan = Plan(minutes, sockets, asked.faults, asked.seed, asked.lease_ms)
    bench_chaos(parts, report, plan, _pictures(asked), asked.record)


def _million(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    sockets, seconds = asked.sockets or SOCKETS_MILLION, asked.seconds or SECONDS_EDGE
    minutes = MINUTES_MILLION if asked.minutes is None else asked.minutes
    bench_million(parts, report, sockets=sockets, seconds=seconds, minutes=minutes)


def _failover(asked: argparse.Namespace, parts: Parts, report: Report) -> None:
    crowd = asked.sockets or SOCKETS_FAILOVER
    bench_failover(parts, report, crowd=crowd, folder=None if asked.no_save else asked.results)


BENCHES: dict[str, Callable[[argparse.Namespace, Parts, Report], None]] = {
    "engine": _engine,
    "stream": _stream,
    "takeover": _takeover,
    "growth": _growth,
    "replay": _replay,
    "ranks": _ranks,
    "draw": _draw,
    "auction": _auction,
    "release": _release,
    "edge": _edge,
    "storm": _storm,
    "appointment": _appointment,
    "drills": _drills,
    "chaos": _chaos,
    "failover": _failover,
    "million": _million,
}
LONG = ("drills", "chaos", "failover", "million", "replay")
"""They are run when asked for by name."""


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
    parser.add_argument(
        "--seconds",
        type=_between(1, 300),
        help=f"how long that rate is kept, or a moving queue watched, in s; {SECONDS_STREAM} ({SECONDS_TAKEOVER} for "
        f"takeover, {SECONDS_DRILLS} for a drill) and {SECONDS_EDGE}, as a race for appointments takes; how long is "
        f"bid, {SECONDS_AUCTION}",
    )
    parser.add_argument("--tickets", type=_between(200, 10_000_000), default=1_000_000, help="tickets at a take-over")
    parser.add_argument("--standby", choices=("warm", "cold"), default="warm", help="what takes over")
    parser.add_argument(
        "--lines", nargs="+", type=_between(1_000, 10_000_000), default=SIZES, help="tickets in a line, of growth"
    )
    parser.add_argument(
        "--commands", type=_between(200, 20_000_000), default=10_000_000, help="commands that are replayed"
    )
    parser.add_argument("--places", type=_between(1, 20_000_000), default=1_000_000, help="places of the roster")
    parser.add_argument("--entrants", type=_between(1, 10_000_000), default=1_000_000, help="who enters the draw")
    parser.add_argument(
        "--sockets",
        type=_between(1, 2_000_000),
        help=f"places that are asked for ({SOCKETS_RANKS:,}), or sockets held: edge {SOCKETS_EDGE:,}, "
        f"auction {SOCKETS_AUCTION:,}, who watch, release {SOCKETS_RELEASE:,}, storm {SOCKETS_STORM:,}, "
        f"appointment {SOCKETS_APPOINTMENT:,}, chaos {SOCKETS_CHAOS:,}, failover {SOCKETS_FAILOVER}, "
        f"million {SOCKETS_MILLION:,}",
    )
    parser.add_argument("--queue", type=_between(100, 10_000_000), default=100_000, help="who waits before the sockets")
    parser.add_argument("--bidders", type=_between(1, 10_000), default=300, help="who bids in the auction")
    parser.add_argument("--bids", type=_between(1, 20_000), default=2_000, help="bids/s of all bidders together")
    parser.add_argument("--stock", type=_between(1, 1_000_000), default=1_000, help="what is released")
    parser.add_argument(
        "--impatient", type=_between(0, 1_000), default=200, help="who claims before the opening as well"
    )
    parser.add_argument("--handshakes", type=_between(1, 18_000), default=10_000, help="handshakes of a turn")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=RUNS, help="runs of the storm")
    parser.add_argument(
        "--rounds", type=_between(1, 1_000), default=100, help="how often the storm's crowd comes and goes"
    )
    parser.add_argument("--only", nargs="+", choices=DRILLS, default=list(DRILLS), help="drills that are run")
    parser.add_argument(
        "--times", type=_between(1, 10_000), help="how often each drill does it; else as it says itself"
    )
    parser.add_argument(
        "--minutes",
        type=_between(0, 240),
        help=f"over which the chaos spreads its faults ({MINUTES_CHAOS}), or which a drill ({MINUTES_DRILL}) or the "
        f"million ({MINUTES_MILLION}) may take",
    )
    parser.add_argument("--faults", type=_between(1, 10_000), default=300, help="kills, stops and cuts of the chaos")
    parser.add_argument("--seed", type=int, default=1, help="which faults of the chaos come in which order")
    parser.add_argument("--lease-ms", type=_between(500, 30_000), default=3_000, help="the engines' lease in the chaos")
    parser.add_argument("--record", type=Path, help="file that all that the chaos has collected is written to")
    parser.add_argument("--judge", type=Path, nargs="+", help="judge the chaos of these records, and do no more of it")
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
