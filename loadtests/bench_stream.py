"""P6: commands through a real store: sent by two processes, read, applied and committed by a real engine.

Throughput is measured from the first batch sent until the entry with the last one is read back from the log. Its floor
is the same batches, sent by the same processes to a stream that nobody reads, in turns within the same run. The delay
is taken at a steady rate, for each batch from its sending until the entry that carries it as applied is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles

from loadtests.parts import Parts
from loadtests.report import Figure, Report, progress, rounded
from loadtests.stream_sender import Burst, Pace, Prepare, Sent
from loadtests.stream_stage import SECOND_NS, Stage
from loadtests.workload import BATCH_COMMANDS, EXPERIENCE, sender_id
from protocol.streams import commands_key

SENDERS = 2
COMMIT_S = 120.0
SECOND_US = 1_000_000
US_NS = 1_000
FLOOR_EXPERIENCE = "bench-floor"
BARS = {
    "throughput": "≥ 200000, and ≥ 0.5 × its floor",
    "p50": "≤ 15",
    "p99": "≤ 15",
}


def bench_stream(
    parts: Parts, report: Report, *, fsync: str, joins: int, pairs: int, rate: int, seconds: int
) -> Figure:
    """Report commands/s over ``pairs`` turns of ``joins`` joins, which is answered too, then the delay at ``rate`` a
    second for ``seconds``.

    ``fsync`` is what the store runs with: "always" or "everysec". Raises RuntimeError when a part does not come up.
    """
    with Stage(parts, fsync, SENDERS) as stage:
        found, first = _throughput(stage, report, fsync, joins, pairs)
        newcomers = [pairs * SENDERS + sender for sender in range(SENDERS)]
        _delay(stage, report, fsync, first, rate, seconds, newcomers)
    return found


def _throughput(stage: Stage, report: Report, fsync: str, joins: int, pairs: int) -> tuple[Figure, int]:
    """(what was found, the number of the next batch of each sender). The CPU time of a command tells where it goes."""
    batches = max(1, joins // SENDERS // BATCH_COMMANDS)
    total = batches * SENDERS * BATCH_COMMANDS
    figures, floors, first = [], [], 1
    costs, floor_costs = [], []
    for pair in range(pairs):
        stage.tell([Prepare(pair * SENDERS + sender, batches) for sender in range(SENDERS)])
        stage.answers()
        before = stage.cpu_ns()
        stage.tell([Burst(commands_key(FLOOR_EXPERIENCE), first)] * SENDERS)
        alone = stage.answers()
        between = stage.cpu_ns()
        floors.append(total * SECOND_NS / (max(one.ended_ns for one in alone) - _begun_ns(alone)))
        stage.tell([Burst(commands_key(EXPERIENCE), first)] * SENDERS)
        first += batches
        committed_ns = stage.wait_committed(_numbers(first - 1), COMMIT_S)
        figures.append(total * SECOND_NS / (committed_ns - _begun_ns(stage.answers())))
        after = stage.cpu_ns()
        costs.append({name: (after[name] - between[name]) / total / US_NS for name in after})
        floor_costs.append(sum(between[name] - before[name] for name in ("store", "senders")) / total / US_NS)
        progress.print(f"{fsync} {pair + 1}/{pairs}: {figures[-1]:,.0f}/s, XADD alone {floors[-1]:,.0f}/s")
    cpu = {f"{name}_cpu_us": rounded(median(cost[name] for cost in costs)) for name in costs[0]}
    found = report.add(
        f"P6 commands through the store, appendfsync {fsync}",
        "1/s",
        BARS["throughput"],
        figures,
        floor=("the same batches, pipelined XADD to a stream that nobody reads", floors),
        detail={
            "senders": SENDERS,
            "joins": total,
            "batch": BATCH_COMMANDS,
            **cpu,
            "floor_cpu_us": rounded(median(floor_costs)),
        },
    )
    return found, first


def _delay(stage: Stage, report: Report, fsync: str, first: int, rate: int, seconds: int, seeds: Sequence[int]) -> None:
    batches = max(2, rate * seconds // SENDERS // BATCH_COMMANDS)
    interval_us = SECOND_US * SENDERS * BATCH_COMMANDS // rate
    stage.tell([Prepare(seed, batches) for seed in seeds])
    stage.answers()
    stage.commits.clear()
    stage.tell(
        [
            Pace(commands_key(EXPERIENCE), first, interval_us, sender * interval_us // SENDERS)
            for sender in range(SENDERS)
        ]
    )
    stage.wait_committed(_numbers(first + batches - 1), seconds + COMMIT_S)
    sent = stage.answers()
    delays = [delay for sender in range(SENDERS) for delay in stage.delays_ms(sender + 1, first, sent[sender])]
    achieved = batches * SENDERS * BATCH_COMMANDS * SECOND_NS / (max(one.ended_ns for one in sent) - _begun_ns(sent))
    cuts = quantiles(delays, n=100, method="inclusive")
    detail = {"rate": rate, "achieved": round(achieved), "seconds": seconds, "batches": len(delays)}
    for name, value in (("p50", cuts[49]), ("p99", cuts[98])):
        figure = f"P6 sent to committed, {name}, appendfsync {fsync}"
        report.add(figure, "ms", BARS[name], [value], detail={**detail, "longest": round(max(delays), 2)})
    progress.print(f"{fsync} at {achieved:,.0f}/s: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")


def _begun_ns(sent: Sequence[Sent]) -> int:
    return min(one.begun_ns for one in sent)


def _numbers(last: int) -> dict[bytes, int]:
    return {sender_id(sender + 1): last for sender in range(SENDERS)}
