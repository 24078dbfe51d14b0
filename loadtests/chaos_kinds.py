"""What the guests of each kind do in the chaos run: enter a draw, bid, take a slot, claim at the opening, wait for what
comes free. Some give up what they have, some let it lapse, and most of it happens while something is broken.

Hands over to: ``chaos_guests``, who are there and remember; ``chaos_day``, which says when what happens.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from loadtests.chaos_day import APPOINTMENT, AUCTION, DRAW, ENTRIES_CLOSE, HAMMER, RELEASE, WAITLIST, Day
from loadtests.chaos_door import AGAIN_S, Door
from loadtests.chaos_guests import Guest, GuestTold
from protocol.frames import DeclineFrame, ErrorFrame, LeaveFrame
from protocol.kind_frames import (
    BidFrame,
    BidStatusFrame,
    BookedFrame,
    BookFrame,
    CancelFrame,
    CancelledFrame,
    ClaimFrame,
    HeldFrame,
    HoldFrame,
    RescheduleFrame,
)
from protocol.money import decimal_string, minor_units
from protocol.states import Phase

CURRENCY = "EUR"
LEAVES, IMPATIENT, CLAIMS, REFUSES = 0.1, 0.5, 0.65, 0.2
LAPSES, GIVES_UP, MOVES, CANCELS = 0.2, 0.15, 0.5, 0.5
"""Of a hundred who hold a slot so many let it lapse, or give it up; of the bookings so many are moved, or cancelled."""
BIDS_EACH, STEP_UNITS, OVER_UNITS = 25, 100, 500
TRIES, NEXT_SLOTS, SOON_MS = 4, 8, 1_000
NEXT_S = 1.0
LAST_S = 120.0
BACK_S = 60.0
BACK_AT_ONCE = 16


class Entrant(Guest):
    """Enters the draw; may withdraw."""

    PATH = DRAW

    @classmethod
    def arrives_within_s(cls, day: Day) -> float:
        return day.span_s * ENTRIES_CLOSE / 2

    async def take_part(self) -> None:
        await self.until(lambda: self.told.ticket is not None or self.told.over)
        if self.chance.random() < LEAVES and not self.told.over:
            await self.pause()
            await self.ask(LeaveFrame(path=self.PATH))
        await self.use_admission()


class Bidder(Guest):
    """Bids until the hammer falls."""

    PATH = AUCTION

    async def take_part(self) -> None:
        count, own, pace_s = 0, 0, self.day.span_s * HAMMER / BIDS_EACH
        while not (self.told.over or self.told.result):
            await asyncio.sleep(self.chance.uniform(0, 2 * pace_s))
            if not self.min_next or self.told.ticket is None:
                continue
            least = max(minor_units(self.min_next, CURRENCY), own + STEP_UNITS)
            units, count = least + self.chance.randrange(OVER_UNITS), count + 1
            own = units if await self._bid(f"bid-{count}", decimal_string(units, CURRENCY)) else own
        await self.use_admission()

    async def _bid(self, bid: str, maximum: str) -> bool:
        """Whether it was taken."""
        answer = await self.ask(BidFrame(path=self.PATH, max=maximum, id=bid))
        if isinstance(answer, BidStatusFrame):
            self.told.bids[bid] = maximum
        elif isinstance(answer, ErrorFrame) and answer.reason == "too_low":
            self.told.low.append(bid)
            self.min_next = answer.min_next if isinstance(answer.min_next, str) else self.min_next
        return isinstance(answer, BidStatusFrame)


class Visitor(Guest):
    """Holds a slot, books it, moves, gives it back, tries again; who keeps a booking is content and goes."""

    PATH = APPOINTMENT

    async def take_part(self) -> None:
        await self.until(lambda: self.told.over or (self.slots and self.told.ticket is not None))
        for _ in range(TRIES):
            if self.told.over or await self._keeps_a_booking():
                break
            await self.pause()
        self.told.over = self.told.over or bool(self.told.booked)
        if not self.told.over:
            await self.ask(LeaveFrame(path=self.PATH))

    async def _keeps_a_booking(self) -> bool:
        slot = self._a_slot()
        if not slot or not isinstance(await self.ask(HoldFrame(path=self.PATH, slot=slot)), HeldFrame):
            return False
        choice = self.chance.random()
        if choice < LAPSES:
            await self.until(lambda: not self.held)
            return False
        await self.pause()
        if choice < LAPSES + GIVES_UP:
            await self.ask(CancelFrame(path=self.PATH))
            return False
        return isinstance(await self.ask(BookFrame(path=self.PATH)), BookedFrame) and await self._stays()

    async def _stays(self) -> bool:
        """Whether a booking that was made, and perhaps moved, is kept."""
        await self.pause()
        other = self._a_slot()
        if other and self.chance.random() < MOVES:
            await self.ask(RescheduleFrame(path=self.PATH, slot=other))
            await self.pause()
        if self.chance.random() >= CANCELS:
            return True
        return not isinstance(await self.ask(CancelFrame(path=self.PATH)), CancelledFrame)

    def _a_slot(self) -> str:
        """One of the next that have not begun, full or not; "" if there is none."""
        soon_ms = time.time() * 1_000 + SOON_MS
        begins = sorted(slot.start for slot in self.slots.values() if slot.start > soon_ms)[:NEXT_SLOTS]
        return self.chance.choice([slot.id for slot in self.slots.values() if slot.start in begins] or [""])


class Claimer(Guest):
    """Claims when it opens, and may try before."""

    PATH = RELEASE

    async def take_part(self) -> None:
        await self.until(lambda: self.told.ticket is not None or self.told.over)
        if self.chance.random() < IMPATIENT and not self.told.over:
            await self.pause()
            await self.ask(ClaimFrame(path=self.PATH))
        await self.until(lambda: self.phase == Phase.OPEN or self.told.admission or self.told.over)
        while not (self.told.admission or self.told.over) and await self._is_too_early():
            await asyncio.sleep(AGAIN_S)
        await self.use_admission()

    async def _is_too_early(self) -> bool:
        answer = await self.ask(ClaimFrame(path=self.PATH))
        return isinstance(answer, ErrorFrame) and answer.reason == "not_open"


class Hopeful(Guest):
    """Waits for an offer, and claims it, declines it, or lets it lapse."""

    PATH = WAITLIST

    async def take_part(self) -> None:
        await self.until(lambda: self.told.offers or self.told.over)
        choice = self.chance.random()
        if self.told.over:
            return
        await self.pause()
        if choice < CLAIMS:
            await self.ask(ClaimFrame(path=self.PATH, offer=self.told.offers[-1]))
            await self.use_admission()
        elif choice < CLAIMS + REFUSES:
            await self.ask(DeclineFrame(path=self.PATH))


CROWD: dict[type[Guest], int] = {Entrant: 24, Bidder: 8, Visitor: 6, Claimer: 24, Hopeful: 12}
"""Of each kind so many, of the visitors so many at a time."""


class Guests:
    """The guests of all kinds, at ``door``, from ``__enter__`` until `finish`."""

    def __init__(self, door: Door, day: Day, seed: int) -> None:
        self.guests: list[Guest] = []
        self.failures = door.failures
        self._door, self._day, self._chance = door, day, random.Random(seed)
        self._over = threading.Event()
        self._thread = ThreadPoolExecutor(1, "guests")

    @property
    def told(self) -> list[GuestTold]:
        """What each was told."""
        return [guest.told for guest in self.guests]

    def __enter__(self) -> Guests:
        self._visit = self._thread.submit(asyncio.run, self._run())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.shutdown()

    def let_nobody_in(self) -> None:
        """From now on nobody new comes."""
        self._over.set()

    def finish(self) -> None:
        """Return when all have gone, or their time is over, and each has come back once more to hear what it has.
        Raises what went wrong with a guest."""
        self._over.set()
        self._visit.result()

    async def _run(self) -> None:
        coming = [asyncio.create_task(self._come(kind)) for kind, count in CROWD.items() for _ in range(count)]
        while not self._over.is_set():
            await asyncio.sleep(AGAIN_S)
            _raise_of(one for one in coming if one.done())
        await _end(coming, LAST_S)
        at_once, known = asyncio.Semaphore(BACK_AT_ONCE), [one for one in self.guests if one.told.ticket is not None]
        await _end([asyncio.create_task(self._come_back(guest, at_once)) for guest in known], BACK_S)

    async def _come(self, kind: type[Guest]) -> None:
        chance = random.Random(self._chance.random())
        await asyncio.sleep(chance.uniform(0.0, kind.arrives_within_s(self._day)))
        while not self._over.is_set():
            guest = kind(self._door, self._day, chance)
            self.guests.append(guest)
            await guest.visit()
            if kind is not Visitor:
                return
            await asyncio.sleep(NEXT_S)

    @staticmethod
    async def _come_back(guest: Guest, at_once: asyncio.Semaphore) -> None:
        async with at_once:
            await guest.come_back()


async def _end(tasks: list[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait until all are done; those who are late go, and what they were not told shows in what they were."""
    done, late = await asyncio.wait(tasks, timeout=timeout_s)
    for one in late:
        one.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    _raise_of(done)


def _raise_of(done: Iterable[asyncio.Task[None]]) -> None:
    for one in done:
        one.result()
