"""Figures: one JSON line each, on standard output and at the end of ``results/<bench>.jsonl``.

A machine that is shared is noisy, so a figure stands beside its floor: what the smallest program that does the same
costs, measured in the same run, in turns. ``value`` is the median of the samples and ``spread`` their least and
greatest; ``ratio`` is the median of the pairs' own ratios, which a slow moment of the machine hits on both sides.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.console import Console

RESULTS = Path(__file__).parent / "results"
DIGITS = 4

progress = Console(stderr=True, highlight=False, soft_wrap=True)
"""What a person who waits reads; never part of the result."""


class Floor(msgspec.Struct, frozen=True):
    """What the figure is compared with: ``what`` it does, and what that cost in this run."""

    what: str
    value: float
    spread: tuple[float, float]


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured number. ``bar`` is what it should reach ("≥ …" or "≤ …"); ``detail`` says how it was measured."""

    figure: str
    value: float
    unit: str
    bar: str
    spread: tuple[float, float]
    samples: int
    machine: dict[str, Any]
    at: str
    floor: Floor | None = None
    ratio: float | None = None
    detail: dict[str, Any] = {}


class Report:
    """Writes the figures of one bench; ``folder`` None keeps nothing."""

    def __init__(self, bench: str, folder: Path | None) -> None:
        self._file = None if folder is None else folder / f"{bench}.jsonl"

    def add(
        self,
        figure: str,
        unit: str,
        bar: str,
        values: Sequence[float],
        *,
        floor: tuple[str, Sequence[float]] | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Figure:
        """Report the median of ``values`` beside that of the floor (what it does, its values, one for each pair)."""
        base = None if floor is None else Floor(floor[0], rounded(median(floor[1])), _spread(floor[1]))
        ratio = None if floor is None else median(a / b for a, b in zip(values, floor[1], strict=True))
        added = Figure(
            figure=figure,
            value=rounded(median(values)),
            unit=unit,
            bar=bar,
            spread=_spread(values),
            samples=len(values),
            machine=machine(),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            floor=base,
            ratio=None if ratio is None else rounded(ratio),
            detail=detail or {},
        )
        line = msgspec.json.encode(added).decode() + "\n"
        sys.stdout.write(line)
        sys.stdout.flush()
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as file:
                file.write(line)
        return added

    def check(
        self, figure: str, unit: str, bar: str, value: float, *, holds: bool, detail: dict[str, Any] | None = None
    ) -> None:
        """Report one ``value`` and whether what it is about ``holds``."""
        progress.print(f"{'holds' if holds else 'DOES NOT HOLD'}: {figure} {rounded(value):g} {unit}, bar {bar}")
        self.add(figure, unit, bar, [value], detail={"holds": holds, **(detail or {})})


def rounded(value: float) -> float:
    """``value`` with as many digits as a noisy machine can vouch for."""
    return float(f"{value:.{DIGITS}g}")


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": rounded(memory_bytes / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": rounded(os.getloadavg()[0]),
    }


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return rounded(min(values)), rounded(max(values))
