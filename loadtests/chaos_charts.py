"""Pictures of the chaos run: when which fault came, and how long nobody wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from loadtests.chaos_faults import Fault
from loadtests.charts import FLOOR, OURS, picture, pictures_can_be_made

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SHOWN_S = 1.0


def draw(faults: Sequence[Fault], lease_s: float, folder: Path) -> None:
    """Write ``chaos_faults.png`` and ``chaos_takeovers.png``."""
    if not pictures_can_be_made():
        return
    kinds = sorted({fault.kind for fault in faults}, reverse=True)
    with picture(folder / "chaos_faults.png", f"{len(faults)} faults, each as long as it lasted") as axes:
        _timeline(axes, faults, kinds)
    taken = [fault for fault in faults if fault.writer and fault.taken_s is not None]
    with picture(folder / "chaos_takeovers.png", "From the fault of the writer to the next one's first entry") as axes:
        _takeovers(axes, taken, lease_s)


def _timeline(axes: Axes, faults: Sequence[Fault], kinds: Sequence[str]) -> None:
    for fault in faults:
        row = kinds.index(fault.kind)
        axes.barh([row], [max(fault.lasted_s, LEAST_SHOWN_S)], left=[fault.at_s], height=0.7, color=OURS)
        if fault.taken_s is not None:
            axes.plot([fault.at_s + fault.taken_s], [row], marker="|", color="black", markersize=6)
    axes.set_yticks(range(len(kinds)), kinds, fontsize="x-small")
    axes.set_xlabel("s since the run began; | a new writer's first entry")


def _takeovers(axes: Axes, faults: Sequence[Fault], lease_s: float) -> None:
    kinds = sorted({fault.kind for fault in faults}, reverse=True)
    for row, kind in enumerate(kinds):
        times = [fault.taken_s for fault in faults if fault.kind == kind and fault.taken_s is not None]
        axes.plot(times, [row] * len(times), linestyle="", marker="o", alpha=0.4, color=OURS)
        axes.plot([median(times)], [row], linestyle="", marker="|", markersize=18, color="black")
    axes.axvline(lease_s, color=FLOOR, linewidth=0.8)
    axes.annotate("lease", (lease_s, -0.5), xytext=(4, 0), textcoords="offset points", fontsize="small")
    axes.set_yticks(range(len(kinds)), kinds, fontsize="small")
    axes.set_xlim(left=0)
    axes.set_xlabel("s; | the median of each")
