"""One path as the log tells it, and what is promised of every kind, where it is not said otherwise: the first place
is next.

Hands over to: the kinds, which say otherwise who is next, and check what only their events tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, ClassVar

from engine.audits.promises import Broken, Shelves, SpanMeter
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import max_admissions_of, rate_of
from protocol.documents import Path
from protocol.kinds.base import KindReplica
from protocol.states import LIVE, TicketState

_GIVEN_UP = frozenset({TicketState.WAITING, TicketState.OFFERED, TicketState.ADMITTED, TicketState.REDEEMED})
_SPENT = frozenset({TicketState.COMPLETED, TicketState.REFUSED})
_LOST = frozenset({TicketState.WAITING, TicketState.OFFERED, TicketState.HELD})


class AuditedPath:
    """``waitlist``: the path of the waitlist that is attached to this one, whose windows count here as well.
    ``places``: the tickets of the first places, where an order was drawn; behind them a place is a ticket."""

    CHECKS: ClassVar[dict[type, Any]] = {}

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        self.settings = settings
        self.shelves = shelves
        self.phase = "scheduled"
        self.paused = False
        self.closes_at: int | None = None
        self.waitlist: AuditedPath | None = None
        self.states: list[TicketState] = []
        self.consumers: list[bytes] = []
        self.hats: list[int] = []
        self.latest: dict[bytes, int] = {}
        self.spent: dict[bytes, int] = {}
        self.windows: dict[int, int] = {}
        self.completed = 0
        self.admitted = 0
        self.by_hand = 0
        self.times: list[int] = []
        self.choices: dict[int, str] = {}
        self.allotted: dict[int, str] = {}
        self.places: list[int] = []
        self._place: dict[int, int] = {}
        self._waiting: list[int] = []
        self.meter = SpanMeter(rate_of(settings.distribution), settings.distribution.burst_ms)

    def resume(self, states: bytes, consumers: list[bytes], windows: dict[int, int], completed: int) -> None:
        """These are the tickets that there are already; when the admitted ones were is not known any more."""
        self.states = [TicketState(state) for state in states]
        self.consumers, self.windows, self.completed = consumers, windows, completed
        self.latest = {consumer: ticket for ticket, consumer in enumerate(consumers)}
        self._waiting = [ticket for ticket, state in enumerate(self.states) if state == TicketState.WAITING]
        self.spent = Counter(consumers[ticket] for ticket, state in enumerate(self.states) if state in _SPENT)

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        """What a snapshot says of the kind: ``own``, as its distribution stores it, and the open ``offers``."""

    def resume_promise(self, seen: KindReplica) -> None:
        """What was told of the kind before, as a reader keeps it."""

    def limit(self, settings: Path) -> None:
        """Another rate or other caps: a new part of the metering begins."""
        before, self.settings = self.settings.distribution, settings
        if settings.product_selection != "consumer":
            self.choices = {}
        terms = settings.distribution
        if (rate_of(before), before.burst_ms) != (rate_of(terms), terms.burst_ms):
            self.meter = SpanMeter(rate_of(terms), terms.burst_ms)

    # Who is next

    def next_turn(self, candidate: int) -> int | None:
        """The ticket that must be admitted next: the first that waits for something that is left."""
        return self.first_of(self.all_waiting(), candidate) if self.choices else self.first_waiting()

    def first_of(self, line: list[int], candidate: int) -> int | None:
        """Who of ``line`` is to be served first: ``candidate``, if it may be, else the first who could be for sure."""
        for ticket in line:
            wanted = self.choices.get(ticket, "")
            if self.shelves.has(wanted) or (ticket == candidate and self.shelves.may_have(wanted)):
                return ticket
        return None

    def first_waiting(self) -> int | None:
        """The ticket of the first place that waits."""
        while self._waiting:
            place = self._waiting[0]
            ticket = self.places[place] if place < len(self.places) else place
            if self.states[ticket] == TicketState.WAITING:
                return ticket
            heappop(self._waiting)
        return None

    def all_waiting(self) -> list[int]:
        """Every ticket that waits, in order of the places."""
        line = (*self.places, *range(len(self.places), len(self.states)))
        return [ticket for ticket in line if self.states[ticket] == TicketState.WAITING]

    def line_up(self, tickets: list[int]) -> None:
        """The first places are those of ``tickets``."""
        self.places, self._place = tickets, {ticket: place for place, ticket in enumerate(tickets)}
        self._waiting = [self._place.get(ticket, ticket) for ticket in self.all_waiting()]

    def active(self) -> int:
        """How many windows are open, with the offers that count as one."""
        return len(self.windows)

    def places_offered(self) -> list[str]:
        """The slots of an appointment in which places are offered, once for each offer."""
        return []

    # What happens to tickets

    def join(self, ticket: int, consumer: bytes, hats: int) -> None:
        """A new ticket."""
        if ticket != len(self.states):
            raise Broken(f"ticket {ticket} joined behind {len(self.states)} tickets")
        before = self.latest.get(consumer)
        if before is not None and self.states[before] in LIVE:
            raise Broken(f"tickets {before} and {ticket} are both live and of one consumer")
        if self.spent.get(consumer, 0) >= self.settings.joins_per_consumer:
            raise Broken(f"ticket {ticket} is of a consumer who has had all that one can have")
        self.states.append(TicketState.WAITING)
        self.consumers.append(consumer)
        self.hats.append(hats)
        self.latest[consumer] = ticket
        heappush(self._waiting, ticket)
        self.code_is_used()

    def code_is_used(self) -> None:
        """One more is live: no more than the access code allows. Raises Broken."""
        code = self.settings.access_code
        if code is not None and code.max_uses is not None:
            uses = sum(state in LIVE or state == TicketState.COMPLETED for state in self.states)
            if uses > code.max_uses:
                raise Broken(f"{uses} use the access code, which may be used {code.max_uses} times")

    def admit(self, ticket: int, event: e.Admitted) -> bool:
        """A window opens; answers whether it is one more than was counted, and not what an offer has kept."""
        first = self.next_turn(ticket)
        if ticket != first:
            raise Broken(f"ticket {ticket} was admitted, but {first} was the first that waits")
        is_new = self.states[ticket] == TicketState.WAITING
        if is_new:
            self.shelves.move(self.allotted.get(ticket, ""), -1)
        self.states[ticket] = TicketState.ADMITTED
        self.windows[ticket] = event.expires_at
        self.admitted += 1
        self.times.append(event.at)
        if event.by_hand:
            self.by_hand += 1
        else:
            self.meter.admit(event.at)
        return is_new

    def caps(self) -> None:
        """The caps hold. Raises Broken."""
        terms, most = self.settings.distribution, max_admissions_of(self.settings.distribution)
        active = self.active() + (self.waitlist.active() if self.waitlist else 0)
        if terms.max_active is not None and active > terms.max_active:
            raise Broken(f"{active} windows are open, max_active is {terms.max_active}")
        held = active + self.completed + (self.waitlist.completed if self.waitlist else 0)
        if most is not None and held > most:
            raise Broken(f"{held} are open or completed, max_admissions is {most}")

    def expect(self, ticket: int, states: Iterable[TicketState]) -> None:
        """Raises Broken where the ticket is in none of ``states``."""
        if self.states[ticket] not in states:
            raise Broken(f"ticket {ticket} was {self.states[ticket].word}")

    def close(self, ticket: int, state: TicketState) -> None:
        """The ticket waits no more and has no window, or no longer this one; what it had is there again."""
        if self.windows.pop(ticket, None) is not None and state != TicketState.COMPLETED:
            self.shelves.move(self.allotted.get(ticket, ""), 1)
        self.allotted.pop(ticket, None)
        self.states[ticket] = state
        if state in _SPENT:
            consumer = self.consumers[ticket]
            self.spent[consumer] = self.spent.get(consumer, 0) + 1

    def expired(self, event: e.Expired) -> None:
        for ticket in event.tickets:
            self.expect(ticket, {TicketState.ADMITTED, TicketState.REDEEMED})
            if event.at < self.windows[ticket]:
                raise Broken(f"ticket {ticket} expired {self.windows[ticket] - event.at} ms before its window's end")
            self.close(ticket, TicketState.EXPIRED)

    def left(self, event: e.Left) -> None:
        self.expect(event.ticket, _GIVEN_UP)
        self.close(event.ticket, TicketState.LEFT)

    def refused(self, event: e.TicketRefused) -> None:
        self.expect(event.ticket, {TicketState.WAITING})
        self.close(event.ticket, TicketState.REFUSED)

    def redeemed(self, event: e.Redeemed) -> None:
        self.expect(event.ticket, {TicketState.ADMITTED})
        self.states[event.ticket] = TicketState.REDEEMED

    def complete(self, event: e.Completed) -> None:
        self.expect(event.ticket, {TicketState.ADMITTED, TicketState.REDEEMED})
        self.close(event.ticket, TicketState.COMPLETED)
        self.completed += 1

    def wait_again(self, ticket: int, states: Iterable[TicketState]) -> None:
        """The ticket, which was in one of ``states``, waits at its old place."""
        self.expect(ticket, states)
        self.states[ticket] = TicketState.WAITING
        heappush(self._waiting, self._place.get(ticket, ticket))

    def returned(self, event: e.Returned) -> None:
        self.wait_again(event.ticket, (TicketState.EXPIRED,))
        self.code_is_used()

    def window_moved(self, event: e.WindowMoved) -> None:
        if event.expires_at <= self.windows[event.ticket]:
            raise Broken(f"the window of ticket {event.ticket} was cut short")
        self.windows[event.ticket] = event.expires_at

    def waiting_lost(self, event: e.WaitingLost) -> None:
        for ticket in self.all_waiting():
            self.close(ticket, TicketState.LOST)

    def tickets_lost(self, event: k.TicketsLost) -> None:
        for ticket in event.tickets:
            self.expect(ticket, _LOST)
            self.close(ticket, TicketState.LOST)

    def chosen(self, event: k.Chosen) -> None:
        self.expect(event.ticket, {TicketState.WAITING})
        self.choices[event.ticket] = event.variant

    def allot(self, event: k.Allotted) -> None:
        self.allotted.update(zip(event.tickets, event.variants, strict=True))

    def pause_changed(self, event: e.PauseChanged) -> None:
        self.paused = event.paused

    def phase_changed(self, event: e.PhaseChanged) -> None:
        self.phase, self.closes_at = event.phase, event.closes_at
