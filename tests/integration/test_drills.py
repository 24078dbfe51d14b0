"""Each drill of `stanchion bench drills`, a few times: everything it checks holds. The long form is run by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 600


SPEEDS = {"clocks that jump: least share of the rate", "clocks that jump: longest take-over"}
"""Figures that a busy machine may miss; they are judged where they are measured by hand."""


def drilled(only: str, times: int, folder: Path) -> list[dict[str, Any]]:
    """What the drill reported."""
    command = [sys.executable, "-m", "deploy.cli", "bench", "drills", "--only", only, "--times", str(times)]
    command += ["--seconds", "2"]
    run = subprocess.run(
        [*command, "--results", str(folder)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert run.returncode == 0, run.stderr
    reported = [json.loads(line) for line in run.stdout.splitlines()]
    assert [json.loads(line) for line in (folder / "drills.jsonl").read_text().splitlines()] == reported
    return reported


@pytest.mark.slow
@pytest.mark.parametrize(
    ("only", "times", "checks"),
    [
        ("power", 1, 6),
        ("stopped", 3, 4),
        ("clocks", 2, 4),
        ("replies", 3, 4),
        ("rivals", 3, 4),
        ("commands", 3, 3),
    ],
)
def test_what_a_drill_checks_holds(only: str, times: int, checks: int, tmp_path: Path) -> None:
    reported = drilled(only, times, tmp_path)
    assert len(reported) == checks
    assert {one["figure"] for one in reported if not one["detail"]["holds"]} <= SPEEDS, reported
