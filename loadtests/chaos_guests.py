"""Guests of the kinds in the chaos run: one consumer each, on a socket that breaks often, who keeps what was told.

A guest acts and listens at the same time. What it asks for it asks for again, with the same ``ref``, until there is an
answer that is not a temporary no; and whenever the socket breaks it comes back and hears what it has. All that it hears
on the way is kept in ``GuestTold``, to be held against the log afterwards.

Hands over to: ``chaos_kinds``, which says what the guests of each kind do; ``chaos_kinds_verdict``, which judges.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import ClassVar

import httpx
from msgspec import UNSET, field, structs
from websockets.asyncio.client import ClientConnection

from loadtests.chaos_day import Day
from loadtests.chaos_door import AGAIN_S, FAILURES, Door
from loadtests.chaos_shoppers import Told
from protocol import codec
from protocol.frames import (
    AdmittedFrame,
    ClientFrame,
    DeclineFrame,
    ErrorFrame,
    JoinedFrame,
    PhaseFrame,
    ServerFrame,
    TicketFrame,
    Welcome,
)
from protocol.kind_frames import (
    BidStatusFrame,
    BookedFrame,
    CancelledFrame,
    DrawResultFrame,
    HeldFrame,
    HighBidFrame,
    OfferFrame,
    SlotsFrame,
    SlotView,
)
from protocol.states import LIVE, TicketState

ANSWER_S = 5.0
ARRIVES_S = 1.0
PACE_S = (0.5, 2.0)
BUYS, DECLINES = 0.5, 0.25
"""Of a hundred admitted so many pay, and so many give it up; the windows of the others lapse."""
ASK_AGAIN = frozenset({"busy", "engine_away", "too_many", "paused"})
"""A temporary no that has nothing to do with what was asked for."""
WON, LOST = "won", "lost"
_LIVE_WORDS = {state.word for state in LIVE}


class GuestTold(Told):
    """What one guest of ``path`` was told. ``end``: the state that its ticket ended in, as a word; ``refused``: why it
    got no ticket; ``result``, ``place``, ``price``: of a draw or an auction; ``bids``: the maxima that were accepted,
    and ``low``: the bids that were not, by id; ``holds`` and ``bookings``: every slot that was ever held, and booked
    with which code; ``booked``: the one that it has; ``offers``: ids."""

    path: str = ""
    end: str = ""
    refused: str = ""
    result: str = ""
    place: int = 0
    price: str = ""
    bids: dict[str, str] = field(default_factory=dict)
    low: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    bookings: list[tuple[str, str]] = field(default_factory=list)
    booked: str = ""
    offers: list[str] = field(default_factory=list)


class Guest:
    """A guest of ``PATH``, at ``door``, on this ``day``; ``chance`` says what it does."""

    PATH: ClassVar[str]
    _http: httpx.AsyncClient

    def __init__(self, door: Door, day: Day, chance: random.Random) -> None:
        self.told = GuestTold(path=self.PATH)
        self.door, self.day, self.chance = door, day, chance
        self.phase = self.state = self.held = self.min_next = ""
        self.slots: dict[str, SlotView] = {}
        self._session = ""
        self._ref = 0
        self._answer: ServerFrame | None = None
        self._socket: ClientConnection | None = None
        self._news = asyncio.Condition()
        self._heard: set[type[ServerFrame]] = set()

    async def visit(self) -> None:
        """Come, take part, and stay until it is over."""
        async with self.door.client() as self._http, asyncio.TaskGroup() as tasks:
            living = tasks.create_task(self._live())
            await self.take_part()
            await self.until(lambda: self.told.over)
            living.cancel()

    async def come_back(self) -> None:
        """Come once more and hear what there is of the ticket."""
        self._heard.clear()
        async with self.door.client() as self._http, asyncio.TaskGroup() as tasks:
            living = tasks.create_task(self._live())
            await self.until(self._knows_again)
            living.cancel()

    @classmethod
    def arrives_within_s(cls, day: Day) -> float:
        """How long until all have come."""
        return ARRIVES_S

    async def take_part(self) -> None:
        """What the kind is for."""
        raise NotImplementedError

    async def use_admission(self) -> None:
        """Wait for the admission; pay, give it up, or let the window lapse."""
        await self.until(lambda: bool(self.told.admission) or self.told.over)
        choice = self.chance.random()
        await self.pause()
        if self.told.over:
            return
        if choice < BUYS:
            await self.door.check_out(self.told, self._http)
        elif choice < BUYS + DECLINES:
            await self.ask(DeclineFrame(path=self.PATH))

    async def pause(self) -> None:
        """Take a moment."""
        await asyncio.sleep(self.chance.uniform(*PACE_S))

    async def until(self, holds: Callable[[], object]) -> None:
        """Return once something that was heard makes it so."""
        async with self._news:
            await self._news.wait_for(holds)

    async def ask(self, frame: ClientFrame) -> ServerFrame:
        """Ask until there is an answer, however often the socket breaks."""
        self._ref += 1
        asked = structs.replace(frame, ref=self._ref)
        while True:
            answer = await self._answer_to(asked)
            if answer is not None and not (isinstance(answer, ErrorFrame) and answer.reason in ASK_AGAIN):
                return answer
            self.door.failures["no answer" if answer is None else "not now"] += 1
            await asyncio.sleep(AGAIN_S)

    async def _answer_to(self, asked: ClientFrame) -> ServerFrame | None:
        """The answer; None where none comes in time, and then that socket is given up."""
        self._answer = None
        socket: ClientConnection | None = None
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.until(lambda: self._socket is not None)
                socket = self._socket
                assert socket is not None, "it was waited for"
                await socket.send(codec.encode_frame(asked).decode())
                await self.until(lambda: self._answer is not None)
        except FAILURES as error:
            self.door.failures[type(error).__name__] += 1
            if socket is not None:
                socket.transport.abort()
        return self._answer

    async def _live(self) -> None:
        """Be there, and come back after every lost connection: whoever knows of a ticket takes no other."""
        while True:
            try:
                self._session = self._session or await self.door.session(self._http)
                word = "join" if self.told.ticket is None else "watch"
                async with self.door.live(self._session, f"{word}={self.PATH}") as socket:
                    await self._be_at(socket)
                    async for text in socket:
                        frame = codec.decode_server_frame(text)
                        await self._hear(frame)
                        if isinstance(frame, ErrorFrame) and frame.ref is UNSET and self.told.ticket is None:
                            break  # who was not let join comes again
            except FAILURES as error:
                self.door.failures[type(error).__name__] += 1
            await self._be_at(None)
            await asyncio.sleep(AGAIN_S)

    async def _be_at(self, socket: ClientConnection | None) -> None:
        async with self._news:
            self._socket = socket
            self._news.notify_all()

    async def _hear(self, frame: ServerFrame) -> None:
        async with self._news:
            self._remember(frame)
            self._heard.add(type(frame))
            if getattr(frame, "ref", UNSET) == self._ref:
                self._answer = frame
            self._news.notify_all()

    def _knows_again(self) -> bool:
        """Whether all has been heard that whoever comes back is told of this ticket."""
        waits = JoinedFrame in self._heard and self.state != TicketState.BOOKED.word
        return waits or BookedFrame in self._heard or TicketFrame in self._heard

    # What is told

    def _remember(self, frame: ServerFrame) -> None:
        told = self.told
        match frame:
            case Welcome():
                told.consumer = frame.consumer.id
            case JoinedFrame():
                told.strayed += told.ticket not in (None, frame.ticket)
                told.ticket = frame.ticket if isinstance(frame.ticket, int) else told.ticket
                self.held = told.booked = ""
                self.state = frame.state
            case AdmittedFrame():
                told.strayed += told.admission not in ("", frame.admission)
                told.admission = frame.admission
            case TicketFrame() if frame.state not in _LIVE_WORDS:
                told.strayed += told.end not in ("", frame.state)
                told.end, told.over = frame.state, True
                self.held = ""
            case ErrorFrame() if frame.ref is UNSET and told.ticket is None and not frame.temporary:
                told.refused, told.over = frame.reason, True
            case PhaseFrame():
                self.phase = frame.phase
            case _:
                self._remember_of_kind(frame)

    def _remember_of_kind(self, frame: ServerFrame) -> None:
        told = self.told
        match frame:
            case DrawResultFrame():
                told.result = WON if frame.won else LOST
                told.place = frame.place if isinstance(frame.place, int) else told.place
            case BidStatusFrame(status="won" | "lost"):
                told.result = frame.status
                told.price = frame.price if isinstance(frame.price, str) else ""
            case HighBidFrame() if isinstance(frame.min_next, str):
                self.min_next = frame.min_next
            case SlotsFrame():
                self.slots |= {slot.id: slot for slot in frame.slots}
            case HeldFrame():
                self.held = frame.slot
                told.holds += [] if frame.slot in told.holds else [frame.slot]
            case BookedFrame():
                self.held, told.booked, made = "", frame.slot, (frame.slot, frame.confirmation)
                told.bookings += [] if made in told.bookings else [made]
            case CancelledFrame():
                self.held = told.booked = ""
            case OfferFrame():
                told.offers += [] if frame.offer in told.offers else [frame.offer]
