"""What `stanchion visitors` shows while it runs: how many of the crowd are where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rich.table import Table

ROWS = {
    "coming": ("outside",),
    "waiting": ("waiting",),
    "admitted": ("admitted", "redeemed"),
    "completed": ("completed",),
    "left": ("left",),
    "lapsed": ("expired",),
    "turned away": ("lost", "refused", "turned away"),
}
"""Each row and the states that it counts."""


class Counts(Protocol):
    """What of a crowd is shown."""

    count: int
    frames: int
    reconnects: int

    @property
    def states(self) -> Mapping[str, int]: ...


def crowd_table(crowd: Counts) -> Table:
    """The crowd at this moment."""
    table = Table(title=f"{crowd.count} visitors", min_width=36)
    table.add_column("they are")
    table.add_column("how many", justify="right")
    for name, states in ROWS.items():
        table.add_row(name, f"{sum(crowd.states.get(state, 0) for state in states):,}")
    table.add_section()
    table.add_row("frames", f"{crowd.frames:,}")
    table.add_row("connections lost", f"{crowd.reconnects:,}")
    return table
