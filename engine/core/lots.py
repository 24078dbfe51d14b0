"""The lottery of one path on its way: its secret, who is in the hat, and the order, drawn a slice a step.

Who waits when the roster is fixed is in the hat, as its root says to everybody; then the order can be drawn. Where
there are few it comes in one step. Where there are many, each step takes a slice and leaves time for others, so that
the engine is never silent; what is drawn so far is part of the state. The last slice is for what follows from the
order: its digest, and who is passed over, because it waits no more.

The draw, the lobby of a queue and a waitlist by lottery have one each. Hands over to: ``protocol.lottery``, the rule.
"""

from __future__ import annotations

from hmac import digest as hmac_digest
from typing import Any, Final

from engine.core.ticket import WAITING, Tickets
from protocol.lottery import Drawing, Order, in_the_hat, passed_over, roster_root, seed_of, winners_of
from protocol.lottery import commitment as commitment_of

SLICE_LOTS: Final = 50_000
"""What one step hashes at most: some 60 ms of CPU. An order of no more lots is drawn in one step."""
SLICE_PAUSE_MS: Final = 10
"""Between two slices: others have their turn."""


class Lots:
    """State: ``root``, once the roster is fixed (b"" before), with the ``hats`` that it fixes; the drawing, under way;
    ``next_ms``, when it goes on (None: it went on in this step, or is not begun)."""

    def __init__(self, secret: bytes, name: str) -> None:
        """``secret`` is the experience's; ``name`` says whose lottery this is."""
        self.secret = hmac_digest(secret, f"lottery/{name}".encode(), "sha256")
        self.root = b""
        self.hats = b""
        self.next_ms: int | None = None
        self._drawing: Drawing | None = None

    @property
    def commitment(self) -> bytes:
        """What is told of the secret before anybody joins."""
        return commitment_of(self.secret)

    @property
    def seed(self) -> bytes:
        """What the order follows from, with the hats, once it has begun."""
        return self._begun.seed

    @property
    def order(self) -> Order:
        """Tickets, the luckiest first, once it is drawn."""
        assert self._begun.order is not None, "asked when it is drawn"
        return self._begun.order

    @property
    def is_under_way(self) -> bool:
        """Whether it has begun, and its last slice was not put away."""
        return self._drawing is not None

    @property
    def are_few(self) -> bool:
        """Whether all is done in one step."""
        return len(self.hats) <= SLICE_LOTS and sum(self.hats) <= SLICE_LOTS

    @property
    def _begun(self) -> Drawing:
        assert self._drawing is not None, "asked when it has begun"
        return self._drawing

    def fix(self, tickets: Tickets) -> None:
        """Who waits now is in the hat, and nobody else."""
        self.hats = in_the_hat(tickets.hats, tickets.states, WAITING)
        self.root = roster_root(self.hats)

    def begin(self, beacon: bytes, at: int) -> None:
        """Draw from ``at`` on, with this randomness (b"" = none was named)."""
        self._drawing = Drawing(seed_of(self.secret, beacon, self.root), self.hats)
        self.next_ms = at

    def advance(self) -> bool:
        """Take a slice, or all of them where they are few; whether it was the last, to which ``order`` is there."""
        self.next_ms = None
        is_last = self._slice()
        while self.are_few and not is_last:
            is_last = self._slice()
        return is_last

    def _slice(self) -> bool:
        if self._begun.order is not None:
            return True
        self._begun.advance(SLICE_LOTS)
        return False

    def stepped(self, now_ms: int) -> None:
        """A step has come to ``now_ms``: it goes on some time after it."""
        if self._drawing is not None and self.next_ms is None:
            self.next_ms = now_ms + SLICE_PAUSE_MS

    def winners(self, tickets: Tickets, count: int) -> list[int]:
        """The first ``count`` of the order who wait still."""
        return winners_of(self.order, passed_over(self.hats, tickets.states, WAITING), count)

    def put_away(self) -> None:
        """Nothing is drawn any more; ``root`` says that it was."""
        self.hats, self.next_ms, self._drawing = b"", None, None

    def snapshot(self) -> list[Any]:
        """What ``restore`` needs."""
        drawing = None
        if self._drawing is not None:
            drawing = [self._drawing.seed, bytes(self._drawing.heads), self._drawing.passes]
        return [self.root, self.hats, drawing, self.next_ms]

    def restore(self, data: list[Any]) -> None:
        """Take the state of a snapshot."""
        self.root, self.hats, drawing, self.next_ms = data
        if drawing is not None:
            seed, heads, passes = drawing
            self._drawing = Drawing(seed, self.hats, heads, passes)
