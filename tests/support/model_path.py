"""What the slow model is made of: a bucket of exact fractions, tickets, paths. Everything is counted anew each time.

Hands over to: ``tests.support.model``, which lives through the milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from protocol.documents import Path as PathDocument

MINUTE = 60_000


@dataclass
class ModelBucket:
    """Tokens as an exact fraction."""

    rate: int | None
    burst_ms: int
    tokens: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        self.tokens = Fraction(self.most)

    @property
    def most(self) -> int:
        return 0 if self.rate is None else 1 + ceil(Fraction(self.rate * self.burst_ms, MINUTE))

    def earn_ms(self) -> None:
        """One ms goes by."""
        if self.rate and self.tokens < self.most:
            self.tokens = min(Fraction(self.most), self.tokens + Fraction(self.rate, MINUTE))

    @property
    def gives(self) -> bool:
        return self.rate is None or (self.rate > 0 and self.tokens >= 1)

    def spend(self) -> None:
        if self.rate is not None:
            self.tokens -= 1

    def change(self, rate: int | None) -> None:
        unlimited, self.rate = self.rate is None, rate
        self.tokens = Fraction(self.most) if unlimited else min(self.tokens, Fraction(self.most))


@dataclass
class ModelTicket:
    """A ticket; ``ends`` is when its window closes, ``variant`` what is reserved for it."""

    consumer: bytes
    state: str = "waiting"
    ends: int = 0
    variant: str = ""
    redeemed: bool = False
    extended: bool = False
    forgiven: bool = False

    @property
    def active(self) -> bool:
        return self.state in {"admitted", "redeemed"}

    @property
    def live(self) -> bool:
        return self.state == "waiting" or self.active


@dataclass
class ModelPath:
    """One path."""

    settings: PathDocument
    variants: list[str]
    bucket: ModelBucket
    max_active: float
    max_admissions: float
    closes_at: float
    phase: str = "scheduled"
    paused: bool = False
    by_hand_ended: bool = False
    gone: bool = False
    concluded: list[bool] = field(default_factory=list)
    tickets: list[ModelTicket] = field(default_factory=list)

    def count(self, *states: str) -> int:
        return sum(ticket.state in states for ticket in self.tickets)

    def caps_hold(self) -> bool:
        active, sold = self.count("admitted", "redeemed"), self.count("completed")
        return active < self.max_active and active + sold < self.max_admissions

    def lapsed(self) -> int:
        """Windows that closed without an order since the last conclusion, where ``concluded`` has who had one."""
        before = zip(self.concluded, self.tickets, strict=False)
        return sum(had and ticket.state in {"expired", "left", "waiting"} for had, ticket in before)

    def latest(self, consumer: bytes) -> int | None:
        mine = [number for number, ticket in enumerate(self.tickets) if ticket.consumer == consumer]
        return mine[-1] if mine else None
