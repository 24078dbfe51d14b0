"""P5: how fast the pure core is, without any stream: joins, and a mix of all the commands of a queue.

The commands were decoded before; what is timed is ``Core.step`` alone, a thousand commands a step as in a busy engine.
The floor of a join is a loop that only looks each consumer up in a dict and gives it a number; that of the mix is one
that finds who or what each command is about in a dict, and counts it there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from loadtests import engine_charts
from loadtests.parts import Batch, Core, Parts
from loadtests.report import Figure, Report, progress
from loadtests.workload import BATCH_COMMANDS, EXPERIENCE, MIX_RATE, Mix, configure, joins, read_back, sender_id
from protocol.commands import Command, Join

BARS = (400_000, 200_000)
"""Joins/s, mixed commands/s."""
SEED = 1
SENDERS = 2
BATCHES_PER_STEP = 10
STEP_MS = 5
START_MS = 1_000_000
MIXED_WINDOW_SECONDS = 1


def bench_engine(
    parts: Parts, report: Report, *, joins_count: int, mixed_count: int, slices: int, pictures: Path | None
) -> None:
    """Report joins/s over ``joins_count`` and mixed commands/s over ``mixed_count``, each in ``slices`` samples, and
    draw them into the folder ``pictures``."""
    figures = [_joins(parts, report, joins_count, slices), _mixed(parts, report, mixed_count, slices)]
    if pictures is not None:
        engine_charts.core(figures, BARS, pictures)


def _joins(parts: Parts, report: Report, count: int, slices: int) -> Figure:
    core, chance, model = parts.core(EXPERIENCE), random.Random(SEED), dict[bytes, int]()
    core.step(START_MS, [configure(sender_id(0))])
    now_ms, numbers = START_MS, [0] * SENDERS
    figures, floors = [], []
    for index in range(slices):
        batches = [_join_batch(chance, numbers) for _ in range(_batches(count, slices))]
        seconds, now_ms = _step_through(core, batches, now_ms)
        total = len(batches) * BATCH_COMMANDS
        figures.append(total / seconds)
        floors.append(total / _dict_loop(model, batches))
        progress.print(f"joins {index + 1}/{slices}: {figures[-1]:,.0f}/s, dict loop {floors[-1]:,.0f}/s")
    floor = ("a loop that looks each consumer up in a dict", floors)
    return report.add(
        "P5 engine core joins", "1/s", f"≥ {BARS[0]}", figures, floor=floor, detail={"joins": len(model), "seed": SEED}
    )


def _join_batch(chance: random.Random, numbers: list[int]) -> Batch:
    """The next batch of the sender that sent least; ``numbers`` are the senders' last numbers."""
    sender = numbers.index(min(numbers))
    numbers[sender] += 1
    return read_back(Batch(sender_id(sender + 1), numbers[sender], joins(chance, BATCH_COMMANDS)))


def _batches(count: int, slices: int) -> int:
    return max(1, count // slices // BATCH_COMMANDS)


def _step_through(core: Core, batches: Sequence[Batch], now_ms: int) -> tuple[float, int]:
    """Feed ``batches``; answers the seconds that the steps took and the time of the last one."""
    seconds = 0.0
    for start in range(0, len(batches), BATCHES_PER_STEP):
        chunk = batches[start : start + BATCHES_PER_STEP]
        now_ms += STEP_MS
        begun = perf_counter()
        _, applied = core.step(now_ms, chunk)
        seconds += perf_counter() - begun
        if applied.get(chunk[-1].sender) != chunk[-1].number:
            raise RuntimeError(f"the core dropped batch {chunk[-1].number}: nothing was measured")
    return seconds, now_ms


def _dict_loop(model: dict[bytes, int], batches: Sequence[Batch]) -> float:
    begun = perf_counter()
    for batch in batches:
        for command in batch.commands:
            if type(command) is Join and command.consumer not in model:
                model[command.consumer] = len(model)
    return perf_counter() - begun


def _mixed(parts: Parts, report: Report, count: int, slices: int) -> Figure:
    core, mix = parts.core(EXPERIENCE), Mix(SEED)
    terms = {
        "release_rate_per_minute": MIX_RATE,
        "checkout_window_seconds": MIXED_WINDOW_SECONDS,
        "payment_grace_seconds": MIXED_WINDOW_SECONDS,
    }
    core.step(START_MS, [configure(sender_id(0), **terms)])
    now_ms, number, model = START_MS, 0, dict[bytes, int]()
    figures, floors = [], []
    for index in range(slices):
        seconds, floor_seconds, commands = 0.0, 0.0, 0
        while commands < count // slices:
            chunk = [mix.batch(sender_id(1), number + ahead + 1) for ahead in range(BATCHES_PER_STEP)]
            number += BATCHES_PER_STEP
            now_ms += STEP_MS
            begun = perf_counter()
            events, _ = core.step(now_ms, chunk)
            seconds += perf_counter() - begun
            floor_seconds += _count_loop(model, [_about(command) for batch in chunk for command in batch.commands])
            commands += BATCHES_PER_STEP * BATCH_COMMANDS
            mix.learn(events)
        figures.append(commands / seconds)
        floors.append(commands / floor_seconds)
        progress.print(f"mixed {index + 1}/{slices}: {figures[-1]:,.0f}/s, dict loop {floors[-1]:,.0f}/s")
    floor = ("a loop that finds who or what each command is about in a dict and counts it there", floors)
    return report.add(
        "P5 engine core mixed commands", "1/s", f"≥ {BARS[1]}", figures, floor=floor, detail={"seed": SEED}
    )


def _about(command: Command) -> bytes:
    """The consumer or the admission; b"" where it is the path or the shop."""
    about: bytes = getattr(command, "consumer", b"") or getattr(command, "admission", b"")
    return about


def _count_loop(model: dict[bytes, int], keys: Sequence[bytes]) -> float:
    begun = perf_counter()
    for key in keys:
        model[key] = model.get(key, 0) + 1
    return perf_counter() - begun
