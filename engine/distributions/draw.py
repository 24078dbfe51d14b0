"""The draw: everybody enters, chance decides, and anyone can check it (``protocol.lottery``).

With the path comes its secret, and what it is committed to is told at once. Entries close: the roster is fixed by its
root. When the time has come, and the beacon, if one is named, the order is drawn, in one step or, where there are many,
a slice a step, so that the engine is never silent; what is drawn so far is part of the state. From then on the path is
a line in that order, in which ``winner_count`` are admitted and buy: whoever is lost on the way is replaced by the next
who waits, until nobody moves up any more. Rules of §5, in what becomes of the draw:

    entering    ``closes_at``, by hand                → closed, the root is told
    closed      ``draw_at``, by hand; the beacon is
                given, no pause, nobody ended it      → drawing
    drawing     the last slice                        → drawn, told before anybody is admitted
    drawn       no ``backfill``, ``redraw_until``     → over: who has no place is lost (not_drawn)
    drawn       all places are bought, or nobody
                waits, and no window is open          → over: the path ends

An outage moves none of these instants. Whoever leaves after the close stays in the hat and is passed over. Where people
choose, a place is kept for whoever wants what is not free as long as that may come back: nobody behind moves up for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import sha256
from heapq import heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.core.lots import Lots
from engine.core.ticket import WAITING
from engine.distributions.base import Distribution
from protocol import documents
from protocol.commands import Draw as DrawNow
from protocol.commands import DrawBeacon
from protocol.distributions import Draw as Terms
from protocol.kind_events import BeaconGiven, DrawCommitted, Drawn, EntriesClosed
from protocol.lottery import Order, order_digest, packed, unpacked
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path


class Draw(Distribution):
    """State: the ``lots``, whose root is there once entries are closed; ``beacon``, the randomness given; ``order``,
    once ``drawn``, and ``reserve``, whether others may still move up.

    Not part of it, and found again: ``head``, a place in the order before which nobody waits but those ``again``, who
    came back from a missed turn; ``called``, the places of those before it."""

    TAKES = (DrawBeacon, DrawNow)
    HALTED = (DrawNow,)
    FIXED = ("beacon", "loyalty_bias", "hats_max", "points_per_hat")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lots = Lots(path.secret, f"{path.id}/{path.created}")
        self._beacon = b""
        self._order: Order = array("I")
        self._drawn = False
        self._reserve = False
        self._head = 0
        self._again: list[int] = []
        self._called: dict[int, int] = {}

    def changed_fields(self, settings: documents.Path) -> list[str]:
        before, after = self._terms(), _terms_of(settings)
        found = super().changed_fields(settings)
        if self._lots.root:
            found += [name for name in ("closes_at", "winner_count") if getattr(before, name) != getattr(after, name)]
            found += ["draw_at"] if _draw_at(after) < _draw_at(before) else []
        return found

    def begun(self, journal: Journal) -> None:
        journal.add(DrawCommitted(self._path.id, self._lots.commitment))

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        if phase == Phase.SETTLING:
            self._lots.fix(self._path.tickets)
            journal.add(EntriesClosed(self._path.id, at, len(self._lots.hats), self._lots.root))
            self._go_on(at, journal)
        elif phase == Phase.ENDED:
            self._path.lose_waiting("not_drawn", at, journal)
            self._put_away()

    def resumed(self, at: int, journal: Journal) -> None:
        self._go_on(at, journal)

    def is_over(self) -> bool:
        if not self._drawn:
            return super().is_over()
        return not self._path.windows.open and not (self._path.tickets.waiting and self._places_left())

    def ended(self, at: int, journal: Journal) -> None:
        self._put_away()

    def open_refusal(self) -> Refusal | None:
        return Refusal(Reason.CLOSED, {"path": self._path.id}) if self._lots.root else None

    def join_refusal(self) -> Refusal | None:
        if refusal := super().join_refusal():
            return refusal
        capacity = self._terms().capacity
        if capacity is not None and self._path.tickets.waiting >= capacity:
            return Refusal(Reason.FULL, {"capacity": capacity})
        return None

    def act_refusal(self, command: DrawBeacon | DrawNow, ticket: int | None, at: int) -> Refusal | None:
        path = self._path
        if not self._lots.root:
            return Refusal(Reason.NOT_CLOSED, {"path": path.id, "closes_at": path.closes_at})
        if not self._drawn and (path.ended_by_hand or path.phase == Phase.ENDED):
            return Refusal(Reason.CLOSED, {"path": path.id})
        if isinstance(command, DrawBeacon):
            return self._beacon_refusal(command)
        return None if self._beacon_is_there() else Refusal(Reason.NO_BEACON, {"path": path.id})

    def _beacon_refusal(self, command: DrawBeacon) -> Refusal | None:
        named = self._terms().beacon
        if named is None or (command.source, command.round) != (named.source, named.round):
            return Refusal(Reason.INVALID, {"field": "beacon", "allowed": "the source and round that the path names"})
        if command.randomness != sha256(command.signature).digest():
            return Refusal(Reason.INVALID, {"field": "beacon.randomness", "allowed": "SHA-256 of the signature"})
        if self._beacon not in (b"", command.randomness):
            return Refusal(Reason.ALREADY_DONE, {"path": self._path.id})
        return None

    def act(self, command: DrawBeacon | DrawNow, ticket: int | None, at: int, journal: Journal) -> None:
        if isinstance(command, DrawNow):
            self._begin(at)
        elif not self._beacon:
            self._beacon = command.randomness
            proof = (command.randomness, command.signature, command.actor, command.previous_signature)
            journal.add(BeaconGiven(self._path.id, at, *proof))
        self._go_on(at, journal)

    def next_deadline_ms(self) -> int | None:
        return self._redraw_until() if self._drawn else self._due_ms()

    def fire(self, at: int, journal: Journal) -> None:
        self._go_on(at, journal)

    def stepped(self, now_ms: int) -> None:
        self._lots.stepped(now_ms)

    def give_turns(self, at: int, journal: Journal) -> None:
        until_ms = self._redraw_until()
        if self._reserve and (not self._terms().backfill or (until_ms is not None and until_ms <= at)):
            self._reserve = False
            self._path.lose_reserve(list(islice(self._waiting(), self._places_left())), at, journal)

    def hoping(self) -> int:
        return super().hoping() if self._drawn or self._path.phase == Phase.ENDED else self._places_left()

    def in_line(self) -> int:
        return self._path.tickets.waiting if self._drawn else 0

    def next_ticket(self) -> int | None:
        kept, places = 0, self._places_left()
        for ticket in self._waiting():
            if self._path.is_free_for(ticket):
                return ticket
            kept += self._path.may_return_for(ticket)
            if kept >= places:
                break
        return None

    def returned(self, ticket: int) -> None:
        if ticket in self._called:
            heappush(self._again, self._called[ticket])

    def snapshot(self) -> list[Any]:
        return [self._lots.snapshot(), self._beacon, packed(self._order), self._drawn, self._reserve]

    def restore(self, data: list[Any]) -> None:
        lots, self._beacon, order, self._drawn, self._reserve = data
        self._lots.restore(lots)
        self._order = unpacked(order)

    # Drawing

    def _terms(self) -> Terms:
        return _terms_of(self._path.settings)

    def _beacon_is_there(self) -> bool:
        return bool(self._beacon) or self._terms().beacon is None

    def _due_ms(self) -> int | None:
        """When the draw goes on, or None while it cannot."""
        if not self._lots.root or self._drawn or self._path.paused or self._path.phase != Phase.SETTLING:
            return None
        if self._path.ended_by_hand or not self._beacon_is_there():
            return None
        return self._lots.next_ms if self._lots.is_under_way else _draw_at(self._terms())

    def _begin(self, at: int) -> None:
        """Draw from ``at`` on, whatever the schedule says."""
        if not self._lots.is_under_way and not self._drawn:
            self._lots.begin(self._beacon, at)

    def _go_on(self, at: int, journal: Journal) -> None:
        """Take a slice, if it is time; few lots are drawn at once."""
        due_ms = self._due_ms()
        if due_ms is None or due_ms > at:
            return
        self._begin(at)
        if self._lots.advance():
            self._finish(at, journal)

    def _finish(self, at: int, journal: Journal) -> None:
        """The order is there."""
        lots = self._lots
        winners = lots.winners(self._path.tickets, self._terms().winner_count)
        journal.add(Drawn(self._path.id, at, lots.secret, lots.seed, order_digest(lots.order), winners))
        self._order = lots.order
        self._drawn = self._reserve = True
        lots.put_away()

    def _put_away(self) -> None:
        """Nobody is drawn any more, and nobody is next: what that needs is not kept."""
        self._lots.put_away()
        self._order, self._head, self._again, self._called, self._reserve = array("I"), 0, [], {}, False

    # The line that the order makes

    def _redraw_until(self) -> int | None:
        """When nobody moves up any more, or None where that is not known or past."""
        return self._terms().redraw_until if self._reserve else None

    def _places_left(self) -> int:
        """How many more may be admitted, ever, unless windows lapse."""
        path, most = self._path, self._path.meter.max_admissions
        assert most is not None, "a draw has so many winners"
        meters = [path.meter, *([path.waitlist.meter] if path.waitlist else [])]
        return max(0, most - sum(meter.active + meter.completed for meter in meters))

    def _waiting(self) -> Iterator[int]:
        """Those who wait, in order."""
        states, order, again = self._path.tickets.states, self._order, self._again
        while again and states[order[again[0]]] != WAITING:
            heappop(again)
        yield from [order[place] for place in sorted(again) if states[order[place]] == WAITING]
        while self._head < len(order) and states[order[self._head]] != WAITING:
            self._called[order[self._head]] = self._head
            self._head += 1
        for place in range(self._head, len(order)):
            if states[order[place]] == WAITING:
                yield order[place]


def _terms_of(settings: documents.Path) -> Terms:
    assert isinstance(settings.distribution, Terms), "a draw has the terms of one"
    return settings.distribution


def _draw_at(terms: Terms) -> int:
    """When it is drawn."""
    return terms.closes_at if terms.draw_at is None else terms.draw_at
