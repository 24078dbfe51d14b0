"""What a queue tells beside what all kinds do: nothing of its own. When the order of its lobby is drawn, those who were
there have a place, and are told it as positions are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from gateway.fact import Fact
from gateway.kinds.base import KindTelling
from protocol.kind_events import Drawn


class QueueTelling(KindTelling):
    """Positions are told by `gateway.rounds`."""

    def _drawn(self, event: Drawn, now_ms: int) -> Iterator[Fact]:
        self._people.seats(event.path).pacing.move()
        return iter(())

    FACTS: ClassVar[dict[type, Callable[[Any, Any, int], Iterator[Fact]]]] = {Drawn: _drawn}
