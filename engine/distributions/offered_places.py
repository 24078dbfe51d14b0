"""What a waitlist does with the places in slots that an appointment keeps for it: they are offered, booked, given back.

Hands over to: the appointment that the waitlist is attached to (``engine.core.kept`` are the words between them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.kept import GiveBackKept, TakeKept
from engine.distributions.appointment import Appointment
from protocol.distributions import Appointment as Terms
from protocol.refusals import Reason, Refusal
from protocol.slots import slots_of

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path


class OfferedPlaces:
    """The places kept for the waitlist ``path``. A slot that is "" is none: what is offered is no place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def are_due(self) -> bool:
        """Whether it is for places that this waitlist is there: an appointment feeds it."""
        return self._keeper() is not None

    def ends_at(self, slot: str, claim_by: int) -> int:
        """Until when a place in ``slot`` can be claimed: until it begins, at the latest."""
        terms = None if self._path.source is None else self._path.source.settings.distribution
        return min(claim_by, slots_of(terms)[slot]) if slot and isinstance(terms, Terms) else claim_by

    def can_be_had(self, slot: str, at: int) -> bool:
        """Whether a place in ``slot`` can be booked by somebody."""
        keeper = self._keeper()
        return not slot or (keeper is not None and keeper.act_refusal(TakeKept(slot, b"", 1), None, at) is None)

    def refusal(self, slot: str, ticket: int, at: int) -> Refusal | None:
        """Why the holder of ``ticket`` cannot book a place in ``slot``, or None."""
        keeper = self._keeper()
        if keeper is None:
            return Refusal(Reason.GONE, {"path": self._path.id})
        return keeper.act_refusal(self._wanted(slot, ticket), self._live_there(ticket), at)

    def book(self, slot: str, ticket: int, at: int, journal: Journal) -> None:
        """Whoever claims it with ``ticket`` has booked it."""
        keeper = self._keeper()
        assert keeper is not None, "it was asked before"
        self._path.take_elsewhere(ticket, at, journal)
        keeper.act(self._wanted(slot, ticket), self._live_there(ticket), at, journal)

    def give_back(self, slot: str, at: int, journal: Journal) -> None:
        """A place is free again for everybody."""
        keeper = self._keeper()
        if keeper is not None:
            keeper.act(GiveBackKept(slot), None, at, journal)

    def _wanted(self, slot: str, ticket: int) -> TakeKept:
        return TakeKept(slot, self._path.tickets.consumer(ticket), self._path.tickets.hats[ticket])

    def _live_there(self, ticket: int) -> int | None:
        """The live ticket, in the path that this is attached to, of whoever holds ``ticket`` here."""
        source = self._path.source
        return None if source is None else source.tickets.live(self._path.tickets.consumer(ticket))

    def _keeper(self) -> Appointment | None:
        """The appointment that keeps places for this waitlist, if it is attached to one."""
        there = None if self._path.source is None else self._path.source.distribution
        return there if isinstance(there, Appointment) else None
