"""One queue, lived ms by ms and searched from the front each time: slow, and so plain that it must be right.

It knows nothing of the core. Tests give both the same and compare who was admitted when, and what became of all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TOKEN = 60_000
OVER = frozenset({"left", "expired", "lost", "completed"})


@dataclass
class Guest:
    """One ticket."""

    who: int
    state: str = "waiting"
    ends_ms: int = 0
    forgiven: bool = False


@dataclass
class SlowQueue:
    """``rate`` a minute, ``max_active`` windows of ``window_ms``, ``stock`` to sell; None = no such limit."""

    rate: int
    burst: int
    window_ms: int
    grace_ms: int
    max_active: int | None
    stock: int | None
    now_ms: int = 0
    level: int = 0
    sold: int = 0
    guests: list[Guest] = field(default_factory=list)
    admitted: list[tuple[int, int]] = field(default_factory=list)
    """(instant, ticket) of every admission."""

    def __post_init__(self) -> None:
        self.level = self.burst * TOKEN

    def live_until(self, now_ms: int) -> None:
        while self.now_ms < now_ms:
            self.now_ms += 1
            self.level = min(self.burst * TOKEN, self.level + self.rate)
            for guest in self._with_window():
                if guest.ends_ms + self.grace_ms * (guest.state == "redeemed") <= self.now_ms:
                    guest.state = "expired"
            self.serve()

    def _with_window(self) -> list[Guest]:
        return [guest for guest in self.guests if guest.state in {"admitted", "redeemed"}]

    def _is_gone(self) -> bool:
        return self.stock is not None and self.stock == self.sold

    def serve(self) -> None:
        for ticket, guest in enumerate(self.guests):
            active = len(self._with_window())
            left = 1 if self.stock is None else self.stock - self.sold - active
            if (
                not self.rate
                or self.level < TOKEN
                or left < 1
                or (self.max_active is not None and active >= self.max_active)
            ):
                break
            if guest.state == "waiting":
                guest.state, guest.ends_ms = "admitted", self.now_ms + self.window_ms
                self.level -= TOKEN
                self.admitted.append((self.now_ms, ticket))
        if self._is_gone():
            for guest in self.guests:
                guest.state = "lost" if guest.state == "waiting" else guest.state

    def latest(self, who: int) -> Guest | None:
        return next((guest for guest in reversed(self.guests) if guest.who == who), None)

    def join(self, who: int) -> None:
        latest = self.latest(who)
        ever_paid = any(guest.who == who and guest.state == "completed" for guest in self.guests)
        if not ever_paid and not self._is_gone() and (latest is None or latest.state in OVER):
            self.guests.append(Guest(who))

    def rejoin(self, who: int) -> None:
        latest = self.latest(who)
        if latest is None or latest.state != "expired":
            return
        if latest.forgiven:
            self.join(who)
        else:
            latest.state, latest.forgiven = "waiting", True

    def become(self, who: int, wanted: str, state: str) -> bool:
        """Whether the latest ticket of ``who`` was in one of the ``wanted`` states; then it is in ``state``."""
        latest = self.latest(who)
        if latest is None or latest.state not in wanted.split():
            return False
        latest.state = state
        self.sold += state == "completed"
        return True
