"""What a queue tells beside what all kinds do: nothing of its own, but two things go with positions. When the order of
its lobby is drawn, those who were there have a place; and where people choose, whoever wants what is not free is told
that they were passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from gateway.fact import Fact
from gateway.kinds.base import KindTelling
from protocol.kind_events import Drawn
from protocol.path_replica import PathReplica


class QueueTelling(KindTelling):
    """Positions are told by `gateway.rounds`."""

    def served(self, path: PathReplica, tickets: list[int]) -> None:
        if path.settings.product_selection == "consumer":
            self._people.seats(path.settings.id).pacing.serve(path.roster, tickets)

    def _drawn(self, event: Drawn, now_ms: int) -> Iterator[Fact]:
        self._people.seats(event.path).pacing.move()
        return iter(())

    FACTS: ClassVar[dict[type, Callable[[Any, Any, int], Iterator[Fact]]]] = {Drawn: _drawn}
