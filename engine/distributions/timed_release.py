"""The timed release: at the opening everybody may claim, and claims are served in the order in which they came.

A ticket says that somebody is there (in the lobby, if there is one); only a claim puts it in line. The rate meters the
line, ``limit`` and the stock end it: then all who wait are lost at once, the path takes nobody any more, and what still
comes back is not theirs. Rules of §8, in what a waiting ticket may become:

    there     claim, from the opening on     → in line
    there     the path closes                → lost (ended)
    in line   its turn comes                 → admitted
    either    nothing is left                → lost (sold_out)
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.core.ticket import WAITING
from engine.distributions.base import Distribution
from protocol.commands import Claim
from protocol.kind_events import Claimed
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path


class TimedRelease(Distribution):
    """State: the waiting tickets that have claimed, in the order of their claims."""

    TAKES = (Claim,)
    HALTED = (Claim,)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._claims: OrderedDict[int, None] = OrderedDict()

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        if phase == Phase.OPEN:
            self._path.tell_supply(journal)
        elif phase == Phase.SETTLING:
            there = [ticket for ticket in self._path.tickets.all_waiting() if ticket not in self._claims]
            self._path.lose(there, "ended", at, journal)

    def closes(self) -> bool:
        return self._path.sold_out

    def ended(self, at: int, journal: Journal) -> None:
        self._claims.clear()

    def closed_refusal(self) -> Refusal:
        return Refusal(Reason.SOLD_OUT, {"path": self._path.id}) if self._path.sold_out else super().closed_refusal()

    def act_refusal(self, command: Claim, ticket: int | None, at: int) -> Refusal | None:
        path = self._path
        if path.phase == Phase.LOBBY:
            return Refusal(Reason.NOT_OPEN, {"path": path.id, "opens_at": path.opens_at})
        if ticket is not None and (path.tickets.states[ticket] != WAITING or ticket in self._claims):
            return Refusal(Reason.ALREADY_DONE, {"path": path.id, "state": path.tickets.state(ticket).word})
        return None

    def act(self, command: Claim, ticket: int | None, at: int, journal: Journal) -> dict[str, Any] | None:
        assert ticket is not None, "a claim has a ticket"
        self._claims[ticket] = None
        journal.add(Claimed(self._path.id, at, ticket))
        return None

    def supply(self) -> tuple[bool, bool]:
        path = self._path
        if path.sold_out and path.phase != Phase.OPEN:
            return True, False
        return super().supply()[0] or path.given_out(), False

    def sold_out(self, at: int, journal: Journal) -> None:
        """Whoever came back after a missed turn, for a unit that is free again, waits until it can be theirs."""
        path = self._path
        room = min(path.caps(), path.stock.free(path.variants))
        back = (ticket for ticket in self._claims if ticket in path.tickets.forgiven and path.is_free_for(ticket))
        self._claims = OrderedDict.fromkeys(islice(back, max(0, room)))
        if self._claims:
            path.lose([one for one in path.tickets.all_waiting() if one not in self._claims], "sold_out", at, journal)
        else:
            super().sold_out(at, journal)

    def hoping(self) -> int:
        return len(self._claims)

    def in_line(self) -> int:
        return len(self._claims)

    def next_ticket(self) -> int | None:
        return next((ticket for ticket in self._claims if self._path.is_free_for(ticket)), None)

    def out_of_line(self, ticket: int) -> None:
        self._claims.pop(ticket, None)

    def returned(self, ticket: int) -> None:
        self._claims[ticket] = None
        self._claims.move_to_end(ticket, last=False)

    def details(self, ticket: int) -> dict[str, Any]:
        return super().details(ticket) | ({"claimed": True} if ticket in self._claims else {})

    def snapshot(self) -> list[Any]:
        return list(self._claims)

    def restore(self, data: list[Any]) -> None:
        self._claims = OrderedDict.fromkeys(data)
