"""What a waitlist tells beside its offers: that its path has opened; where the same is offered to all, that others were
faster, or that something came back after all; and, with the position, that others were offered what one has not chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from gateway import told
from gateway.fact import Fact, FactFrame
from gateway.kinds.base import KindTelling
from protocol.kind_events import Announced, OfferSkipped, UnitsGone
from protocol.kind_frames import AnnouncedFrame
from protocol.kinds.waitlist import WaitlistReplica
from protocol.path_replica import PathReplica
from protocol.states import Phase, TicketState

NOT_FREE = "variant_not_free"
"""Why somebody is skipped who has chosen something else than what is offered."""


class WaitlistTelling(KindTelling):
    """Nothing is kept here; the opening is told again to whom it was told, while that path is open."""

    def held(self, path: PathReplica, ticket: int, now_ms: int) -> Iterable[FactFrame]:
        kind, source = path.kind, path.settings.attached_to
        assert isinstance(kind, WaitlistReplica), "a waitlist has its own replica"
        waits = ticket < kind.announced and path.state(ticket) == TicketState.WAITING
        if waits and source is not None and self._replica.paths[source].phase == Phase.OPEN:
            yield AnnouncedFrame(path.settings.id, source, now_ms)

    def _announced(self, event: Announced, now_ms: int) -> Iterator[Fact]:
        for _, person in self._waiting_here(event.path):
            yield Fact(person, AnnouncedFrame(event.path, event.source, now_ms))

    def _units_gone(self, event: UnitsGone, now_ms: int) -> Iterator[Fact]:
        path = self._replica.paths[event.path]
        unclaimed = [ticket for ticket, offer in path.offers.items() if not offer.claimed]
        for ticket, person in self._here(event.path, unclaimed):
            yield Fact(person, told.offer(path, ticket, now_ms))

    def _skipped(self, event: OfferSkipped, now_ms: int) -> Iterator[Fact]:
        person = self._people.owner(event.path, event.ticket)
        if event.reason == NOT_FREE and person is not None:
            self._people.seats(event.path).pacing.pass_over(person.number)
        return iter(())

    FACTS: ClassVar[dict[type, Callable[[Any, Any, int], Iterator[Fact]]]] = {
        Announced: _announced,
        UnitsGone: _units_gone,
        OfferSkipped: _skipped,
    }
