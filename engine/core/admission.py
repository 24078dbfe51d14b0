"""Metering and checkout windows: the machinery of admission that every way in shares.

The bucket is exact, in integers. Its unit is 1/60000 admission, so a rate of r a minute adds r units every ms; it
holds at most ``burst = 1 + ceil(rate * burst_ms / 60000)`` admissions and is served at exact instants. Hence in any
span of t ms there are at most ``rate * t / 60000 + burst`` admissions, whatever the load and however late the writer
woke up. A change of rate keeps at most the new burst; a rate of 0 stops. An outage earns no more than the burst: the
rate is a promise to the shop.
"""

from typing import Any

from msgspec import Struct

from engine.core.deadlines import Deadlines
from engine.core.limits import MS_PER_MINUTE, UNLIMITED

_TOKEN = MS_PER_MINUTE


class Bucket:
    """A token bucket. ``rate``: admissions a minute, None = no limit; ``level``: units as of ``stamp_ms``."""

    def __init__(self, rate: int | None, burst_ms: int) -> None:
        self.rate = rate
        self.burst_ms = burst_ms
        self.level = self._level_max()
        self.stamp_ms = 0

    def _level_max(self) -> int:
        if self.rate is None:
            return 0
        burst = 1 - (-self.rate * self.burst_ms // MS_PER_MINUTE)
        return burst * _TOKEN

    def settle(self, now_ms: int) -> None:
        """Earn what the time until ``now_ms`` gives, at most up to the burst."""
        if now_ms > self.stamp_ms:
            if self.rate is not None:
                self.level = min(self._level_max(), self.level + self.rate * (now_ms - self.stamp_ms))
            self.stamp_ms = now_ms

    def tokens(self, now_ms: int) -> int:
        """How many may be admitted at ``now_ms``."""
        if self.rate is None:
            return UNLIMITED
        self.settle(now_ms)
        return self.level // _TOKEN if self.rate else 0

    def take(self, count: int) -> None:
        """Spend ``count`` tokens that ``tokens`` has just shown."""
        if self.rate is not None:
            self.level -= count * _TOKEN

    def next_token_ms(self) -> int | None:
        """The instant from which one can be admitted; None = never at this rate."""
        if self.rate is None:
            return self.stamp_ms
        if not self.rate:
            return None
        return self.stamp_ms + max(0, -((self.level - _TOKEN) // self.rate))

    def change(self, rate: int | None, burst_ms: int, now_ms: int) -> None:
        """Another rate from ``now_ms`` on; the bucket keeps at most the new burst."""
        self.settle(now_ms)
        was_unlimited = self.rate is None
        self.rate, self.burst_ms = rate, burst_ms
        self.level = self._level_max() if was_unlimited else min(self.level, self._level_max())

    def snapshot(self) -> list[Any]:
        return [self.rate, self.burst_ms, self.level, self.stamp_ms]

    @classmethod
    def restore(cls, data: list[Any]) -> "Bucket":
        bucket = cls(data[0], data[1])
        bucket.level, bucket.stamp_ms = data[2], data[3]
        return bucket


class Meter:
    """Rate and caps of one path, or of all paths of an experience: how many may be let in now."""

    def __init__(self, bucket: Bucket, max_active: int | None, max_admissions: int | None) -> None:
        self.bucket = bucket
        self.max_active = max_active
        self.max_admissions = max_admissions
        self.active = 0
        self.completed = 0

    def caps(self, beside: "Meter | None" = None) -> int:
        """How many more windows the caps allow, whatever the rate. Those of ``beside`` count as well."""
        active = self.active + (beside.active if beside else 0)
        room = UNLIMITED
        if self.max_active is not None:
            room = self.max_active - active
        if self.max_admissions is not None:
            completed = self.completed + (beside.completed if beside else 0)
            room = min(room, self.max_admissions - active - completed)
        return max(room, 0)

    def admit(self, count: int, *, by_hand: bool, reserved: int = 0) -> None:
        """``count`` windows open, of which ``reserved`` were counted before; those by hand take no token."""
        self.active += count - reserved
        if not by_hand:
            self.bucket.take(count)

    def reserve(self) -> None:
        """An offer is made that counts as a window."""
        self.active += 1

    def lapse(self) -> None:
        """A window closed without an order: its place is free again."""
        self.active -= 1

    def complete(self) -> None:
        """A window closed with an order."""
        self.active -= 1
        self.completed += 1

    def snapshot(self) -> list[Any]:
        return [self.bucket.snapshot(), self.max_active, self.max_admissions, self.active, self.completed]

    @classmethod
    def restore(cls, data: list[Any]) -> "Meter":
        meter = cls(Bucket.restore(data[0]), data[1], data[2])
        meter.active, meter.completed = data[3], data[4]
        return meter


class Window(Struct, gc=False, array_like=True):
    """An open checkout window. ``variant`` is what is reserved for it ("" = nothing counted); a redeemed ticket keeps
    it for ``grace_ms`` longer."""

    admission: bytes
    kid: str
    admitted_at: int
    expires_at: int
    grace_ms: int
    variant: str
    redeemed: bool = False
    extended: bool = False

    @property
    def deadline_ms(self) -> int:
        """When it closes by itself."""
        return self.expires_at + (self.grace_ms if self.redeemed else 0)


class Windows:
    """The open windows of a path, by ticket, and as they end."""

    def __init__(self) -> None:
        self.open: dict[int, Window] = {}
        self._deadlines = Deadlines(self._ends_at)

    def put(self, ticket: int, window: Window) -> None:
        """Open a window, or note that it moved."""
        self.open[ticket] = window
        self._deadlines.put(ticket, window.deadline_ms)

    def close(self, ticket: int) -> Window:
        """Close a window that is open."""
        return self.open.pop(ticket)

    def next_deadline_ms(self) -> int | None:
        """When the next one ends, or None."""
        return self._deadlines.next_ms()

    def due(self, now_ms: int) -> list[int]:
        """Tickets whose windows end at or before ``now_ms``, by (deadline, ticket)."""
        return self._deadlines.due(now_ms)

    def _ends_at(self, ticket: int, instant: int) -> bool:
        window = self.open.get(ticket)
        return window is not None and window.deadline_ms == instant

    def snapshot(self) -> list[Any]:
        return list(self.open.items())

    def restore(self, data: list[Any]) -> None:
        """Take the windows of a snapshot: [ticket, window as a list] each."""
        self.open = {ticket: Window(*window) for ticket, window in data}
        self._deadlines.begin((ticket, window.deadline_ms) for ticket, window in self.open.items())
