"""A bucket of exact fractions: what the engine's integer bucket is held against."""

from __future__ import annotations

from fractions import Fraction

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
