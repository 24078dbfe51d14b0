"""People by locust, for ten seconds, against the whole stack: they join and wait, or bid, and no request fails."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, Up

LOCUSTFILE = ROOT / "loadtests" / "locustfile.py"
TIMEOUT_S = 90
USERS = 20


@pytest.mark.slow
def test_people_wait_and_bid_without_a_failure(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.start()
    try:
        up.wait_until_open()
        rows = _locust(up.room, tmp_path)
    finally:
        up.stop()
    assert int(rows["session"]["Request Count"]) == USERS
    assert int(rows["joined"]["Request Count"]) >= USERS // 2
    assert int(rows["bid"]["Request Count"]) >= USERS // 2
    assert {"handshake", "frame welcome", "frame position", "frame high_bid"} <= set(rows)
    assert int(rows["Aggregated"]["Failure Count"]) == 0


def test_it_goes_nowhere_but_to_this_machine(tmp_path: Path) -> None:
    run = _run("http://shop.example", tmp_path, "-t", "2s")
    assert "is not http:// on this machine" in run.stderr
    assert "session" not in _rows(tmp_path)


def _locust(room: str, folder: Path) -> dict[str, dict[str, str]]:
    run = _run(room, folder, "-t", "10s")
    rows = _rows(folder)
    assert run.returncode == 0, f"{run.stderr}\n{rows}"
    return rows


def _run(host: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--host", host]
    command += ["-u", str(USERS), "-r", str(USERS), "--csv", str(folder / "locust"), "--stop-timeout", "5", *more]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "STANCHION_"))}
    environment["STANCHION_LOADTEST_BIDDERS"] = "1"
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def _rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "locust_stats.csv").open() as file:
        return {row["Name"]: row for row in csv.DictReader(file)}
