"""Pictures of what the benches of the engine found: speeds beside their bars, what grows with the line, a take-over.

Needs matplotlib, as ``loadtests.charts`` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtests.charts import FLOOR, OURS, picture, pictures_can_be_made
from loadtests.report import Figure

LINES = ("#00796b", "#5e35b1", "#ef6c00", "#1e88e5", "#90a4ae")
MS_PER_S = 1_000


def core(figures: Sequence[Figure], bars: Sequence[float], folder: Path) -> None:
    """Write ``engine_core.png``: commands/s of the pure core, each beside what it should reach."""
    if not pictures_can_be_made():
        return
    with picture(folder / "engine_core.png", "Commands that the engine's core applies") as axes:
        names = [figure.figure.removeprefix("P5 engine core ") for figure in figures]
        values = [figure.value for figure in figures]
        around = [[figure.value - figure.spread[0] for figure in figures], [f.spread[1] - f.value for f in figures]]
        shown = axes.bar(names, values, 0.5, yerr=around, color=OURS, capsize=4)
        axes.bar_label(shown, [f"{value:,.0f}" for value in values], label_type="center", color="white")
        axes.hlines(bars, [-0.35, 0.65], [0.35, 1.35], color="black", linestyles="dashed", label="bar")
        axes.set_ylabel("commands a second")
        axes.legend(frameon=False)


def stream(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write ``stream.png``: for each way of syncing the CPU of a command, by process, beside the floor."""
    if not pictures_can_be_made():
        return
    with picture(folder / "stream.png", "CPU of a command on its way through the store") as axes:
        for place, through in enumerate(figures.values()):
            parts = ("engine_cpu_us", "store_cpu_us", "senders_cpu_us")
            bottom = 0.0
            for part, color in zip(parts, (OURS, *LINES[1:3]), strict=True):
                label = part.removesuffix("_cpu_us") if place == 0 else None
                bar = axes.bar([place - 0.2], [through.detail[part]], 0.38, bottom=bottom, color=color, label=label)
                axes.bar_label(bar, [f"{through.detail[part]:.2f}"], label_type="center", color="white")
                bottom += through.detail[part]
            label = "floor: appended, read by nobody" if place == 0 else None
            bar = axes.bar([place + 0.2], [through.detail["floor_cpu_us"]], 0.38, color=FLOOR, label=label)
            axes.bar_label(bar, [f"{through.detail['floor_cpu_us']:.2f}"], label_type="center")
        axes.set_xticks(range(len(figures)), [f"appendfsync {fsync}" for fsync in figures])
        axes.set_ylabel("µs of CPU a command")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def growth(figures: Mapping[str, Sequence[Figure]], folder: Path) -> None:
    """Write ``growth.png``: each cost by the length of the line."""
    if not pictures_can_be_made():
        return
    with picture(folder / "growth.png", "What costs more when more people wait") as axes:
        for (name, each), color in zip(figures.items(), LINES, strict=True):
            sizes = [figure.detail["tickets"] for figure in each]
            values = [figure.value for figure in each]
            axes.plot(sizes, values, marker="o", color=color, label=name.removeprefix("P11 "))
            for size, value in zip(sizes, values, strict=True):
                axes.annotate(
                    f"{value:.3g}", (size, value), xytext=(0, 5), textcoords="offset points", fontsize="small"
                )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("tickets in the line")
        axes.set_ylabel("µs of CPU")
        axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def takeover(points: Sequence[tuple[float, float]], taken_s: float, standby: str, folder: Path) -> None:
    """Write ``takeover.png``. ``points``: for each batch (s from the writer's death until it was sent, delay in ms)."""
    if not pictures_can_be_made():
        return
    with picture(folder / "takeover.png", "The writer is killed: how long each batch waits to be applied") as axes:
        axes.plot([at for at, _ in points], [delay / MS_PER_S for _, delay in points], ".", markersize=2, color=OURS)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.axvline(taken_s, color=FLOOR, linewidth=0.8)
        axes.annotate(
            f"the {standby} standby's\nfirst entry: {taken_s:.2f} s",
            (taken_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(6, -4),
            textcoords="offset points",
            verticalalignment="top",
        )
        axes.set_xlabel("s from the writer's death until the batch was sent")
        axes.set_ylabel("s until it was in the log")
