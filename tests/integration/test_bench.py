"""Each bench runs, with tiny counts: figures of the promised form on standard output and in the results folder.

No number is judged here: a measurement on a shared machine is no test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.chaos_kinds import KINDS_CHECKS, NOTHING_GOOD
from tests.support.supervised import wait_for_end

TIMEOUT_S = 300
MACHINE = {"cores", "memory_gib", "kernel", "python", "load"}


def _stanchion(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def _figures(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


@pytest.mark.parametrize(
    ("bench", "arguments", "names"),
    [
        (
            "engine",
            ["--joins", "2000", "--mixed", "2000", "--pairs", "2"],
            ["P5 engine core joins", "P5 engine core mixed commands"],
        ),
        (
            "draw",
            ["--entrants", "2000", "--pairs", "1"],
            ["P9 order and proof", "P9 longest slice of it", "P9 check by command"],
        ),
        ("ranks", ["--places", "5000", "--sockets", "50", "--pairs", "2"], ["ranks of a roster"]),
        (
            "stream",
            ["--stream-joins", "2000", "--pairs", "1", "--rate", "2000", "--seconds", "1"],
            [
                f"P6 {figure}appendfsync {fsync}"
                for fsync in ("always", "everysec")
                for figure in ("commands through the store, ", "sent to committed, p50, ", "sent to committed, p99, ")
            ],
        ),
        (
            "takeover",
            ["--tickets", "2000", "--rate", "2000", "--seconds", "2"],
            [
                "P12 worst delay of a batch while snapshots are made",
                "P12 from the death of the writer to its successor's first entry",
                "P12 from the death of the writer to the next batch applied",
                "P12 replay of the whole log",
            ],
        ),
        (
            "growth",
            ["--lines", "1000", "2000"],
            [
                name
                for _ in range(2)
                for name in (
                    "P11 a join, in the core",
                    "P11 a join, in a gateway's replica",
                    "P11 a tick that admits one",
                    "P11 an admission, of a hundred in a tick",
                    "P11 a socket's share of a pass of ranks",
                )
            ],
        ),
        ("replay", ["--commands", "2000"], ["replay of a long log"]),
        (
            "auction",
            ["--sockets", "20", "--bidders", "5", "--bids", "100", "--seconds", "2"],
            [
                f"auction: {figure}"
                for figure in (
                    "bids through sockets",
                    "bid to bid_status, p99",
                    "bid to high_bid, p99",
                    "bids without an answer",
                    "accepted bids that the log does not show",
                    "high bids that fell",
                    "sockets that do not know of the last bid",
                    "promises broken in the log",
                )
            ],
        ),
        (
            "release",
            ["--sockets", "40", "--stock", "5", "--impatient", "4"],
            [
                f"release: {figure}"
                for figure in (
                    "the opening to the last word",
                    "claims taken before the opening",
                    "admissions too many or too few",
                    "admissions out of the order of arrival",
                    "promises broken in the log",
                    "claims without an answer",
                    "sockets not told sold_out",
                    "early claims not refused as such",
                    "sockets told that it is theirs, too many or too few",
                )
            ],
        ),
        (
            "million",
            ["--sockets", "60", "--seconds", "1"],
            [
                "P10 sockets held, all with a ticket",
                "P10 memory of the serving side per socket",
                "P10 position frames while the queue moves",
                "P10 CPU of all gateways while the queue moves",
                "P10 a shared frame to all, posted to last arrival",
            ],
        ),
        pytest.param(
            "edge",
            ["--sockets", "40", "--queue", "200", "--pairs", "1", "--seconds", "2", "--handshakes", "20"],
            [
                "P1 user memory per parked socket that holds a ticket",
                "P8 CPU of a gateway whose sockets wait",
                "P8 frames to a consumer far from the front",
                "P2 shared frame, CPU per socket",
                "P2 shared frame, first to last arrival per socket",
                "P3 personal position frame, CPU per socket",
                "P7 admission decided to frame at the socket, p99",
                "P4 handshake until welcome, gateway CPU",
                "P4 handshakes until welcome",
                "P4 handshake until joined, gateway CPU",
                "P4 handshakes until joined",
            ],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_bench_writes_its_figures(bench: str, arguments: list[str], names: list[str], tmp_path: Path) -> None:
    run = _stanchion("bench", bench, *arguments, "--results", str(tmp_path))
    assert run.returncode == 0, run.stderr
    figures = _figures(run.stdout)
    assert [figure["figure"] for figure in figures] == names
    assert _figures((tmp_path / f"{bench}.jsonl").read_text()) == figures
    for figure in figures:
        assert {"value", "unit", "bar", "spread", "samples", "machine", "at"} <= set(figure)
        assert isinstance(figure["value"], float) and set(figure["machine"]) == MACHINE
        assert ("ratio" in figure) == ("floor" in figure)
        assert figure["detail"].get("holds", True), figure


@pytest.mark.slow
@pytest.mark.parametrize(("run", "checks"), [("reconnects", 5), ("churn", 2), ("silence", 3), ("drain", 3)])
def test_what_must_hold_in_a_storm_is_judged(run: str, checks: int, tmp_path: Path) -> None:
    few = ["--sockets", "80", "--rounds", "2", "--runs", run, "--results", str(tmp_path)]
    done = _stanchion("bench", "storm", *few)
    assert done.returncode == 0, done.stderr
    judged = _figures(done.stdout)
    assert len(judged) == checks
    assert all(figure["detail"]["holds"] in (True, False) for figure in judged)
    assert done.stderr.count("holds: ") + done.stderr.count("DOES NOT HOLD: ") == checks


def test_what_must_hold_in_a_race_for_appointments_holds() -> None:
    done = _stanchion("bench", "appointment", "--sockets", "60", "--seconds", "4", "--no-save")
    assert done.returncode == 0, done.stderr
    judged = {figure["figure"].removeprefix("appointment: "): figure for figure in _figures(done.stdout)}
    assert len(judged) == 7
    for figure in judged.values():
        assert figure["detail"].get("holds", True), (figure, done.stderr)
    assert judged["command to its answer, half of them"]["detail"]["places held"] > 0
    assert judged["shown other free places than the log's"]["detail"]["watchers"] == 2


@pytest.mark.slow
def test_what_must_hold_in_chaos_holds(tmp_path: Path) -> None:
    quick = ["--minutes", "0", "--faults", "10", "--sockets", "60", "--lease-ms", "1000", "--results", str(tmp_path)]
    done = _stanchion("bench", "chaos", *quick)
    assert done.returncode == 0, done.stderr
    judged = {figure["figure"].removeprefix("chaos: "): figure for figure in _figures(done.stdout)}
    counted = {name: figure for name, figure in judged.items() if figure["unit"] == "count"}
    assert set(counted) == {
        "faults",
        "promises broken in the log",
        "tickets lost after joined",
        "frames out of order",
        "what shoppers were told and the log does not show",
        "gateways that count otherwise than the log",
        "digests that a replay does not reach",
        "errors in the logs of engines and gateways",
        "parts that ended by themselves",
        *KINDS_CHECKS,
    }
    for name, figure in counted.items():
        if name != NOTHING_GOOD:  # how much there is time for is a matter of the machine
            assert figure["detail"]["holds"], (name, figure["detail"], done.stderr)
    assert any("taken over" in name for name in judged)
    assert counted["digests that a replay does not reach"]["detail"]["compared"] > 0
    assert counted["what shoppers were told and the log does not show"]["detail"]["told_completed"] > 0


def test_a_bench_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", "bench", "million", "--sockets", "60", "--seconds", "300"]
    with subprocess.Popen(
        [*command, "--no-save"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as bench:
        assert bench.stderr is not None
        while b"the queue moves" not in (line := bench.stderr.readline()):
            assert line, "it ended early"
        started = [os.pidfd_open(pid) for pid in _descendants(bench.pid)]
        bench.kill()
    assert len(started) >= len(("up", "valkey", "engine", "zygote", "gateway", "swarm", "member"))
    for descriptor in started:
        wait_for_end(descriptor)


def _descendants(pid: int) -> list[int]:
    children = [
        int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()
    ]
    return [*children, *(one for child in children for one in _descendants(child))]


def test_figures_are_appended_and_can_be_left_out(tmp_path: Path) -> None:
    few = ["--places", "2000", "--sockets", "20", "--pairs", "1", "--results", str(tmp_path)]
    assert _stanchion("bench", "ranks", *few).returncode == 0
    assert _stanchion("bench", "ranks", *few).returncode == 0
    assert _stanchion("bench", "ranks", *few, "--no-save").returncode == 0
    assert len((tmp_path / "ranks.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["ranks", "--pairs", "0"], ["engine", "--joins", "many"]])
def test_a_wrong_argument_is_a_usage_error(arguments: list[str]) -> None:
    run = _stanchion("bench", *arguments)
    assert run.returncode == 2
    assert "stanchion bench" in run.stderr and run.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "http://shop.example:8000"],
        ["--url", "http://127.0.0.1.example:8000"],
        ["--url", "https://127.0.0.1:8000"],
        ["--url", "ftp://127.0.0.1"],
        ["--url", "http://127.0.0.1:8000", "-n", "99999"],
    ],
)
def test_a_crowd_goes_nowhere_but_to_this_machine_and_not_without_bounds(arguments: list[str]) -> None:
    run = _stanchion("visitors", "--seconds", "5", *arguments)
    assert run.returncode == 2, run.stderr
    assert "visitors" in run.stderr
