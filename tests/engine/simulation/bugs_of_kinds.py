"""The planted bugs of what only some kinds of distributions do: claims and offers, draws, auctions, slots.

Hands over to: ``bugs.py``, the whole list; those of who may come in stand in ``bugs_of_entry.py``.
"""

from __future__ import annotations

from tests.engine.simulation.bug import Bug
from tests.engine.simulation.bugs_of_entry import BUGS_OF_ENTRY


def _bug(name: str, file: str, before: str, after: str) -> Bug:
    return Bug(name, file, before, after, kinds=True)


BUGS_OF_KINDS = (
    _bug(
        "the last claim of a timed release is served first",
        "engine/distributions/timed_release.py",
        "        self._claims[ticket] = None\n        journal",
        "        self._claims[ticket] = None\n        self._claims.move_to_end(ticket, last=False)\n        journal",
    ),
    _bug(
        "a claim is taken in the lobby",
        "engine/distributions/timed_release.py",
        "if path.phase == Phase.LOBBY:",
        "if False:",
    ),
    _bug(
        "a timed release forgets another claim when one is done",
        "engine/distributions/timed_release.py",
        "        self._claims.pop(ticket, None)\n",
        "        self._claims.pop(ticket, None)\n        self._claims and self._claims.popitem()\n",
    ),
    _bug(
        "an offer ends a millisecond late",
        "engine/core/offers.py",
        "self._deadlines.put(ticket, offer.claim_by)",
        "self._deadlines.put(ticket, offer.claim_by + 1)",
    ),
    _bug(
        "an outage gives no time back for offers",
        "engine/core/experience.py",
        "            path.move_offers(gap_ms, closing_before_ms, self.journal)\n",
        "",
    ),
    _bug(
        "what was kept for an offer is never given back",
        "engine/core/offering.py",
        "        if offer.reserved:\n            self._free(offer.variant, cause, offer.slot)\n",
        "",
    ),
    _bug(
        "one offer too many is open",
        "engine/distributions/waitlist.py",
        "together - path.offers.unclaimed",
        "1 + together - path.offers.unclaimed",
    ),
    _bug(
        "what came free is forgotten while the line of its path may take it",
        "engine/distributions/freed_units.py",
        "                if freed.count > count:\n                    self._wait(freed, freed.count - count)\n",
        "",
    ),
    _bug(
        "what is drawn for is offered to the waitlist before",
        "engine/distributions/draw.py",
        "return super().hoping() if self._drawn or self._path.phase == Phase.ENDED else self._places_left()",
        "return super().hoping()",
    ),
    _bug(
        "what is under the hammer is offered to the waitlist before",
        "engine/distributions/auction.py",
        "        return most\n",
        "        return 0\n",
    ),
    _bug(
        "a replica keeps an offer that has ended",
        "protocol/path_replica.py",
        "        self.offers.pop(ticket, None)\n",
        "",
    ),
    _bug(
        "whoever is passed over is so without a reason",
        "engine/distributions/waitlist.py",
        "elif self._skipped.get(ticket) != reason:",
        "elif False:",
    ),
    _bug(
        "whoever is admitted already is offered another",
        "engine/distributions/waitlist.py",
        "if there is not None and there in path.source.windows.open:",
        "if False:",
    ),
    _bug(
        "a draw does not wait for its time",
        "engine/distributions/draw.py",
        "return self._lots.next_ms if self._lots.is_under_way else _draw_at(self._terms())",
        "return self._lots.next_ms if self._lots.is_under_way else self._path.closes_at",
    ),
    _bug(
        "a draw does not wait for its beacon",
        "engine/distributions/draw.py",
        "return bool(self._beacon) or self._terms().beacon is None",
        "return True",
    ),
    _bug(
        "who withdrew behind the close wins all the same",
        "engine/core/lots.py",
        "return winners_of(self.order, passed_over(self.hats, tickets.states, WAITING), count)",
        "return winners_of(self.order, [], count)",
    ),
    _bug(
        "a draw under way is begun anew by whoever takes over",
        "engine/core/lots.py",
        "if drawing is not None:",
        "if False:",
    ),
    _bug(
        "a reserve hopes for ever",
        "engine/distributions/draw.py",
        "if self._reserve and (",
        "if False and (",
    ),
    _bug(
        "a late bid does not move the end",
        "engine/distributions/auction.py",
        "if later > path.closes_at:",
        "if later < path.closes_at:",
    ),
    _bug(
        "of equal maxima the later one leads",
        "engine/distributions/bidding.py",
        "standing = (-maximum, self.count, ticket)",
        "standing = (-maximum, -self.count, ticket)",
    ),
    _bug(
        "a second chance is at the hammer price",
        "engine/distributions/auction.py",
        "return self._bids.price if ticket in self._winners else self._bids.maximum(ticket)",
        "return self._bids.price",
    ),
    _bug(
        "nobody gets a second chance",
        "engine/distributions/auction.py",
        "while min(path.caps(), path.stock.free(path.variants)) > len(self._line):",
        "while False:",
    ),
    _bug(
        "a pause does not stop the clock of an auction",
        "engine/distributions/moving_end.py",
        "self._move(at - self._stopped_at, None, journal)",
        "self._move(0, None, journal)",
    ),
    _bug(
        "a price falls below its floor",
        "engine/distributions/dutch_auction.py",
        "self._price = max(floor, price)",
        "self._price = price",
    ),
    _bug(
        "a unit is had at the price of its turn",
        "engine/distributions/dutch_auction.py",
        "return self._taken.get(ticket)",
        "return self._price",
    ),
    _bug(
        "an outage does not hold up a falling price",
        "engine/distributions/moving_end.py",
        "self._move(gap_ms, closing_before_ms, journal)",
        "self._move(0, closing_before_ms, journal)",
    ),
    _bug(
        "a slot takes one too many",
        "engine/core/slots.py",
        "if taken >= self.terms.capacity_per_slot:",
        "if taken > self.terms.capacity_per_slot:",
    ),
    _bug(
        "whoever reschedules keeps both slots",
        "engine/core/bookings.py",
        "        self._take(slot)\n        self._leave(booking.slot)\n",
        "        self._take(slot)\n",
    ),
    _bug(
        "whoever books keeps the hold beside it",
        "engine/core/bookings.py",
        "        if ticket in self.holds:\n            self._leave(self.holds.pop(ticket).slot)\n        else:",
        "        if ticket in self.holds:\n            self.holds.pop(ticket)\n        else:",
    ),
    _bug(
        "an outage gives no time back for holds",
        "engine/distributions/appointment.py",
        "if closing_before_ms is None or hold.until < closing_before_ms:",
        "if False:",
    ),
    _bug(
        "a hold never runs out",
        "engine/distributions/appointment.py",
        "        due = self._bookings.due(at)\n",
        "        due = list[int]()\n        self._bookings.due(at)\n",
    ),
    _bug(
        "a lobby lets people in before their order is there",
        "engine/distributions/queue.py",
        "return 0 if self._lobby is not None and self._lobby.is_drawing else self._path.tickets.waiting",
        "return self._path.tickets.waiting",
    ),
    _bug(
        "the order of a lobby is not served",
        "engine/distributions/queue.py",
        "if self._head < len(self._path.places.order) and",
        "if len(self._path.places.order) < 0 and",
    ),
    _bug(
        "a place that is given back is offered and not kept",
        "engine/distributions/appointment.py",
        "            self._bookings.keep(slot)\n            journal",
        "            journal",
    ),
    _bug(
        "a place that nobody of the waitlist wants is kept for ever",
        "engine/distributions/offered_places.py",
        "            keeper.act(GiveBackKept(slot), None, at, journal)\n",
        "            _ = slot\n",
    ),
    _bug(
        "whoever has not paid keeps the place",
        "engine/core/bookings.py",
        "        slot = self.unpaid.pop(ticket)\n        self._leave(slot)\n",
        "        slot = self.unpaid.pop(ticket)\n",
    ),
    _bug(
        "who asked last is the first to pay",
        "engine/distributions/appointment.py",
        "waiting = (ticket for ticket in self._bookings.unpaid if",
        "waiting = (ticket for ticket in reversed(self._bookings.unpaid) if",
    ),
    _bug(
        "whoever has paid has booked nothing",
        "engine/distributions/appointment.py",
        "        self._bookings.pay(ticket, confirmation)\n        journal.add",
        "        (lambda event: None)",
    ),
    _bug(
        "whoever is to pay keeps the hold beside it",
        "engine/core/bookings.py",
        "            self.end_hold(ticket)\n        self._take(slot)\n        self.unpaid",
        "            self._tickets.move(ticket, WAITING)\n        self._take(slot)\n        self.unpaid",
    ),
    _bug(
        "a place is paid for when its slot has begun",
        "engine/distributions/appointment.py",
        "(state == WAITING and at < begins)",
        "(state == WAITING and begins > 0)",
    ),
    _bug(
        "a waitlist by lottery goes by arrival",
        "engine/distributions/waitlist.py",
        "path.tickets.all_waiting() if self._line is None else self._line.waiting()",
        "path.tickets.all_waiting()",
    ),
    _bug(
        "nobody of a waitlist by lottery is ever drawn",
        "engine/distributions/waitlist.py",
        "return self._line is not None and self._line.draw(at, journal)",
        "return False",
    ),
    _bug(
        "every order of a waitlist has the same secret",
        "engine/distributions/drawn_line.py",
        'f"{self._path.id}/{self._path.created}/{self._number}"',
        'f"{self._path.id}/{self._path.created}"',
    ),
    _bug(
        "a snapshot forgets who of a waitlist was drawn",
        "engine/distributions/drawn_line.py",
        "        self._order = unpacked(order)\n",
        "",
    ),
    *BUGS_OF_ENTRY,
)
