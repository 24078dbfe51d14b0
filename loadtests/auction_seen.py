"""What came of an auction under load: from a bid to its answer and to everybody's `high_bid`, and what must hold.

Hands over to: `loadtests.report`, `loadtests.charts`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtests.auction_member import TAKEN
from loadtests.charts import shares_chart
from loadtests.report import Report, rounded
from loadtests.swarm_seen import LATENCY_STEP_MS, LATENCY_STEPS, percentile_ms

STEP_NS = int(LATENCY_STEP_MS * 1_000_000)
SECOND_NS = 1_000_000_000
BAR_STATUS, BAR_HIGH_BID = "≤ 60", "≤ 180"
NONE_BAR = "0"

Ints = NDArray[np.int64]


class Sizes(NamedTuple):
    """``bidders`` bid ``rate`` times a second, all together, for ``seconds``, before ``watchers``."""

    bidders: int
    watchers: int
    rate: int
    seconds: int


class Logged(NamedTuple):
    """Of the log: at the how-manieth accepted bid each number stands; the first promise that was not kept."""

    ordinals: dict[int, int]
    broken: str


class Run(NamedTuple):
    """``kept``: the folder with ``bidders.npz`` and ``watchers.npz``, as `auction_member.Keep` writes them;
    ``cpu``: cores that each took while it was bid; ``bids_late``: not every bid was answered in time; ``settles_late``:
    not every socket was told of the last one."""

    sizes: Sizes
    logged: Logged
    kept: Path
    cpu: dict[str, float]
    bids_late: bool
    settles_late: bool


def judge(report: Report, run: Run, pictures: Path | None) -> None:
    """Report delays and counts."""
    bidders, watchers = _arrays(run.kept / "bidders.npz"), _arrays(run.kept / "watchers.npz")
    sent, answered, outcome = bidders["sent"], bidders["answered"], bidders["outcome"]
    taken = outcome == TAKEN
    detail: dict[str, Any] = {
        **run.sizes._asdict(),
        "accepted": int(taken.sum()),
        "refused": int((outcome != 0).sum() - taken.sum()),
        "cpu": {who: rounded(cores) for who, cores in run.cpu.items()},
    }
    _rate(report, sent, detail)
    statuses = _steps(answered[taken] - sent[taken])
    knows = _known(run.logged, sent, watchers)
    _delay(report, "auction: bid to bid_status, p99", BAR_STATUS, statuses, detail)
    frames = len(watchers["told_ns"]) / run.sizes.watchers / max(1, run.sizes.seconds)
    _delay(report, "auction: bid to high_bid, p99", BAR_HIGH_BID, knows, detail | {"frames_per_s": round(frames, 2)})
    _count(report, "bids without an answer", int((outcome == 0).sum()), {"late": run.bids_late})
    in_log = np.isin(np.flatnonzero(taken), np.fromiter(run.logged.ordinals, np.int64))
    _count(
        report, "accepted bids that the log does not show", int((~in_log).sum()), {"in_log": len(run.logged.ordinals)}
    )
    _count(report, "high bids that fell", int(bidders["fell"][0] + watchers["fell"][0]), {})
    last = max(run.logged.ordinals.values(), default=0)
    apart = sum(int((seen["settled"] != last).sum()) for seen in (bidders, watchers))
    _count(report, "sockets that do not know of the last bid", apart, {"bids": last, "late": run.settles_late})
    _count(report, "promises broken in the log", int(bool(run.logged.broken)), {"broken": run.logged.broken})
    if pictures is not None:
        shares_chart(
            {"the answer to the bidder": statuses, "the new price, at each watcher": knows},
            "From a bid until it is known",
            pictures / "auction.png",
        )


def _rate(report: Report, sent: Ints, detail: dict[str, Any]) -> None:
    passed_s = (sent[-1] - sent[0]) / SECOND_NS
    report.add("auction: bids through sockets", "1/s", "≥ 2000", [(len(sent) - 1) / max(passed_s, 1e-9)], detail=detail)


def _delay(report: Report, figure: str, bar: str, steps: dict[int, int], detail: dict[str, Any]) -> None:
    found = {name: percentile_ms(steps, share) for name, share in (("p50_ms", 0.5), ("p99", 0.99), ("longest_ms", 1.0))}
    late = found.pop("p99")
    if late is None:
        raise RuntimeError("no bid was accepted: nothing was measured")
    report.add(figure, "ms", bar, [late], detail={**detail, **found, "samples": sum(steps.values())})


def _count(report: Report, what: str, wrong: int, detail: dict[str, Any]) -> None:
    report.check(f"auction: {what}", "count", NONE_BAR, wrong, holds=wrong == 0, detail=detail)


def _known(logged: Logged, sent: Ints, watchers: dict[str, Any]) -> dict[int, int]:
    """How many steps passed from a bid to the first ``high_bid`` that counts it, for every bid at every watcher."""
    numbers = np.fromiter(logged.ordinals.keys(), np.int64)
    ordinals = np.fromiter(logged.ordinals.values(), np.int64)
    counted = np.zeros(LATENCY_STEPS, np.int64)
    order = np.argsort(watchers["told_who"], kind="stable")
    ends = np.cumsum(np.bincount(watchers["told_who"]))
    for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        told = order[begin:end]
        first = np.searchsorted(watchers["told_bids"][told], ordinals)
        heard = first < len(told)
        late = watchers["told_ns"][told][first[heard]] - sent[numbers[heard]]
        counted += np.bincount(_clipped(late), minlength=LATENCY_STEPS)
    return {int(step): int(counted[step]) for step in np.flatnonzero(counted)}


def _steps(late_ns: Ints) -> dict[int, int]:
    counted = np.bincount(_clipped(late_ns), minlength=1)
    return {int(step): int(counted[step]) for step in np.flatnonzero(counted)}


def _clipped(late_ns: Ints) -> Ints:
    clipped: Ints = np.clip(late_ns // STEP_NS, 0, LATENCY_STEPS - 1)
    return clipped


def _arrays(file: Path) -> dict[str, Any]:
    with np.load(file) as kept:
        return {name: kept[name] for name in kept.files}
