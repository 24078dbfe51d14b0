"""P9: a draw of many entrants with hats: its order and proof in slices, the longest slice, and the check by command.

The order is drawn as an engine does it, some lots at a time, and no slice may be so long that an engine would fall
silent. The floor hashes as many inputs of the same length and keeps the first bytes of each, and nothing else.

The check runs as ``stanchion draw verify`` on a file, interpreter start included; its answer is part of the figure: a
draw that does not verify measures nothing.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time

from loadtests.parts import Parts
from loadtests.report import Report, progress
from protocol.lottery import Drawing, Order, roster_root, seed_of, winners_of
from protocol.proof import encode, prove

SEED = 1
HATS_MAX = 5
WINNERS = 1_000
LOTS_PER_SLICE = 50_000
VERIFY_TIMEOUT_S = 300
MS = 1_000


def bench_draw(parts: Parts, report: Report, *, entrants: int, pairs: int) -> None:
    """Report seconds of order and proof, ms of the longest slice and seconds of the check, in ``pairs`` turns."""
    chance = random.Random(SEED)
    hats, secret = bytes(chance.choices(range(1, HATS_MAX + 1), k=entrants)), chance.randbytes(32)
    detail = {"entrants": entrants, "lots": sum(hats), "lots_per_slice": LOTS_PER_SLICE, "seed": SEED}
    figures, slices, checks, floors, cpu = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "proof.json"
        for index in range(pairs):
            begun, cpu_begun = perf_counter(), process_time()
            order, longest = _order(seed_of(secret, b"", roster_root(hats)), hats)
            winners = winners_of(order, (), WINNERS)
            proof = prove("bench", "draw", hats=hats, secret=secret, beacon=None, order=order, winners=winners)
            document = encode(proof)
            figures.append(perf_counter() - begun)
            cpu.append(process_time() - cpu_begun)
            slices.append(longest * MS)
            file.write_bytes(document)
            checks.append(_verify([*parts.verify, str(file)]))
            floors.append(_floor(sum(hats)))
            progress.print(
                f"draw {index + 1}/{pairs}: {figures[-1]:.2f} s, slice {slices[-1]:.0f} ms, check {checks[-1]:.2f} s, "
                f"bare hashing {floors[-1]:.2f} s"
            )
    floor = ("SHA-256 of as many 41-byte inputs", floors)
    detail["document_bytes"] = len(document)
    report.add("P9 order and proof", "s", "≤ 10", figures, floor=floor, detail={**detail, "cpu_s": min(cpu)})
    report.add("P9 longest slice of it", "ms", "≤ 250", slices, detail=detail)
    report.add("P9 check by command", "s", "≤ 10", checks, floor=floor, detail=detail)


def _order(seed: bytes, hats: bytes) -> tuple[Order, float]:
    """The order, and the seconds that the longest slice took."""
    drawing, longest, done = Drawing(seed, hats), 0.0, False
    while not done:
        begun = perf_counter()
        done = drawing.advance(LOTS_PER_SLICE)
        longest = max(longest, perf_counter() - begun)
    assert drawing.order is not None
    return drawing.order, longest


def _verify(command: list[str]) -> float:
    """Seconds until the command said ok. Raises RuntimeError if it did not."""
    begun = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=VERIFY_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"the draw does not verify: {done.stdout}{done.stderr}")
    return perf_counter() - begun


def _floor(lots: int) -> float:
    start, heads = bytes(40), bytearray()
    begun = perf_counter()
    for lot in range(lots):
        heads += sha256(start + (b"\0", b"\1")[lot & 1]).digest()[:8]
    return perf_counter() - begun
