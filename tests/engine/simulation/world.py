"""The simulated world: one true time, one source of chance, and what is to happen when.

Everything that happens is an action at an instant (microseconds of true time, which nobody in the world can read). Of
two at one instant the one that was planned first comes first, so the same seed makes the same world, byte for byte.

Hands over to: everything else here, which plans actions and draws from ``chance``.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

US_PER_MS = 1_000
ACTIONS_MAX = 1_000_000
"""In one run; a silence of a quarter of an hour takes a third of them."""
BEGAN_MS = 1_800_000_000_000
"""What an honest wall clock shows when the world begins."""


class Restless(Exception):
    """More happens than can: somebody does the same again and again."""


class Broken(AssertionError):
    """A promise that was broken in the simulated world; the text begins with the name of the check."""


class World:
    """Time goes on from one planned action to the next. ``lines`` is the log of the run, where one is kept."""

    def __init__(self, seed: str, *, keeps_log: bool) -> None:
        self.now_us = 0
        self.chance = Random(seed)
        self.lines: list[str] = []
        self.keeps_log = keeps_log
        self._planned: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def now_ms(self) -> int:
        return self.now_us // US_PER_MS

    def after(self, us: int, action: Callable[[], None]) -> None:
        """Plan ``action`` for ``us`` from now."""
        self._count += 1
        heappush(self._planned, (self.now_us + us, self._count, action))

    def run_until(self, us: int) -> None:
        """Let everything up to the instant ``us`` happen."""
        while self._planned and self._planned[0][0] <= us:
            self.go_on()
        self.now_us = max(self.now_us, us)

    def go_on(self) -> None:
        """Let the next thing happen. An action may call this, and ``run_until``, while it waits for something: then
        the world goes on, and whatever is planned for meanwhile comes first."""
        at_us, number, action = heappop(self._planned)
        self.now_us = max(self.now_us, at_us)
        if number > ACTIONS_MAX:
            raise Restless(f"{ACTIONS_MAX} actions within {self.now_ms} ms")
        action()

    def note(self, who: str, what: str) -> None:
        """A line of the log."""
        if self.keeps_log:
            self.lines.append(f"{self.now_us / US_PER_MS:12.3f} ms  {who:<10} {what}")


class Clock:
    """The clocks of one machine: ``steady`` only counts, ``wall`` may be set. Both may jump."""

    def __init__(self, world: World, wall_off_us: int = 0) -> None:
        self._world = world
        self.steady_off_us = world.chance.randrange(10**12)
        self.wall_off_us = wall_off_us

    @property
    def steady_us(self) -> int:
        return self._world.now_us + self.steady_off_us

    @property
    def wall_us(self) -> int:
        return self._world.now_us + BEGAN_MS * US_PER_MS + self.wall_off_us
