"""What the log of the kinds says of each ticket, read the slow and obvious way, and what in it must not be.

The auditor reads the same log with the whole of the rules; what is counted here is little and only what a consumer
would count: who got something twice, and what was given beyond what there is.

Hands over to: ``chaos_kinds_verdict``, which holds against it what the guests were told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from loadtests.appointment_log import SlotCount
from protocol.codec import decode_entry, next_chain
from protocol.distributions import Appointment, max_admissions_of
from protocol.documents import Experience
from protocol.events import CONSUMER_BYTES, Admitted, AnyEvent, Configured, Expired, Joined, Left
from protocol.kind_events import (
    OFFER_BYTES,
    AuctionEnded,
    BidPlaced,
    Booked,
    Drawn,
    EntriesClosed,
    Offered,
    SlotHeld,
    TicketsLost,
)
from protocol.streams import GENESIS_CHAIN

Holder = tuple[str, int]
"""A path and a ticket in it."""


class KindsLog:
    """``bids``: the maximum of each, in minor units, by holder and id; ``offers``, ``holds`` and ``bookings`` (slot and
    code) by holder; ``winners`` and ``prices`` (minor units) by path; ``entrants``: how many tickets were in the hat;
    ``slots``: of the appointment; ``faults``: by path, what was given twice, or is more than there is."""

    def __init__(self, entries: Iterable[tuple[str, bytes, bytes]]) -> None:
        self.bids: dict[Holder, dict[str, int]] = defaultdict(dict)
        self.offers: dict[Holder, list[str]] = defaultdict(list)
        self.holds: dict[Holder, set[str]] = defaultdict(set)
        self.bookings: dict[Holder, set[tuple[str, str]]] = defaultdict(set)
        self.winners: dict[str, list[int]] = {}
        self.prices: dict[str, int] = {}
        self.entrants: dict[str, int] = {}
        self.slots = SlotCount(0)
        self.faults: dict[str, Counter[str]] = defaultdict(Counter)
        self._document: Experience | None = None
        self._consumers: dict[str, list[bytes]] = defaultdict(list)
        self._had: dict[str, set[bytes]] = defaultdict(set)
        self._given: dict[str, set[int]] = defaultdict(set)
        before = GENESIS_CHAIN
        for _, payload, chain in entries:
            if next_chain(before, payload) != chain:
                break  # behind that stands nothing that anybody wrote
            before = chain
            for event in decode_entry(payload).events:
                self._take(event)
        self._count_slots()

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Configured():
                self._configured(event.document)
            case Joined():
                found = (
                    event.consumers[at : at + CONSUMER_BYTES] for at in range(0, len(event.consumers), CONSUMER_BYTES)
                )
                self._consumers[event.path] += found
            case Admitted():
                for ticket in event.tickets:
                    self._once(event.path, "admitted", ticket)
                    self._given[event.path].add(ticket)
                self._enough(event.path)
            case Expired() | TicketsLost():
                self._given[event.path] -= set(event.tickets)
            case Left():
                self._given[event.path].discard(event.ticket)
            case _:
                self._take_of_kind(event)
        if getattr(event, "path", "") in self._appointments():
            self.slots.take(event)

    def _take_of_kind(self, event: Any) -> None:
        match event:
            case BidPlaced():
                self.bids[event.path, event.ticket][event.id] = event.maximum
            case EntriesClosed():
                self.entrants[event.path] = event.tickets
            case Drawn() | AuctionEnded():
                self._decided(event)
            case Offered():
                for index, ticket in enumerate(event.tickets):
                    self._once(event.path, "offered", ticket)
                    offer = event.offers[index * OFFER_BYTES : (index + 1) * OFFER_BYTES]
                    self.offers[event.path, ticket].append(offer.hex())
            case SlotHeld():
                self.holds[event.path, event.ticket].add(event.slot)
            case Booked():
                self.bookings[event.path, event.ticket].add((event.slot, event.confirmation))

    def _configured(self, document: Experience) -> None:
        self._document = document
        for path in self._appointments().values():
            self.slots = SlotCount(path.capacity_per_slot)

    def _decided(self, event: Drawn | AuctionEnded) -> None:
        faults, winners = self.faults[event.path], event.winners
        faults["decided twice"] += event.path in self.winners
        faults["won twice"] += len(winners) - len(set(winners))
        faults["too many winners"] += len(winners) > self._most(event.path)
        self.winners[event.path] = winners
        if isinstance(event, AuctionEnded):
            self.prices[event.path] = event.price

    def _once(self, path: str, what: str, ticket: int) -> None:
        """Nobody has had this before, by whichever ticket."""
        consumer, had = self._consumers[path][ticket], self._had[f"{path} {what}"]
        self.faults[path][f"{what} twice"] += consumer in had
        had.add(consumer)

    def _enough(self, path: str) -> None:
        """No more are open and completed than there is, here and where what comes free of it is given."""
        document = self._document
        assert document is not None, "somebody is admitted into what was configured"
        settings = document.path(path)
        waitlist, source = document.waitlist_of(path), None if settings is None else settings.attached_to
        others = [one for one in (waitlist and waitlist.id, source) if one]
        given = sum(len(self._given[one]) for one in (path, *others))
        self.faults[path]["more than there is"] += given > self._most(source or path)

    def _most(self, path: str) -> float:
        settings = None if self._document is None else self._document.path(path)
        most = None if settings is None else max_admissions_of(settings.distribution)
        return float("inf") if most is None else most

    def _appointments(self) -> dict[str, Appointment]:
        paths = [] if self._document is None else self._document.paths
        return {path.id: path.distribution for path in paths if isinstance(path.distribution, Appointment)}

    def _count_slots(self) -> None:
        for path in self._appointments():
            self.faults[path]["more than there is"] += self.slots.crowded
            self.faults[path]["booked twice, or lost"] += self.slots.stray
