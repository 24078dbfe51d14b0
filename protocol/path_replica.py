"""What a reader of the events knows of one path: its schedule, its roster, one state byte a ticket, its open windows
and offers, its recent admissions; and what only its kind tells (``protocol.kinds``).

Hands over to: ``protocol.replica``, which has the paths of an experience and reads its log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from msgspec import Struct

from protocol.distributions import FORGIVING, kind_of
from protocol.documents import Path
from protocol.kinds import REPLICAS
from protocol.roster import Roster
from protocol.states import Phase, TicketState
from protocol.waits import Waits

RATE_SPAN_MS = 60_000


class OpenWindow(Struct, frozen=True, gc=False):
    """An admission whose checkout window is open."""

    admission: bytes
    kid: str
    admitted_at: int
    expires_at: int
    variant: str = ""
    price: int | None = None


class OpenOffer(Struct, frozen=True, gc=False):
    """Something that a ticket may claim until ``claim_by``. ``price`` in minor units, None = as in the document.
    ``slot``: where a place is kept for it ("" = nowhere). ``reserved``: a unit is kept from the start, not from the
    claim on."""

    offer: bytes
    claim_by: int
    variant: str
    price: int | None
    claimed: bool = False
    slot: str = ""
    reserved: bool = False


class PathReplica:
    """One path: its schedule, its roster, one state byte a ticket, its open windows, its recent admissions."""

    def __init__(self, settings: Path) -> None:
        self.settings = settings
        self.phase: str = Phase.SCHEDULED
        self.opens_at = settings.opens_at
        self.closes_at = settings.closing
        self.paused = False
        self.ended_by_hand = False
        self.sold_out = False
        self.was_sold_out = False
        self.may_return = False
        self.roster = Roster()
        self.states = bytearray()
        self.hats = bytearray()
        self.windows: dict[int, OpenWindow] = {}
        self.offers: dict[int, OpenOffer] = {}
        self.choices: dict[int, str] = {}
        self.allotted: dict[int, tuple[str, int | None]] = {}
        self.forgiven: dict[int, None] = {}
        self.admitted = 0
        self.completed = 0
        self.expired = 0
        self.waits = Waits()
        self.recent: deque[tuple[int, int]] = deque()
        self.kind = REPLICAS[kind_of(settings.distribution)](self)

    @property
    def tickets(self) -> int:
        """How many tickets were ever taken."""
        return len(self.states)

    @property
    def given(self) -> int:
        """How many units are given out: those bought, those of open windows, and those kept for offers."""
        kept = sum(offer.reserved or offer.claimed for offer in self.offers.values())
        return self.completed + len(self.windows) + kept

    def state(self, ticket: int) -> TicketState:
        """The state of a ticket that exists."""
        return TicketState(self.states[ticket])

    def may_rejoin(self, ticket: int) -> bool:
        """Whether a missed turn of this ticket can still be forgiven, as far as the log tells. A path ended by hand
        forgives none from then on, although it is still settling; where nobody waited, the log does not tell that
        from a close."""
        missed = self.states[ticket] == TicketState.EXPIRED and ticket not in self.forgiven
        kept = self.settings.keep_place_once and kind_of(self.settings.distribution) in FORGIVING
        return missed and kept and self.phase in (Phase.OPEN, Phase.SETTLING) and not self.ended_by_hand

    def admissions_since(self, since_ms: int) -> int:
        """How many were admitted by the rate at or after ``since_ms``, at most ``RATE_SPAN_MS`` back."""
        return sum(count for at, count in self.recent if at >= since_ms)

    def count_recent(self, at: int, count: int) -> None:
        """``count`` were admitted by the rate at ``at``; what is older than ``RATE_SPAN_MS`` is forgotten."""
        self.recent.append((at, count))
        while self.recent[0][0] < at - RATE_SPAN_MS:
            self.recent.popleft()

    def close_ticket(self, ticket: int, state: TicketState) -> None:
        """The ticket waits no more and has no window, or no longer this one."""
        if self.states[ticket] == TicketState.WAITING:
            self.roster.remove(ticket)
        self.windows.pop(ticket, None)
        self.offers.pop(ticket, None)
        self.states[ticket] = state

    def lose_waiting(self, kept: Collection[int] = ()) -> None:
        """Everybody who waits is lost, but for ``kept``, who wait."""
        for ticket in self.roster.waiting_tickets().tolist():
            self.states[ticket] = TicketState.LOST
        self.roster.clear()
        for ticket in kept:
            self.wait_again(ticket)

    def wait_again(self, ticket: int) -> None:
        """The ticket waits, at its old place."""
        self.states[ticket] = TicketState.WAITING
        self.roster.restore(ticket)
