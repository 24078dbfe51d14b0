"""What must hold when the crowd misbehaves: each a bounded run against a real stack with two gateways, and a verdict.

| run | what happens |
| --- | --- |
| reconnects | every socket is dropped at once, and all come back at once |
| silence | a tenth as many sockets beside the crowd never read |
| half-open | of some sockets every packet is dropped |
| churn | the crowd comes and goes, again and again |
| drain | one gateway is sent SIGTERM |

Hands over to: ``storm_reconnects``, ``storm_silence``, ``storm_churn``, ``storm_drain``.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.room import Room
from loadtests.storm_churn import churn
from loadtests.storm_drain import drain
from loadtests.storm_reconnects import reconnects
from loadtests.storm_silence import half_open, silence

GATEWAYS = 2
HALF = 2
RUNS = ("reconnects", "churn", "silence", "half-open", "drain")


def bench_storm(parts: Parts, report: Report, runs: Sequence[str], *, sockets: int, rounds: int) -> None:
    """Run ``runs``: the reconnects with ``sockets``, the others with half as many; ``rounds`` of coming and going."""
    half = max(1, sockets // HALF)
    for run in runs:
        progress.print(f"storm: {run}")
        with Room(parts, GATEWAYS) as room:
            match run:
                case "reconnects":
                    reconnects(room, report, sockets)
                case "churn":
                    churn(room, report, half, rounds)
                case "silence":
                    silence(room, report, half)
                case "half-open":
                    half_open(room, report, half)
                case "drain":
                    drain(room, report, half)
