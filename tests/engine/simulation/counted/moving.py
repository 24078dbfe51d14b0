"""What the recount knows of both styles of an auction: a time in which nobody could bid is given back, to the ms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from protocol import events as e
from protocol import kind_events as k
from protocol.documents import Path
from tests.engine.simulation.counted.path import CountedPath, Outage
from tests.engine.simulation.world import Broken


class CountedMoving(CountedPath):
    """``stopped_at``: since when a pause holds it up, or since when it is open. ``next_drop_at``: of the price."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.stopped_at = 0
        self.next_drop_at: int | None = None

    def moves(self, outage: Outage) -> Iterator[tuple[tuple[str, int], int | None]]:
        yield from super().moves(outage)
        if self.phase in ("scheduled", "lobby", "open") and not (self.phase == "open" and self.paused):
            yield from self._clock(outage)

    def _clock(self, outage: Outage) -> Iterator[tuple[tuple[str, int], int | None]]:
        """Where the end and the next drop go, if any of them moves."""
        moved = [_later(instant, outage) for instant in (self.closes_at, self.next_drop_at)]
        if moved != [self.closes_at, self.next_drop_at]:
            yield ("end", 0), moved[0]
            yield ("drop", 0), moved[1]

    def conclude(self, now_ms: int, room: float) -> None:
        super().conclude(now_ms, room)
        if self.phase == "open" and not self.paused:
            for what, instant in (("end", self.closes_at), ("drop", self.next_drop_at)):
                if instant is not None and instant <= now_ms:
                    raise Broken(f"deadlines: the {what} of an auction was due at {instant}, it is {now_ms}")

    def changed_phase(self, event: e.PhaseChanged, now_ms: int) -> None:
        was_open = self.phase == "open"
        super().changed_phase(event, now_ms)
        if event.phase == "open" and not was_open:
            self.stopped_at = event.at

    def changed_pause(self, event: e.PauseChanged, now_ms: int) -> None:
        super().changed_pause(event, now_ms)
        if event.paused:
            self.stopped_at = event.at
        elif self.phase == "open":
            self.due_moves |= dict(self._clock(Outage(event.at - self.stopped_at, float("inf"))))

    def moved_end(self, event: k.EndMoved, now_ms: int) -> None:
        self.moved("end", 0, event.ends_at)
        self.moved("drop", 0, event.next_drop_at)
        self.closes_at, self.next_drop_at = event.ends_at, event.next_drop_at

    ACTS: ClassVar[dict[type, Any]] = CountedPath.ACTS | {
        e.PhaseChanged: changed_phase,
        e.PauseChanged: changed_pause,
        k.EndMoved: moved_end,
    }


def _later(instant: int | None, outage: Outage) -> int | None:
    return instant if instant is None or instant >= outage.before else instant + outage.gap_ms
