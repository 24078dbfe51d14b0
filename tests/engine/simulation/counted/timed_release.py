"""A timed release as the recount has it: who has claimed is in line, and nobody is told "not yet" once it is open."""

from __future__ import annotations

from typing import Any, ClassVar

from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.documents import Path
from protocol.refusals import Reason
from tests.engine.simulation.counted.path import CountedPath
from tests.engine.simulation.world import Broken


class CountedTimedRelease(CountedPath):
    """``claims``: who has claimed and waits."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.claims: dict[int, None] = {}

    @property
    def line(self) -> list[int]:
        return list(self.claims)

    def forget(self, ticket: int) -> None:
        super().forget(ticket)
        self.claims.pop(ticket, None)

    def refused(self, command: c.Command, reason: str, detail: dict[str, Any], now_ms: int) -> None:
        if isinstance(command, c.Claim) and reason == Reason.NOT_OPEN and self.phase not in ("scheduled", "lobby"):
            raise Broken(f"refusals: a claim was too early, and the path is {self.phase}")

    def returned(self, event: e.Returned, now_ms: int) -> None:
        super().returned(event, now_ms)
        self.claims[event.ticket] = None

    def claimed(self, event: k.Claimed, now_ms: int) -> None:
        if self.phase != "open":
            raise Broken(f"claims: {event.ticket} claimed while the path was {self.phase}")
        self.claims[event.ticket] = None

    ACTS: ClassVar[dict[type, Any]] = CountedPath.ACTS | {k.Claimed: claimed}
