"""A draw as the recount has it: drawn neither before its time nor later than it can be, and then a line of those who
wait, which nobody stays in whose turn can not come any more.

The order itself is drawn again by the auditor of the log; the proof of it is checked as anybody would
(``auditor.py``).
"""

from __future__ import annotations

from typing import Any, ClassVar

from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import Draw
from protocol.documents import Path
from protocol.refusals import Reason
from tests.engine.simulation.counted.path import CountedPath, Outage
from tests.engine.simulation.world import Broken

SLICE_PAUSE_MS = 10
SLICES_MAX = 120
"""More than any roster here needs, one lot a slice."""


class CountedDraw(CountedPath):
    """``reserve``: others than the winners may still move up. ``by_hand``: the merchant has asked for the draw.
    ``slices``: how many steps there were, each some ms behind the one before, in which it should have gone on."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.closed = False
        self.has_beacon = False
        self.drawn = False
        self.reserve = False
        self.by_hand = False
        self.slices = 0
        self._next_slice_ms = 0

    @property
    def line(self) -> list[int]:
        return list(self.waiting) if self.drawn else []

    @property
    def _terms(self) -> Draw:
        terms = self.settings.distribution
        assert isinstance(terms, Draw), "a draw has the terms of one"
        return terms

    def begin(self, asked: list[c.Command], outage: Outage | None) -> None:
        super().begin(asked, outage)
        self.by_hand = self.by_hand or any(isinstance(command, c.Draw) for command in asked)

    def conclude(self, now_ms: int, room: float) -> None:
        super().conclude(now_ms, room)
        if self._is_due(now_ms) and now_ms >= self._next_slice_ms:
            self.slices, self._next_slice_ms = self.slices + 1, now_ms + SLICE_PAUSE_MS
            if self.slices > SLICES_MAX:
                raise Broken(f"draw: it was due {self.slices} steps ago and is not drawn")
        if self.reserve and self._is_over(now_ms):
            self.reserve = False
            changed = any(isinstance(command, c.SetReleaseRate | c.Configure) for command in self.asked)
            if len(self.waiting) > self.places_left and not changed:
                raise Broken(f"draw: {len(self.waiting)} hope for {self.places_left} places, nobody moves up any more")

    def _is_due(self, now_ms: int) -> bool:
        ready = self.closed and not self.drawn and self.phase == "settling" and not self.paused
        ready = ready and not self.ended_by_hand and (self.has_beacon or self._terms.beacon is None)
        return ready and self._draw_at() <= now_ms

    def _draw_at(self) -> int:
        return self._terms.closes_at if self._terms.draw_at is None else self._terms.draw_at

    def _is_over(self, now_ms: int) -> bool:
        until_ms = self._terms.redraw_until
        return not self._terms.backfill or (until_ms is not None and until_ms <= now_ms)

    def refused(self, command: c.Command, reason: str, detail: dict[str, Any], now_ms: int) -> None:
        if isinstance(command, c.DrawBeacon | c.Draw) and reason == Reason.NOT_CLOSED and self.closed:
            raise Broken("refusals: the entries are not closed, it is said, and they are")
        if isinstance(command, c.Draw) and reason == Reason.NO_BEACON and (self.has_beacon or not self._terms.beacon):
            raise Broken("refusals: the draw waits for a beacon, it is said, and has it")

    def joined(self, event: e.Joined, now_ms: int) -> None:
        if self.closed:
            raise Broken(f"draw: {event.first} entered behind the close")
        super().joined(event, now_ms)

    def entries_closed(self, event: k.EntriesClosed, now_ms: int) -> None:
        self.closed = True

    def beacon_given(self, event: k.BeaconGiven, now_ms: int) -> None:
        self.has_beacon = True

    def drew(self, event: k.Drawn, now_ms: int) -> None:
        if event.at < self._draw_at() and not self.by_hand:
            raise Broken(f"draw: it was drawn at {event.at}, and is due at {self._draw_at()}")
        self.drawn = self.reserve = True

    def not_drawn(self, event: k.NotDrawn, now_ms: int) -> None:
        self.reserve = False
        for ticket in [ticket for ticket in self.waiting if ticket not in event.kept]:
            self.forget(ticket)

    ACTS: ClassVar[dict[type, Any]] = CountedPath.ACTS | {
        e.Joined: joined,
        k.EntriesClosed: entries_closed,
        k.BeaconGiven: beacon_given,
        k.Drawn: drew,
        k.NotDrawn: not_drawn,
    }
