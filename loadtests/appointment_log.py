"""What the log of an appointment says, counted the slow and obvious way while it is written: who has which place when.

The rules that are held against it: a slot never has more places taken than it has, after any event; whoever has booked
has a slot until they give it back, and moves from the one to the other in one event; nobody has two. As a command it
judges a log that is there: ``python -m loadtests.appointment_log REDIS_URL EXPERIENCE PLACES_A_SLOT``.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
import redis

from protocol.events import CONSUMER_BYTES, AnyEvent, Joined, Refused
from protocol.kind_events import Booked, BookingCancelled, HoldEnded, SlotHeld, TicketsLost
from protocol.replica import Replica
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, events_key

BLOCK_MS = 200
READ_ENTRIES = 256
FAULTS_SHOWN = 10


class Place(NamedTuple):
    """A place in ``slot``; held until ``until`` (epoch ms), or, where that is None, booked."""

    slot: str
    until: int | None


class SlotCount:
    """What the events of one appointment come to, whose slots take ``capacity`` each.

    ``has``: the place of each ticket; ``most``: the most that were ever taken of one slot; ``crowded``: how often it
    was more than ``capacity``; ``stray``: how often somebody who had booked was found without that slot, or with two;
    ``counts``: of what happened, by what it is called.
    """

    def __init__(self, capacity: int) -> None:
        self.has: dict[int, Place] = {}
        self.tickets: dict[bytes, int] = {}
        self.taken: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.most = self.crowded = self.stray = 0
        self._capacity = capacity

    def take(self, event: AnyEvent) -> None:
        """Hold the next event against the rules."""
        match event:
            case Joined(first=first, consumers=consumers):
                ids = [consumers[at : at + CONSUMER_BYTES] for at in range(0, len(consumers), CONSUMER_BYTES)]
                self.tickets |= {one: first + index for index, one in enumerate(ids)}
            case SlotHeld(ticket=ticket, slot=slot, hold_until=until):
                self._expect(ticket, self._held(ticket), "held a place beside a booking")
                self._have(ticket, Place(slot, until), "places held")
            case HoldEnded(tickets=tickets, at=at):
                for ticket in tickets:
                    place = self.has.get(ticket)
                    ran_out = place is not None and place.until is not None and at >= place.until
                    self._expect(ticket, place is not None and place.until is not None, "lost a hold that was none")
                    self._have(ticket, None, "holds that ran out" if ran_out else "holds given up")
            case Booked(ticket=ticket, slot=slot, instead_of=""):
                self._expect(ticket, self._held(ticket), "booked twice")
                self._have(ticket, Place(slot, None), "bookings")
            case Booked(ticket=ticket, slot=slot, instead_of=before):
                self._expect(ticket, self.has.get(ticket) == Place(before, None), f"moved from {before} without it")
                self._have(ticket, Place(slot, None), "moves")
            case BookingCancelled(ticket=ticket, slot=slot):
                self._expect(ticket, self.has.get(ticket) == Place(slot, None), f"gave back {slot} without it")
                self._have(ticket, None, "cancellations")
            case TicketsLost(tickets=tickets):
                for ticket in tickets:
                    self._have(ticket, None, "tickets lost")
            case Refused(reason=reason):
                self.counts[f"refused: {reason}"] += 1

    def _held(self, ticket: int) -> bool:
        """Whether the ticket has nothing, or a hold that may be exchanged."""
        place = self.has.get(ticket)
        return place is None or place.until is not None

    def _expect(self, ticket: int, holds: bool, what: str) -> None:
        if not holds:
            self.stray += 1
            self.faults.append(f"ticket {ticket} {what}; it had {self.has.get(ticket)}")

    def _have(self, ticket: int, place: Place | None, what: str) -> None:
        """The ticket has ``place`` from now on and not what it had before."""
        self.counts[what] += 1
        before = self.has.pop(ticket, None)
        if before is not None:
            self.taken[before.slot] -= 1
        if place is None:
            return
        self.has[ticket] = place
        self.taken[place.slot] += 1
        self.most = max(self.most, self.taken[place.slot])
        if self.taken[place.slot] > self._capacity:
            self.crowded += 1
            self.faults.append(f"ticket {ticket} is number {self.taken[place.slot]} in {place.slot}")


class SlotLog(SlotCount):
    """Follows the log of ``experience`` from its first entry on, in a thread, from ``__enter__`` until `finish`."""

    def __init__(self, redis_url: str, experience: str, capacity: int) -> None:
        super().__init__(capacity)
        self._replica = Replica(experience)
        self._store = redis.Redis.from_url(redis_url)
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._reading = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> SlotLog:
        self._reading.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._reading.join()
        self._store.close()

    def finish(self) -> None:
        """Read to the end; raises what went wrong on the way."""
        self._over.set()
        self._reading.join()
        if self._error is not None:
            raise RuntimeError(f"the log could not be read: {self._error}") from self._error

    def _read(self) -> None:
        try:
            over = False
            while self._read_on() or not over:
                over = self._over.is_set()  # what was written before that is read after it
        except (redis.RedisError, ValueError, AssertionError) as error:
            self._error = error

    def _read_on(self) -> bool:
        """Take what is there, or wait a little for it; whether there was anything."""
        place: dict[Any, Any] = {events_key(self._replica.experience): self._replica.entry_id}
        found: Any = self._store.xread(place, count=READ_ENTRIES, block=BLOCK_MS)
        for _, entries in found:
            for entry_id, fields in entries:
                entry = self._replica.follow(entry_id.decode(), fields[FIELD_ENTRY], fields[FIELD_CHAIN])
                for event in entry.events:
                    self.take(event)
        return bool(found)


def main(redis_url: str, experience: str, capacity: int) -> None:
    """Judge a log that is in a store already; the verdict as JSON."""
    with SlotLog(redis_url, experience, capacity) as log:
        log.finish()
    verdict = {"most": log.most, "crowded": log.crowded, "stray": log.stray, "faults": log.faults}
    sys.stdout.write(msgspec.json.encode({**verdict, "counts": log.counts}).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
