"""P9: a draw of many entrants with hats: its order and proof in slices, the longest slice, and the check by command.

The order is drawn as an engine does it, some lots at a time, and no slice may be so long that an engine would fall
silent. The floor hashes as many inputs of the same length and keeps the first bytes of each, and nothing else.

The check runs as ``stanchion draw verify`` on a file, interpreter start included; its answer is part of the figure: a
draw that does not verify measures nothing.
"""

from __future__ import annotations

import random
import resource
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from loadtests.parts import Parts
from loadtests.report import Report, progress
from protocol.lottery import Drawing, Order, order_digest, roster_root, seed_of, winners_of
from protocol.proof import encode, prove

SEED = 1
HATS_MAX = 5
WINNERS = 1_000
LOTS_PER_SLICE = 50_000
VERIFY_TIMEOUT_S = 300
MS = 1_000


class Turn(NamedTuple):
    """One draw and its check: seconds on the clock, and of a processor where the machine is shared."""

    drawn: float
    drawn_cpu: float
    slice: float
    slice_cpu: float
    check: float
    check_cpu: float
    floor: float


def bench_draw(parts: Parts, report: Report, *, entrants: int, pairs: int) -> None:
    """Report seconds of order and proof, ms of the longest slice and seconds of the check, in ``pairs`` turns."""
    chance = random.Random(SEED)
    hats, secret = bytes(chance.choices(range(1, HATS_MAX + 1), k=entrants)), chance.randbytes(32)
    turns = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(pairs):
            turns.append(_turn(parts, Path(folder) / "proof.json", hats, secret))
            progress.print(
                f"draw {index + 1}/{pairs}: {turns[-1].drawn:.2f} s, slice {turns[-1].slice * MS:.0f} ms, "
                f"check {turns[-1].check:.2f} s, bare hashing {turns[-1].floor:.2f} s"
            )
    drawn, drawn_cpu, slices, slices_cpu, checks, checks_cpu, floors = map(list, zip(*turns, strict=True))
    detail = {"entrants": entrants, "lots": sum(hats), "lots_per_slice": LOTS_PER_SLICE, "seed": SEED}
    floor = ("SHA-256 of as many 41-byte inputs", floors)
    cpu = {**detail, "cpu_s": median(drawn_cpu)}
    report.add("P9 order and proof", "s", "≤ 10", drawn, floor=floor, detail=cpu)
    cpu = {**detail, "cpu_ms": median(slices_cpu) * MS}
    report.add("P9 longest slice of it", "ms", "≤ 250", [seconds * MS for seconds in slices], detail=cpu)
    cpu = {**detail, "cpu_s": median(checks_cpu)}
    report.add("P9 check by command", "s", "≤ 10", checks, floor=floor, detail=cpu)


def _turn(parts: Parts, file: Path, hats: bytes, secret: bytes) -> Turn:
    begun, cpu_begun = perf_counter(), process_time()
    order, longest, longest_cpu = _order(seed_of(secret, b"", roster_root(hats)), hats)
    winners = winners_of(order, (), WINNERS)
    digest = order_digest(order)
    proof = prove("bench", "draw", hats=hats, secret=secret, beacon=None, order_digest=digest, winners=winners)
    document = encode(proof)
    drawn, drawn_cpu = perf_counter() - begun, process_time() - cpu_begun
    file.write_bytes(document)
    check, check_cpu = _verify([*parts.verify, str(file)])
    return Turn(drawn, drawn_cpu, longest, longest_cpu, check, check_cpu, _floor(sum(hats)))


def _order(seed: bytes, hats: bytes) -> tuple[Order, float, float]:
    """The order, and the seconds that its longest slice took, by the clock and of the processor."""
    drawing, longest, longest_cpu, done = Drawing(seed, hats), 0.0, 0.0, False
    while not done:
        begun, cpu_begun = perf_counter(), process_time()
        done = drawing.advance(LOTS_PER_SLICE)
        longest, longest_cpu = max(longest, perf_counter() - begun), max(longest_cpu, process_time() - cpu_begun)
    assert drawing.order is not None
    return drawing.order, longest, longest_cpu


def _verify(command: list[str]) -> tuple[float, float]:
    """Seconds until the command said ok, and those of the processor. Raises RuntimeError if it did not say so."""
    begun, cpu_begun = perf_counter(), _children_cpu()
    done = subprocess.run(command, capture_output=True, text=True, timeout=VERIFY_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"the draw does not verify: {done.stdout}{done.stderr}")
    return perf_counter() - begun, _children_cpu() - cpu_begun


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _floor(lots: int) -> float:
    start, heads = bytes(40), bytearray()
    begun = perf_counter()
    for lot in range(lots):
        heads += sha256(start + (b"\0", b"\1")[lot & 1]).digest()[:8]
    return perf_counter() - begun
