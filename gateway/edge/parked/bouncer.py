"""The bouncer of one process: what may be at the door at once, and for how long without saying who it is.

Heads that stall are found by one sweep over a dict in order of arrival, not by a timer each. Handshakes that wait for
their app are counted; the next one is told to come back after a while that differs from one to the next, so that a
crowd does not come back at once.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

HANDSHAKES_MAX = 1_024
HEAD_BYTES_MAX = 16_384
HEAD_S_MAX = 5.0
SWEEP_S = 0.5
RETRY_AFTER_S_MIN = 1
RETRY_AFTER_S_MAX = 5


class Knocking(Protocol):
    """Somebody who has not said yet what they want."""

    def cut(self) -> None:
        """They took too long."""
        ...


class Bouncer:
    """Counts and times at the door. ``clock``: monotonic seconds; ``chance`` jitters."""

    def __init__(
        self,
        *,
        handshakes_max: int = HANDSHAKES_MAX,
        head_bytes_max: int = HEAD_BYTES_MAX,
        head_s_max: float = HEAD_S_MAX,
        clock: Callable[[], float] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.head_bytes_max = head_bytes_max
        self.handshakes = 0
        self._handshakes_max = handshakes_max
        self._head_s_max = head_s_max
        self._clock = clock
        self._chance = chance or random.Random()
        self._knocking: dict[Knocking, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Sweep by the running loop."""
        loop = asyncio.get_running_loop()
        self._clock = self._clock or loop.time
        self._timer = loop.call_later(SWEEP_S, self._sweep_on, loop)

    def shut(self) -> None:
        """Sweep no more."""
        assert self._timer is not None, "it is open"
        self._timer.cancel()

    @property
    def knocking(self) -> int:
        """How many have not said yet what they want."""
        return len(self._knocking)

    @property
    def crowded(self) -> bool:
        """No handshake more can begin now."""
        return self.handshakes >= self._handshakes_max

    def watch(self, who: Knocking) -> None:
        """The time of ``who`` begins now."""
        assert self._clock is not None, "it is open"
        self._knocking.pop(who, None)
        self._knocking[who] = self._clock()

    def unwatch(self, who: Knocking) -> None:
        """``who`` has said what they want, or is gone."""
        self._knocking.pop(who, None)

    def sweep(self) -> None:
        """Cut everybody whose time is over."""
        assert self._clock is not None, "it is open"
        oldest = self._clock() - self._head_s_max
        while self._knocking:
            who, began = next(iter(self._knocking.items()))
            if began > oldest:
                return
            del self._knocking[who]
            who.cut()

    def retry_after_s(self) -> int:
        """When to come back."""
        return self._chance.randint(RETRY_AFTER_S_MIN, RETRY_AFTER_S_MAX)

    def _sweep_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(SWEEP_S, self._sweep_on, loop)
        self.sweep()
