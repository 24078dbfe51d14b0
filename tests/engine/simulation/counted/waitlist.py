"""A waitlist as the recount has it: who has claimed an offer is in line; whoever is passed over is so for a reason that
is true, and nobody is told that an offer is gone which was kept for them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from protocol import commands as c
from protocol import kind_events as k
from protocol.documents import Path
from protocol.refusals import Reason
from tests.engine.simulation.counted.path import CountedPath
from tests.engine.simulation.world import Broken


class CountedWaitlist(CountedPath):
    """``claims``: whose offers are claimed."""

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
        if isinstance(command, c.Claim) and reason == Reason.GONE:
            kept = [one for one, offer in self.offers.items() if offer.reserved]
            if any(self.consumers[ticket] == command.consumer for ticket in kept):
                raise Broken("refusals: a unit was gone that was kept for whoever claims it")

    def claimed(self, event: k.Claimed, now_ms: int) -> None:
        self.claims[event.ticket] = None
        offer = self.offers[event.ticket]
        offer.claimed = offer.reserved = True

    def offered(self, event: k.Offered, now_ms: int) -> None:
        super().offered(event, now_ms)
        for ticket in event.tickets:
            if self._is_admitted_there(ticket):
                raise Broken(f"offers: {ticket} was offered what its holder has already")

    def passed_over(self, event: k.OfferSkipped, now_ms: int) -> None:
        if event.reason == "already_admitted" and not self._is_admitted_there(event.ticket):
            raise Broken(f"skips: {event.ticket} was passed over as admitted, and is not")

    def _is_admitted_there(self, ticket: int) -> bool:
        source = self.source
        return source is not None and any(source.consumers[one] == self.consumers[ticket] for one in source.windows)

    ACTS: ClassVar[dict[type, Any]] = CountedPath.ACTS | {
        k.Claimed: claimed,
        k.Offered: offered,
        k.OfferSkipped: passed_over,
    }
