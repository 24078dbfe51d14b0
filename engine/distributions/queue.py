"""The queue: first come, first served, but for the lobby, whose order the lottery draws at the opening.

Each admission is the first place that waits; a place is a ticket, until a lobby orders them (``lobby``). Everything
before ``head`` does not wait, so finding the next one costs nothing as long as people are served in order; a forgiven
missed turn moves the head back to that place. Where people choose what they want, the first of those is next who want
something that is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.core.schedule import SERVING
from engine.core.ticket import WAITING
from engine.distributions.base import Distribution
from engine.distributions.lobby import Lobby
from protocol import documents
from protocol.distributions import capacity_of
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path


class Queue(Distribution):
    """State: ``head``, a place before which nobody waits; the ``lobby``, where there is one.

    Not part of it: ``line``, one byte for each place that a lobby arranged, 0 where nobody waits for sure."""

    FIXED = ("loyalty_bias", "hats_max", "points_per_hat")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._head = 0
        self._lobby: Lobby | None = None
        self._line = bytearray()
        self._capacity = capacity_of(path.settings.distribution)

    def configure(self, settings: documents.Path) -> None:
        self._capacity = capacity_of(settings.distribution)

    def begun(self, journal: Journal) -> None:
        if self._path.settings.lobby_opens_at is not None:
            self._have_lobby(journal)

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        if phase == Phase.LOBBY:
            self._have_lobby(journal).gathers = True
        elif self._lobby is not None:
            if self._lobby.gathers and phase in SERVING and not self._path.ended_by_hand:
                self._lobby.close(at, journal)
            elif phase == Phase.ENDED:
                self._lobby.put_away()

    def ended(self, at: int, journal: Journal) -> None:
        if self._lobby is not None:
            self._lobby.put_away()

    def takes_everybody(self) -> bool:
        return self._capacity is None and not self._path.sold_out

    def join_refusal(self) -> Refusal | None:
        if refusal := super().join_refusal():
            return refusal
        if self._capacity is not None and self._path.tickets.waiting >= self._capacity:
            return Refusal(Reason.FULL, {"capacity": self._capacity})
        return None

    def next_deadline_ms(self) -> int | None:
        return None if self._lobby is None else self._lobby.next_ms

    def fire(self, at: int, journal: Journal) -> None:
        if self._lobby is not None:
            self._lobby.go_on(at, journal)

    def stepped(self, now_ms: int) -> None:
        if self._lobby is not None:
            self._lobby.stepped(now_ms)

    def in_line(self) -> int:
        return 0 if self._lobby is not None and self._lobby.is_drawing else self._path.tickets.waiting

    def next_ticket(self) -> int | None:
        if self._path.choices is not None:
            return self._path.choices.first(self._path.tickets)
        if self._head < len(self._path.places.order) and (first := self._next_arranged()) is not None:
            return first
        tickets = self._path.tickets
        ticket = tickets.next_waiting(self._head)
        self._head = len(tickets) if ticket is None else ticket
        return ticket

    def returned(self, ticket: int) -> None:
        place = self._path.places.of(ticket)
        self._head = min(self._head, place)
        if place < len(self._line):
            self._line[place] = True

    def snapshot(self) -> list[Any]:
        return [self._head] if self._lobby is None else [self._head, self._lobby.snapshot()]

    def restore(self, data: list[Any]) -> None:
        self._head, *lobby = data
        if lobby:
            self._lobby = Lobby(self._path)
            self._lobby.restore(lobby[0])

    # The lobby

    def _have_lobby(self, journal: Journal) -> Lobby:
        if self._lobby is None:
            self._lobby = Lobby(self._path)
            self._lobby.commit(journal)
        return self._lobby

    def _next_arranged(self) -> int | None:
        """The ticket of the first place that waits of those that were arranged, looked for at memory speed."""
        order, states = self._path.places.order, self._path.tickets.states
        if not self._line:
            self._line = bytearray(b"\1" * len(order))
        while (place := self._line.find(1, self._head)) >= 0:
            if states[order[place]] == WAITING:
                self._head = place
                return order[place]
            self._line[place] = False
        self._head = len(order)
        return None
