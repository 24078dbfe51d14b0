"""What the recount counts with: a bucket of exact fractions, open windows, paths. No idea of the engine is in it.

Hands over to: ``recount.py``, which feeds it from the log.
"""

from __future__ import annotations

from fractions import Fraction

from protocol.distributions import kind_of, rate_of
from protocol.documents import Path
from tests.engine.simulation.world import Broken


class ExactBucket:
    """Tokens as an exact fraction; None = no limit."""

    def __init__(self, rate: int | None, burst_ms: int) -> None:
        self.rate = rate
        self.most = self._most(rate, burst_ms)
        self.tokens = self.most
        self._at = 0

    def _most(self, rate: int | None, burst_ms: int) -> Fraction:
        return Fraction(0 if rate is None else 1 - (-rate * burst_ms // 60_000))

    def earn(self, at: int) -> None:
        if self.rate:
            self.tokens = min(self.most, self.tokens + Fraction(self.rate * (at - self._at), 60_000))
        self._at = at

    def spend(self, count: int, at: int) -> None:
        self.earn(at)
        if self.rate is not None:
            self.tokens -= count
            if self.tokens < 0 or self.rate == 0:
                raise Broken(f"rate: {count} were admitted at {at}, {self.tokens} tokens are left")

    def change(self, rate: int | None, burst_ms: int, at: int) -> None:
        self.earn(at)
        unlimited, self.rate, self.most = self.rate is None, rate, self._most(rate, burst_ms)
        self.tokens = self.most if unlimited else min(self.tokens, self.most)

    @property
    def gives(self) -> bool:
        return self.rate is None or (self.rate > 0 and self.tokens >= 1)


class OpenWindow:
    """An open window: when it ends, how much longer once it is redeemed, and what it holds."""

    def __init__(self, expires_at: int, grace_ms: int, variant: str) -> None:
        self.expires_at = expires_at
        self.grace_ms = grace_ms
        self.variant = variant
        self.redeemed = False

    @property
    def deadline(self) -> int:
        return self.expires_at + (self.grace_ms if self.redeemed else 0)


class OpenOffer:
    """An open offer: when it runs out, and what it holds; ``reserved`` from the start, or since it was claimed."""

    def __init__(self, claim_by: int, variant: str, *, reserved: bool) -> None:
        self.claim_by = claim_by
        self.variant = variant
        self.reserved = reserved
        self.claimed = False


class CountedPath:
    """One path."""

    def __init__(self, settings: Path) -> None:
        terms = settings.distribution
        self.settings = settings
        self.phase = "scheduled"
        self.paused = False
        self.waiting: dict[int, None] = {}
        self.claims: dict[int, None] = {}
        self.offers: dict[int, OpenOffer] = {}
        self.windows: dict[int, OpenWindow] = {}
        self.completed = 0
        self.bucket = ExactBucket(rate_of(terms), terms.burst_ms)

    @property
    def kind(self) -> str:
        return kind_of(self.settings.distribution)

    @property
    def line(self) -> dict[int, None]:
        """Who is to be admitted as soon as can be: those who wait, or who have claimed."""
        return self.waiting if self.kind == "queue" else self.claims

    @property
    def active(self) -> int:
        """Open windows, and the offers that count as one."""
        return len(self.windows) + sum(offer.reserved for offer in self.offers.values())

    def holds(self, variant: str) -> int:
        """How many units of ``variant`` its windows and offers hold."""
        offered = sum(one.reserved and one.variant == variant for one in self.offers.values())
        return offered + sum(window.variant == variant for window in self.windows.values())

    def forget(self, ticket: int) -> None:
        """It waits no more, and has neither claim, nor offer, nor window."""
        for held in (self.waiting, self.claims, self.offers, self.windows):
            held.pop(ticket, None)
