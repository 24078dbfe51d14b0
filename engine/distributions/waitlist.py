"""The waitlist: what becomes free is offered to the next, and whoever claims it is admitted.

Units come from the path that it is attached to, where an admission expired, was declined or released and nobody there
would take it; from its own offers and windows that lapsed; from stock that was added; from the merchant's hand. When
that path opens, all are told and nothing is kept for anybody. What the line there may still take, or the caps do not
allow, is not forgotten: it is offered if it is left. Where it is an appointment, units are the places that are given
back there: no stock is reserved with them, and added stock is none. An offer keeps its unit and counts as an open
window, but for the strategy ``all``: there a claim keeps it, and whoever comes too late hears ``gone`` until something
is free again. ``one_by_one`` has one offer open at a time, ``batch`` so many. One offer a ticket. Next is who came
first, or, by lottery, who is first in an order that is drawn of all who wait (``drawn_line``). Rules of §9:

    waiting    something is free, it is next      → offered
    waiting    it wants something else, or is
               admitted elsewhere                 → waiting (skipped, with the reason in the log)
    offered    claim                              → in line, then admitted
    offered    claim of a place in a slot         → left (booked), and it is booked in the appointment
    offered    decline                            → left (declined)
    offered    nothing until ``claim_by``         → expired
    waiting    its path has ended                 → lost (ended)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.core.limits import MS_PER_SECOND, UNLIMITED
from engine.core.schedule import SERVING
from engine.core.ticket import BOOKED
from engine.distributions.base import Distribution
from engine.distributions.drawn_line import DrawnLine
from engine.distributions.freed_units import FreedUnits, Units
from engine.distributions.offered_places import OfferedPlaces
from protocol import documents
from protocol.commands import Claim, Offer
from protocol.distributions import Waitlist as Terms
from protocol.kind_events import Announced, OfferSkipped, UnitsGone
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path

BY_HAND: Final = "by_hand"


class Waitlist(Distribution):
    """State: the ``units`` that came free; ``skipped``, why a waiting ticket was last passed over; ``announced``, which
    opening of the path was told; ``gone``, whether those with an offer to all were told that nothing is left; the
    ``line``, where it is drawn."""

    TAKES = (Claim, Offer)
    HALTED = (Claim, Offer)
    FIXED = ("order",)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._places = OfferedPlaces(path)
        self._units = FreedUnits(path, self._places)
        self._skipped: dict[int, str] = {}
        self._announced: int | None = None
        self._gone = False
        self._line: DrawnLine | None = None
        self._terms = _terms_of(path.settings)

    def configure(self, settings: documents.Path) -> None:
        self._terms = _terms_of(settings)

    def changed_fields(self, settings: documents.Path) -> list[str]:
        kept = self._units.keep_places or any(one.slot for one in self._path.offers.open.values())
        moved = settings.attached_to != self._path.settings.attached_to
        return super().changed_fields(settings) + (["attached_to"] if kept and moved else [])

    def begun(self, journal: Journal) -> None:
        self._have_line(journal)

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        if phase == Phase.ENDED:
            self._path.lose_waiting("ended", at, journal)
            self._stop_drawing()

    def closes(self) -> bool:
        return self._source_has_ended() and self.is_over()

    def is_over(self) -> bool:
        if not self._source_has_ended():
            return super().is_over()
        offered = self._available() and self._path.tickets.waiting
        return not (offered or self._path.offers.open or self._path.windows.open)

    def ended(self, at: int, journal: Journal) -> None:
        self._path.lose_offers("ended", at, journal)
        self._units.put_away(at, journal)
        self._stop_drawing()

    def join_refusal(self) -> Refusal | None:
        if self._terms.capacity is not None and self._path.tickets.waiting >= self._terms.capacity:
            return Refusal(Reason.FULL, {"capacity": self._terms.capacity})
        return None

    def act_refusal(self, command: Claim | Offer, ticket: int | None, at: int) -> Refusal | None:
        if isinstance(command, Offer):
            return self._offer_refusal(command)
        if refusal := self._path.claim_refusal(ticket, command.offer):
            return refusal
        assert ticket is not None, "an offer has a ticket"
        offer = self._path.offers.open[ticket]
        what = offer if offer.reserved else self._first_for(ticket, at)
        if what is None:
            return Refusal(Reason.GONE, {"path": self._path.id})
        return self._places.refusal(what.slot, ticket, at) if what.slot else None

    def _offer_refusal(self, command: Offer) -> Refusal | None:
        if command.count < 1:
            return Refusal(Reason.INVALID, {"field": "count", "allowed": "1 or more"})
        if self._path.phase not in SERVING:
            opening = self._path.phase == Phase.SCHEDULED
            return Refusal(Reason.NOT_OPEN if opening else Reason.CLOSED, {"path": self._path.id})
        return None

    def act(self, command: Claim | Offer, ticket: int | None, at: int, journal: Journal) -> dict[str, Any] | None:
        if isinstance(command, Offer):
            return {"offered": self._offer_by_hand(command.count, at, journal)}
        assert ticket is not None, "an offer has a ticket"
        offer = self._path.offers.open[ticket]
        what = offer if offer.reserved else self._first_for(ticket, at)
        assert what is not None, "it was asked before"
        if isinstance(what, Units):
            self._units.take(what, 1)
        if what.slot:
            self._places.book(what.slot, ticket, at, journal)
        else:
            self._path.claim(ticket, at, journal)
        return None

    def next_deadline_ms(self) -> int | None:
        return None if self._line is None or self._path.paused else self._line.next_ms

    def stepped(self, now_ms: int) -> None:
        if self._line is not None:
            self._line.stepped(now_ms)

    def supply(self) -> tuple[bool, bool]:
        return False, False

    def freed(self, source: str, cause: str, count: int, slot: str = "") -> None:
        self._units.add(source, cause, count, slot)

    def taken(self, count: int, left: int) -> None:
        self._units.taken(count, left)

    def restocked(self, count: int) -> None:
        if not self._places.are_due:
            self._units.add(self._path.id, "stock_added", count)

    def give_turns(self, at: int, journal: Journal) -> None:
        path = self._path
        self._have_line(journal)
        if path.paused or path.phase not in SERVING:
            self._units.let_places_go(at, journal)
            return
        self._announce(at, journal)
        self._collect(at, journal)
        if self._terms.strategy == "all":
            self._units.drop_lost(at, journal)
            if self._available():
                self._offer(path.tickets.waiting, "", at, journal)
            if not path.offers.unclaimed:
                self._units.let_places_go(at, journal)
            self._tell_gone(at, journal)
        elif not self._is_drawing(at, journal):
            together = self._terms.batch or 1
            if path.offers.unclaimed < together:
                self._units.drop_lost(at, journal)
            while (free := min(together - path.offers.unclaimed, self._available())) > 0:
                first = self._units.first(at, loose=True)
                assert first is not None, "something is available"
                offered = self._offer(min(free, first.count, self._at_once()), first.cause, at, journal, first.slot)
                self._units.take(first, offered)
                if not offered and not self._draw(at, journal):
                    if not self._is_drawing(at, journal):
                        self._units.let_places_go(at, journal)
                    break

    def in_line(self) -> int:
        return len(self._path.offers.claims)

    def next_ticket(self) -> int | None:
        return next(iter(self._path.offers.claims), None)

    def out_of_line(self, ticket: int) -> None:
        self._skipped.pop(ticket, None)

    def snapshot(self) -> list[Any]:
        own = [*self._units.snapshot(), list(self._skipped.items()), self._announced, self._gone]
        return own if self._line is None else [*own, self._line.snapshot()]

    def restore(self, data: list[Any]) -> None:
        fresh, units, skipped, self._announced, self._gone, *line = data
        if line:
            self._line = DrawnLine(self._path)
            self._line.restore(line[0])
        self._units.restore(fresh, units)
        self._skipped = dict(skipped)

    # Units

    def _source_has_ended(self) -> bool:
        return self._path.source is not None and self._path.source.phase == Phase.ENDED

    def _collect(self, at: int, journal: Journal) -> None:
        path = self._path
        self._units.collect(path.caps(), self._spare(), path.stock.free(path.variants), at, journal)

    def _spare(self) -> int:
        """How many could be offered that are no places: the stock, the caps, less what the line of its path would take
        first."""
        path = self._path
        free = min(path.stock.free(path.variants), path.caps())
        return max(0, free - (path.source.distribution.hoping() if path.source else 0))

    def _available(self) -> int:
        """How many units are there that can still be offered or claimed."""
        return min(self._path.caps(), self._units.places + min(self._spare(), self._units.loose))

    def _first_for(self, ticket: int, at: int) -> Units | None:
        """What ``ticket``, which has an offer to all, gets if it claims at ``at``, or None."""
        if not self._available():
            return None
        return self._units.first(at, loose=self._spare() > 0 and self._path.is_free_for(ticket))

    # The lottery

    def _have_line(self, journal: Journal) -> None:
        """Be as the settings have it, which do not change while there are live tickets."""
        by_lot = self._terms.order == "lottery"
        if by_lot and self._line is None:
            self._line = DrawnLine(self._path)
            self._line.commit(journal)
        elif not by_lot:
            self._line = None

    def _is_drawing(self, at: int, journal: Journal) -> bool:
        """Whether an order is still on its way at ``at``."""
        if self._line is None:
            return False
        self._line.go_on(at, journal)
        return self._line.is_drawing

    def _draw(self, at: int, journal: Journal) -> bool:
        """Draw a new order, where there is one to draw; whether it is there at once."""
        return self._line is not None and self._line.draw(at, journal)

    def _stop_drawing(self) -> None:
        if self._line is not None:
            self._line.put_away()

    # Offers

    def _offer_by_hand(self, count: int, at: int, journal: Journal) -> int:
        self._collect(at, journal)
        room = self._spare()
        if self._terms.strategy == "all":
            self._units.add(self._path.id, BY_HAND, min(room, count))
            return min(room, count)
        offered = 0
        while (left := min(count, room) - offered) > 0 and not self._is_drawing(at, journal):
            now = self._offer(min(left, self._at_once()), BY_HAND, at, journal)
            offered += now
            if not now and not self._draw(at, journal):
                break
        if self._is_drawing(at, journal):
            self._units.add(self._path.id, BY_HAND, min(room, count) - offered)
        return offered

    def _at_once(self) -> int:
        """To how many one look at what is free can be offered: where people choose, the next may want the same."""
        return UNLIMITED if self._path.choices is None else 1

    def _offer(self, count: int, cause: str, at: int, journal: Journal, slot: str = "") -> int:
        """Offer to the next ``count`` who wait; answers how many there were."""
        path = self._path
        claim_by = self._places.ends_at(slot, at + self._terms.claim_window_seconds * MS_PER_SECOND)
        is_place = bool(slot) or (self._terms.strategy == "all" and self._units.places > 0)
        tickets: list[int] = []
        for ticket in path.tickets.all_waiting() if self._line is None else self._line.waiting():
            if len(tickets) == count:
                break
            reason = self._why_not(ticket, is_place=is_place)
            if not reason:
                tickets.append(ticket)
            elif self._skipped.get(ticket) != reason:
                self._skipped[ticket] = reason
                journal.add(OfferSkipped(path.id, at, ticket, reason))
        for ticket in tickets:
            self._skipped.pop(ticket, None)
        if tickets:
            reserved = self._terms.strategy != "all"
            path.offer(tickets, cause, claim_by, at, journal, reserved=reserved, slot=slot)
        return len(tickets)

    def _why_not(self, ticket: int, *, is_place: bool) -> str:
        """Why this one is not offered anything now ("" = it is). A place is for everybody, whatever they choose."""
        path = self._path
        if not is_place and not path.is_free_for(ticket):
            return "variant_not_free"
        if path.source is not None:
            there = path.source.tickets.latest.get(path.tickets.consumer(ticket))
            if there is not None and there in path.source.windows.open:
                return "already_admitted"
            if there is not None and path.source.tickets.states[there] == BOOKED:
                return "already_booked"
        return ""

    def _announce(self, at: int, journal: Journal) -> None:
        source = self._path.source
        if source is None or source.phase != Phase.OPEN:
            return
        opened_at = source.opens_at or 0
        if self._announced != opened_at and self._path.tickets.waiting:
            journal.add(Announced(self._path.id, at, source.id))
        self._announced = opened_at

    def _tell_gone(self, at: int, journal: Journal) -> None:
        gone = self._path.offers.unclaimed > 0 and not self._available()
        if gone != self._gone:
            self._gone = gone
            journal.add(UnitsGone(self._path.id, at, gone))


def _terms_of(settings: documents.Path) -> Terms:
    assert isinstance(settings.distribution, Terms), "a waitlist is run by the terms of one"
    return settings.distribution
