"""The one shape of all distributions: each is one file that says, in this order, what its kind does otherwise.

A distribution decides who may join, what its own commands do, and who is next. It owns only what its kind adds to the
common state; tickets, windows, offers, metering, stock and phases belong to the path that it serves, and it changes
them through that alone. What stands here is what most kinds do; the queue is almost nothing else. One contract suite
(``tests/engine/test_contract.py``) runs against all of them.

A refusal is a value and changes nothing: ``act_refusal`` is asked first, and only then ``act`` is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.core.ticket import COMPLETED
from protocol.refusals import Reason, Refusal

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path
    from protocol import documents
    from protocol.states import Phase


class Distribution:
    """How a path gives out admissions. ``TAKES``: the commands of its own; ``HALTED``: those of them that are refused
    while the path is paused; ``FIXED``: the settings that do not change while there are live tickets;
    ``FEEDS``: whether a window that lapses is something for the attached waitlist."""

    TAKES: ClassVar[tuple[type, ...]] = ()
    HALTED: ClassVar[tuple[type, ...]] = ()
    FIXED: ClassVar[tuple[str, ...]] = ()
    FEEDS: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self._path = path

    # Settings and phases

    def configure(self, settings: documents.Path) -> None:
        """Other settings hold from now on; those of the path are still the old ones."""

    def changed_fields(self, settings: documents.Path) -> list[str]:
        """Which settings these would change that hold for the live tickets there are."""
        before, after = self._path.settings.distribution, settings.distribution
        return [field for field in self.FIXED if getattr(before, field) != getattr(after, field)]

    def begun(self, journal: Journal) -> None:
        """The path was made a moment ago."""

    def configured(self, at: int, journal: Journal) -> None:
        """Other settings hold since a moment ago, those of the schedule as well."""

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        """The path has just come into ``phase``."""

    def paused(self, at: int) -> None:
        """The merchant has paused the path."""

    def resumed(self, at: int, journal: Journal) -> None:
        """The pause is over."""

    def closes(self) -> bool:
        """Whether, by itself, it takes no more joins from now on."""
        return False

    def is_over(self) -> bool:
        """Whether a path that takes no more joins has nothing left to do: it ends."""
        return not self._path.has_live

    def ended(self, at: int, journal: Journal) -> None:
        """The merchant has ended the path: what is not a window or a booking is lost. Those who wait are already."""

    # Joining and acting

    def open_refusal(self) -> Refusal | None:
        """Why the merchant cannot open it any more, or None."""
        return None

    def closed_refusal(self) -> Refusal:
        """Why nobody can join any more."""
        return Refusal(Reason.CLOSED, {"path": self._path.id})

    def takes_everybody(self) -> bool:
        """Whether ``join_refusal`` says nothing, however many come; asked where joins are taken in together."""
        return False

    def join_refusal(self) -> Refusal | None:
        """Why nobody can join now although the path takes joins, or None."""
        if self._path.sold_out and not self._path.may_return:
            return Refusal(Reason.SOLD_OUT, {"path": self._path.id})
        return None

    def leave_refusal(self, ticket: int) -> Refusal | None:
        """Why the waiting ``ticket`` cannot be given up now, or None."""
        return None

    def act_refusal(self, command: Any, ticket: int | None, at: int) -> Refusal | None:
        """Why a command in ``TAKES`` cannot be done, or None. ``ticket``: the consumer's live one; None where a new
        one would be taken, or where the command is the merchant's."""
        return None

    def act(self, command: Any, ticket: int | None, at: int, journal: Journal) -> dict[str, Any] | None:
        """Do it; answers what its sender is told beyond the events."""
        return None

    # Time

    def next_deadline_ms(self) -> int | None:
        """When something of the kind's own happens by itself next, or None."""
        return None

    def fire(self, at: int, journal: Journal) -> None:
        """Do what is due at ``at``."""

    def stepped(self, now_ms: int) -> None:
        """A step has come to ``now_ms``: what takes more than one goes on some time after it."""

    def moved(self, gap_ms: int, closing_before_ms: int | None, journal: Journal) -> None:
        """An outage of ``gap_ms`` is ours: own deadlines before ``closing_before_ms`` (None: all) move by it."""

    # Turns

    def supply(self) -> tuple[bool, bool]:
        """(is nothing left to give out, may it come back)."""
        return self._path.shelves_empty()

    def sold_out(self, at: int, journal: Journal) -> None:
        """Nothing is left to give out, and nothing comes back: those who wait are lost."""
        self._path.lose_waiting("sold_out", at, journal)

    def freed(self, source: str, cause: str, count: int, slot: str = "") -> None:
        """``count`` units of the path ``source``, this one or the one that it is attached to, are free again because of
        ``cause``; one place in ``slot``, which is kept, where that is named."""

    def taken(self, count: int, left: int) -> None:
        """The path that this is attached to gave out ``count`` units to those who come first; ``left`` are free."""

    def restocked(self, count: int) -> None:
        """``count`` units of what the path sells are new."""

    def give_turns(self, at: int, journal: Journal) -> None:
        """Give what is free in the kind's own way, before whoever is next is admitted."""

    def hoping(self) -> int:
        """How many here would take what becomes free, now or when it is their turn."""
        choices, tickets = self._path.choices, self._path.tickets
        return tickets.waiting if choices is None or choices.first(tickets) is not None else 0

    def in_line(self) -> int:
        """How many can be admitted now, but for the meters, the caps and the stock."""
        raise NotImplementedError

    def next_ticket(self) -> int | None:
        """The ticket that is admitted next, or None."""
        raise NotImplementedError

    def out_of_line(self, ticket: int) -> None:
        """``ticket``, which waited or had a window or an offer, is admitted, has left or was turned away."""

    def bought(self, ticket: int, at: int, journal: Journal) -> None:
        """``ticket``, which had a window, has paid."""
        self._path.tickets.move(ticket, COMPLETED)

    def turns_had(self, ticket: int) -> int:
        """How many windows of ``ticket`` have ended in a purchase before it waits for the next one."""
        return 0

    def price(self, ticket: int) -> int | None:
        """What the holder pays, in minor units; None = as it stands in the document."""
        return None

    def returned(self, ticket: int) -> None:
        """``ticket`` waits again after a missed turn."""

    def details(self, ticket: int) -> dict[str, Any]:
        """What the holder of ``ticket`` is told beyond its state and window."""
        choices, offer = self._path.choices, self._path.offers.open.get(ticket)
        details: dict[str, Any] = {}
        if choices is not None and ticket in choices.wanted:
            details["wanted"] = choices.wanted[ticket]
        if offer is not None:
            details |= {"offer": offer.offer.hex(), "claim_by": offer.claim_by, "claimed": offer.claimed}
            details |= {"slot": offer.slot} if offer.slot else {}
        return details

    # Snapshots

    def snapshot(self) -> list[Any]:
        """What ``restore`` needs, as plain data."""
        return []

    def restore(self, data: list[Any]) -> None:
        """Take the state of a snapshot."""
