"""An appointment as the recount has it: every place in every slot, counted anew at each question.

No slot ever has more holds and bookings than it takes, a hold ends on its instant or when it is given up, and whoever
reschedules has exactly one slot before and behind it. A "no" because a slot is full is true. Where a booking is paid
for first, whoever has paid has booked, and whoever does not, or too late, has no place any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import Appointment
from protocol.documents import Path
from protocol.refusals import Reason
from protocol.slots import slots_of
from tests.engine.simulation.counted.path import CountedPath, Outage
from tests.engine.simulation.world import Broken


class CountedAppointment(CountedPath):
    """``held``: (slot, until) by ticket; ``booked``: (slot, code) by ticket; ``used``: slots of who came or did not,
    ``came``: how many did; ``kept``: slots of places that are kept for the waitlist; ``unpaid``: the slot of each
    ticket that pays first, and ``paid``: the tickets that have, in this step."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.held: dict[int, tuple[str, int]] = {}
        self.booked: dict[int, tuple[str, str]] = {}
        self.used: list[str] = []
        self.kept: list[str] = []
        self.came = 0
        self.unpaid: dict[int, str] = {}
        self.paid: list[int] = []

    @property
    def live(self) -> list[int]:
        return [*super().live, *self.held, *self.booked]

    @property
    def uses(self) -> int:
        return len(self.live) + self.came

    @property
    def line(self) -> list[int]:
        return [ticket for ticket in self.unpaid if ticket in self.waiting]

    @property
    def _terms(self) -> Appointment:
        terms = self.settings.distribution
        assert isinstance(terms, Appointment), "an appointment has the terms of one"
        return terms

    def forget(self, ticket: int) -> None:
        super().forget(ticket)
        self.held.pop(ticket, None)

    def moves(self, outage: Outage) -> Iterator[tuple[tuple[str, int], int | None]]:
        yield from super().moves(outage)
        for ticket, (_, until) in self.held.items():
            if until < outage.before:
                yield ("hold", ticket), until + outage.gap_ms

    def conclude(self, now_ms: int, room: float) -> None:
        super().conclude(now_ms, room)
        self._check_kept()
        self._check_unpaid(now_ms)
        for ticket, (_, until) in self.held.items():
            if until <= now_ms:
                raise Broken(f"deadlines: the hold of {ticket} ended at {until}, it is {now_ms}")

    def refused(self, command: c.Command, reason: str, detail: dict[str, Any], now_ms: int) -> None:
        if isinstance(command, c.Hold | c.Book | c.Reschedule) and reason == Reason.SLOT_FULL:
            if self._taken(command.slot) < self._terms.capacity_per_slot:
                raise Broken(f"refusals: {command.slot} was full with {self._taken(command.slot)} places taken")
        if isinstance(command, c.Book) and reason == Reason.HOLD_OVER:
            if any(self.consumers[ticket] == command.consumer for ticket in self.held):
                raise Broken("refusals: a hold was over that was not")

    def _taken(self, slot: str) -> int:
        theirs = [one for one, _ in (*self.held.values(), *self.booked.values())]
        return [*theirs, *self.unpaid.values(), *self.used, *self.kept].count(slot)

    def _check_room(self, slot: str) -> None:
        if slot not in slots_of(self._terms) or self._taken(slot) > self._terms.capacity_per_slot:
            raise Broken(f"slots: {self._taken(slot)} places of {slot} are taken")

    def _check_kept(self) -> None:
        """What is offered by the waitlist is kept for it, and nothing is kept for nobody."""
        offers = [] if self.waitlist is None else list(self.waitlist.offers.values())
        offered = [offer.slot for offer in offers if offer.reserved and offer.slot]
        if any(self.kept.count(slot) < offered.count(slot) for slot in offered):
            raise Broken(f"slots: places in {offered} are offered, in {self.kept} they are kept")
        if self.kept and not offers and not (self.waitlist and self.waitlist.waiting):
            raise Broken(f"slots: places in {self.kept} are kept for nobody")

    def _check_unpaid(self, now_ms: int) -> None:
        """Whoever pays first has a window, or waits for one before the slot begins; who has paid has the place."""
        if self.paid:
            raise Broken(f"slots: {self.paid} have paid, and have booked nothing")
        for ticket, slot in self.unpaid.items():
            if ticket not in self.windows and (ticket not in self.waiting or slots_of(self._terms)[slot] <= now_ms):
                raise Broken(f"slots: {ticket} does not pay for {slot} any more, and has a place there")

    def hold(self, event: k.SlotHeld, now_ms: int) -> None:
        until = min(event.at + 1_000 * self._terms.hold_seconds, slots_of(self._terms)[event.slot])
        if event.hold_until != until:
            raise Broken(f"slots: the hold of {event.ticket} is until {event.hold_until}, not {until}")
        self.waiting.pop(event.ticket, None)
        if event.ticket in self.unpaid:
            raise Broken(f"slots: {event.ticket} holds {event.slot} beside {self.unpaid[event.ticket]}, to be paid for")
        self.held[event.ticket] = (event.slot, until)
        self._check_room(event.slot)

    def moved_hold(self, event: k.HoldMoved, now_ms: int) -> None:
        self.moved("hold", event.ticket, event.hold_until)
        self.held[event.ticket] = (self.held[event.ticket][0], event.hold_until)

    def ended_hold(self, event: k.HoldEnded, now_ms: int) -> None:
        for ticket in event.tickets:
            _, until = self.held.pop(ticket)
            if event.at != until and not self.has_asked(ticket, c.Cancel):
                raise Broken(f"deadlines: the hold of {ticket} until {until} ended at {event.at}")
            self.waiting[ticket] = None

    def book(self, event: k.Booked, now_ms: int) -> None:
        slot, code = self.booked.get(event.ticket, ("", event.confirmation))
        if slot != event.instead_of or code != event.confirmation or (slot and event.ticket in self.held):
            raise Broken(f"slots: {event.ticket} has {slot}, and books {event.slot} instead of {event.instead_of}")
        if not slot:
            self._check_paid(event)
        self.forget(event.ticket)
        self.booked[event.ticket] = (event.slot, event.confirmation)
        self._check_room(event.slot)

    def _check_paid(self, event: k.Booked) -> None:
        """What is to be paid for is booked by who has paid, and nothing else by paying."""
        if event.ticket not in self.paid:
            if self._terms.checkout:
                raise Broken(f"slots: {event.ticket} books {event.slot}, and has not paid")
        elif self.unpaid.pop(event.ticket, "") != event.slot:
            raise Broken(f"slots: {event.ticket} books {event.slot}, and has paid for another")
        else:
            self.paid.remove(event.ticket)

    def complete(self, event: e.Completed, now_ms: int) -> None:
        self.paid.append(event.ticket)

    def ask(self, event: k.CheckoutAsked, now_ms: int) -> None:
        if event.ticket in self.unpaid or event.ticket not in {**self.waiting, **self.held}:
            raise Broken(f"slots: {event.ticket} is to pay for {event.slot}, of {self.unpaid} and {self.held}")
        self.held.pop(event.ticket, None)
        self.waiting[event.ticket] = None
        self.unpaid[event.ticket] = event.slot
        self._check_room(event.slot)

    def drop(self, event: k.CheckoutDropped, now_ms: int) -> None:
        if self.unpaid.pop(event.ticket, "") != event.slot:
            raise Broken(f"slots: {event.ticket} does not pay for {event.slot}, and never was to")

    def cancel(self, event: k.BookingCancelled, now_ms: int) -> None:
        slot, _ = self.booked.pop(event.ticket)
        if slot != event.slot:
            raise Broken(f"slots: {event.ticket} gave {event.slot} back and had {slot}")
        self.waiting[event.ticket] = None

    def use(self, event: k.CheckedIn | k.NotShown, now_ms: int) -> None:
        self.used.append(self.booked.pop(event.ticket)[0])
        self.came += isinstance(event, k.CheckedIn)

    def keep(self, event: k.SlotKept, now_ms: int) -> None:
        self.kept.append(event.slot)
        self._check_room(event.slot)

    def release(self, event: k.SlotReleased, now_ms: int) -> None:
        self.kept.remove(event.slot)

    ACTS: ClassVar[dict[type, Any]] = CountedPath.ACTS | {
        k.SlotHeld: hold,
        k.HoldMoved: moved_hold,
        k.HoldEnded: ended_hold,
        k.Booked: book,
        e.Completed: complete,
        k.CheckoutAsked: ask,
        k.CheckoutDropped: drop,
        k.BookingCancelled: cancel,
        k.CheckedIn: use,
        k.NotShown: use,
        k.SlotKept: keep,
        k.SlotReleased: release,
    }
