"""What a draw tells: to everybody who was in the hat how it came out, and to whoever moves up later that they have won.

`draw_result` comes once when it is drawn, and stands for the ticket from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from msgspec import UNSET

from gateway.fact import Fact, FactFrame
from gateway.kinds.base import KindTelling
from protocol.kind_events import Drawn
from protocol.kind_frames import DrawResultFrame
from protocol.kinds.draw import DrawReplica
from protocol.path_replica import PathReplica
from protocol.states import TicketState

_MOVED_UP = frozenset({TicketState.ADMITTED, TicketState.REDEEMED, TicketState.COMPLETED, TicketState.EXPIRED})
"""States that a ticket behind the winners reaches from its turn alone. Who has left may have had one or not: nothing is
told of how the draw came out for them, as they gave it up."""


class DrawTelling(KindTelling):
    """Places are worked out once a draw, when it is drawn and somebody is told of it first."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places: dict[DrawReplica, dict[int, int]] = {}

    def held(self, path: PathReplica, ticket: int, now_ms: int) -> Iterable[FactFrame]:
        kind = path.kind
        assert isinstance(kind, DrawReplica), "a draw has its own replica"
        known = ticket in self._places_of(kind) or path.state(ticket) != TicketState.LEFT
        if kind.secret and ticket < len(kind.hats) and kind.hats[ticket] and known:
            yield self._result(path, kind, ticket)

    def admitted(self, path: PathReplica, ticket: int) -> Iterable[FactFrame]:
        kind = path.kind
        assert isinstance(kind, DrawReplica), "a draw has its own replica"
        if ticket not in self._places_of(kind):
            yield self._result(path, kind, ticket)

    def _drawn(self, event: Drawn, now_ms: int) -> Iterator[Fact]:
        path = self._replica.paths[event.path]
        kind = path.kind
        assert isinstance(kind, DrawReplica), "a draw has its own replica"
        for ticket, person in self._waiting_here(event.path):
            yield Fact(person, self._result(path, kind, ticket))

    def _result(self, path: PathReplica, kind: DrawReplica, ticket: int) -> DrawResultFrame:
        place, state = self._places_of(kind).get(ticket), path.state(ticket)
        won = place is not None or state in _MOVED_UP
        return DrawResultFrame(
            path=path.settings.id,
            won=won,
            proof=f"/v1/experiences/{self._replica.experience}/paths/{path.settings.id}/proof",
            reserve=UNSET if won else kind.reserve and state == TicketState.WAITING,
            place=UNSET if place is None else place,
            winners=len(kind.winners),
            entrants=len(kind.hats) - kind.hats.count(0),
        )

    def _places_of(self, kind: DrawReplica) -> dict[int, int]:
        """Where the winners stand; before it is drawn nobody does, and that is not kept."""
        if not kind.secret:
            return {}
        places = self._places.get(kind)
        if places is None:
            places = self._places[kind] = {ticket: place for place, ticket in enumerate(kind.winners, 1)}
        return places

    FACTS: ClassVar[dict[type, Callable[[Any, Any, int], Iterator[Fact]]]] = {Drawn: _drawn}
