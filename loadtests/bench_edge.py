"""P1–P4, P7, P8: what a waiting socket costs, on a real stack with one gateway, beside the floors of the same run.

CPU time is asked of the kernel, whole process, in ns, less what the process spends anyway in the same time; a shared
frame is a notice, personal frames are the positions that a new release rate sets off. A floor stands still while the
gateway is measured, and the other way round it only idles; both write to swarms of the same kind.

Hands over to: `loadtests.edge_sockets` (what parked sockets cost), `loadtests.edge_door` (handshakes),
`loadtests.edge_turn` (how fast a turn is told), `loadtests.charts`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from loadtests import charts
from loadtests.edge_door import handshakes
from loadtests.edge_sockets import held, memory, personal_frames, shared_frames, waiting_cpu
from loadtests.edge_turn import turns
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.room import Room


class Sizes(NamedTuple):
    """``sockets`` held at once, behind ``queue`` who have none here; ``pairs`` of turns with the floors; ``seconds``
    that a moving queue is watched; ``handshakes`` of one turn."""

    sockets: int
    queue: int
    pairs: int
    seconds: int
    handshakes: int


def bench_edge(parts: Parts, report: Report, sizes: Sizes, pictures: Path | None) -> None:
    """Report all figures of the edge, and draw them into the folder ``pictures``."""
    with Room(parts, workers=1) as room:
        progress.print(f"a room with {sizes.queue:,} in line, {sizes.sockets:,} sockets")
        with held(room, sizes.sockets, sizes.queue) as stage:
            figures = [memory(stage, report)]
            figures += waiting_cpu(stage, report, sizes.seconds)
            figures += shared_frames(stage, report, sizes.pairs)
            figures.append(personal_frames(stage, report, sizes.pairs))
        told = turns(room, report, sizes.sockets, sizes.seconds)
        handshakes(room, report, sizes.handshakes, sizes.pairs)
    if pictures is not None:
        charts.draw(figures, told, pictures)
