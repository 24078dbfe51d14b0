"""The time of the log: stamped by the writer, slewed towards the wall clock, never back and never standing still.

The wall clock may jump; the log must not. So a writer counts its own monotonic time on from where the log is and lets
it run at most ``1 / SLEW_PARTS`` faster or slower than it is, towards the wall clock. Where the log begins for a
writer is decided once, at its take-over:

- it saw the last entry arrive (as a standby, or because it wrote it): that entry's time plus what has passed since;
- otherwise (a cold start) its wall clock, held against the store's. Where the two differ by more than
  ``CLOCKS_DIFFER_MS_MAX`` somebody's clock is wrong: the one nearest after the last entry is taken, and a person is
  told. Where both lie behind the last entry, time goes on from it, slow, until the wall has caught up.

Everything here but ``read_clocks`` is pure. Hands over to: ``engine.takeover``, which sets a writer's clock.
"""

import time
from typing import NamedTuple

NS_PER_MS = 1_000_000
SLEW_PARTS = 200
"""Half a per cent: while time is slewed the release rate still keeps the 99 % that it promises, with room to spare."""
CLOCKS_DIFFER_MS_MAX = 5_000

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Reading(NamedTuple):
    """Both clocks of this machine at one instant, in nanoseconds: one that only counts, and that of the wall."""

    steady_ns: int
    wall_ns: int

    @property
    def wall_ms(self) -> int:
        return self.wall_ns // NS_PER_MS


class Sighting(NamedTuple):
    """An entry seen as it arrived: its chain, and our steady clock at that instant. (Its ID would not do: where a
    failover has lost an entry, another one may have that.)"""

    chain: bytes
    steady_ns: int


class Start(NamedTuple):
    """Where a writer's time begins (epoch ms), and whether the clocks are in doubt."""

    now_ms: int
    doubtful: bool


class LogClock:
    """A writer's time: set once, read with every batch."""

    def __init__(self, now_ms: int, reading: Reading) -> None:
        self._now_ns = now_ms * NS_PER_MS
        self._steady_ns = reading.steady_ns

    def read(self, reading: Reading) -> int:
        """The time of the log at ``reading``, epoch ms; never less than the last answer."""
        passed = max(0, reading.steady_ns - self._steady_ns)
        behind = reading.wall_ns - (self._now_ns + passed)
        slew_max = passed // SLEW_PARTS
        self._now_ns += passed + max(-slew_max, min(slew_max, behind))
        self._steady_ns += passed
        return self._now_ns // NS_PER_MS


def start_after(last_ms: int, sighting: Sighting | None, reading: Reading, store_ms: int) -> Start:
    """Where time begins for a writer behind an entry of ``last_ms``.

    ``sighting`` is of that entry, or None if nobody here saw it arrive; ``store_ms`` is the store's clock.
    """
    if sighting is not None:
        passed_ms = max(0, reading.steady_ns - sighting.steady_ns) // NS_PER_MS
        return Start(last_ms + passed_ms, doubtful=False)
    if abs(reading.wall_ms - store_ms) <= CLOCKS_DIFFER_MS_MAX:
        return Start(max(reading.wall_ms, last_ms), doubtful=False)
    ahead = [clock_ms for clock_ms in (reading.wall_ms, store_ms) if clock_ms >= last_ms]
    return Start(min(ahead, default=last_ms), doubtful=True)


def read_clocks() -> Reading:
    """Both clocks, now. The steady one counts while the machine sleeps where the system knows how."""
    return Reading(time.clock_gettime_ns(_STEADY), time.time_ns())
