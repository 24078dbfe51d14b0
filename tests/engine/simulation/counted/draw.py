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
from tests.engine.simulation.counted.lots import CountedLots
from tests.engine.simulation.counted.path import Outage
from tests.engine.simulation.world import Broken


class CountedDraw(CountedLots):
    """``reserve``: others than the winners may still move up. ``by_hand``: the merchant has asked for the draw."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.has_beacon = False
        self.reserve = False
        self.by_hand = False

    @property
    def undecided(self) -> bool:
        return not self.drawn and self.phase != "ended"

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
        if self.reserve and self._is_over(now_ms):
            self.reserve = False
            changed = any(isinstance(command, c.SetReleaseRate | c.Configure) for command in self.asked)
            if len(self.waiting) > self.places_left and not changed:
                raise Broken(f"draw: {len(self.waiting)} hope for {self.places_left} places, nobody moves up any more")

    def is_due(self, now_ms: int) -> bool:
        held_up = self.phase != "settling" or self.paused or self.ended_by_hand
        return not held_up and (self.has_beacon or self._terms.beacon is None) and self._draw_at() <= now_ms

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

    def beacon_given(self, event: k.BeaconGiven, now_ms: int) -> None:
        self.has_beacon = True

    def drew(self, event: k.Drawn, now_ms: int) -> None:
        if event.at < self._draw_at() and not self.by_hand:
            raise Broken(f"draw: it was drawn at {event.at}, and is due at {self._draw_at()}")
        super().drew(event, now_ms)
        self.reserve = True

    def not_drawn(self, event: k.NotDrawn, now_ms: int) -> None:
        self.reserve = False
        for ticket in [ticket for ticket in self.waiting if ticket not in event.kept]:
            self.forget(ticket)

    ACTS: ClassVar[dict[type, Any]] = CountedLots.ACTS | {
        e.Joined: joined,
        k.BeaconGiven: beacon_given,
        k.NotDrawn: not_drawn,
    }
