"""Pictures of what the edge bench found: memory of a socket, cost of a frame, how late a turn is told.

Needs matplotlib, which comes with the extra ``loadtests``; without it there are figures and no pictures.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.report import Figure, machine, progress
from loadtests.swarm_seen import LATENCY_STEP_MS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, FLOOR, OTHER = "#00796b", "#90a4ae", "#cfd8dc"
SIZE_INCHES = (7.0, 4.0)
DOTS_PER_INCH = 120
SHARES = (0.5, 0.99)


def draw(figures: Sequence[Figure], turns: Mapping[int, int], folder: Path) -> None:
    """Write ``edge_memory.png``, ``edge_frames.png`` and ``edge_turns.png``. ``turns``: frames by tenths of a ms."""
    if not pictures_can_be_made():
        return
    by_name = {figure.figure: figure for figure in figures}
    with picture(folder / "edge_memory.png", "Memory of a parked socket that holds a ticket") as axes:
        _memory(axes, by_name["P1 user memory per parked socket that holds a ticket"])
    with picture(folder / "edge_frames.png", "CPU of a frame to one of many sockets") as axes:
        _frames(axes, [figure for name, figure in by_name.items() if name.endswith("CPU per socket")])
    shares_chart({"admitted": turns}, "From the decision to admit until the frame is there", folder / "edge_turns.png")


def shares_chart(delays: Mapping[str, Mapping[int, int]], title: str, file: Path) -> None:
    """Draw what share of the frames came within how long. ``delays``: by what is told, frames by tenths of a ms."""
    if not pictures_can_be_made():
        return
    with picture(file, title) as axes:
        for (what, steps), color in zip(delays.items(), (OURS, FLOOR), strict=False):
            _shares(axes, what, steps, color)
        axes.set_xscale("log")
        axes.set_xlabel("ms")
        axes.set_ylabel("% of the frames")
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12))


def pictures_can_be_made() -> bool:
    """Whether matplotlib is there; says so where it is not."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        progress.print("no pictures: install the extra `loadtests`")
        return False
    mpl.use("Agg")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    return True


@contextmanager
def picture(file: Path, title: str) -> Iterator[Axes]:
    """Axes to draw on; what was drawn is written to ``file``."""
    from matplotlib.figure import Figure as Picture

    drawn = Picture(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = drawn.add_subplot()
    yield axes
    on = machine()
    drawn.suptitle(title)
    axes.set_title(f"{on['cores']} cores, Linux {on['kernel']}, Python {on['python']}", fontsize="small", color="gray")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(file)


def _memory(axes: Axes, figure: Figure) -> None:
    assert figure.floor is not None, "memory has a floor"
    names = ["Stanchion", "epoll loop\n(holds, knows nothing)", "stock uvicorn\nand Starlette"]
    values = [figure.value, figure.floor.value, figure.detail["stock_bytes"]]
    bars = axes.bar(names, values, color=[OURS, FLOOR, OTHER])
    axes.bar_label(bars, [f"{value:,.0f} B" for value in values])
    axes.set_yscale("log")
    axes.set_ylabel("bytes of user memory a socket")


def _frames(axes: Axes, figures: Sequence[Figure]) -> None:
    for place, figure in enumerate(figures):
        assert figure.floor is not None, "frames have a floor"
        pairs = ((-0.2, figure.value, figure.spread, OURS), (0.2, figure.floor.value, figure.floor.spread, FLOOR))
        for aside, value, (least, most), color in pairs:
            label = ("Stanchion" if color == OURS else "epoll loop, a shared frame") if place == 0 else None
            around = [[value - least], [most - value]]
            bar = axes.bar([place + aside], [value], 0.38, yerr=around, color=color, capsize=4, label=label)
            axes.bar_label(bar, [f"{value:.1f}"], label_type="center")
    names = [figure.figure.removeprefix("P2 ").removeprefix("P3 ").split(",")[0] for figure in figures]
    axes.set_xticks(range(len(figures)), names)
    axes.set_ylabel("µs of CPU a socket: median, least, greatest")
    axes.legend(frameon=False)


def _shares(axes: Axes, what: str, delays: Mapping[int, int], color: str) -> None:
    steps = sorted(delays)
    total = sum(delays.values())
    shares = [seen / total for seen in accumulate(delays[step] for step in steps)]
    late_ms = [(step + 1) * LATENCY_STEP_MS for step in steps]
    label = f"{what} ({total:,} frames)"
    axes.step(late_ms, [100 * share for share in shares], where="post", color=color, label=label)
    for share in SHARES:
        at = next(late for late, so_far in zip(late_ms, shares, strict=True) if so_far >= share)
        axes.axvline(at, color=FLOOR, linewidth=0.8)
        axes.annotate(
            f"p{100 * share:.0f}: {at:.1f} ms", (at, 100 * share - 8), xytext=(4, 0), textcoords="offset points"
        )
