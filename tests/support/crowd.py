"""A crowd of consumers for runs against a real stack: each holds one socket, comes back when it is lost, does one of
the things that people do, and remembers what it was told.

What a visitor was told is the evidence of a run: it is compared with the log afterwards.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

PLANS = ("complete", "redeem_and_complete", "expire", "expire_and_rejoin", "decline", "release", "leave")
RECONNECT_S_MAX = 0.5
SOCKET_TIMEOUT_S = 60.0
ANSWER_ATTEMPTS_MAX = 60
TERMINAL = frozenset({"completed", "left", "lost", "refused"})


@dataclass
class Visitor:
    """One consumer. ``joined``: every ticket it was told, in order; ``admissions``: every admission id.

    Who lost their socket before `joined` came, and was away for the whole of their turn, learns of their ticket only
    that it has ended.
    """

    number: int
    plan: str
    session: str = ""
    consumer: str = ""
    joined: list[int] = field(default_factory=list)
    admissions: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    rises: list[tuple[int, int]] = field(default_factory=list)
    connects: int = 0
    done: bool = False
    _ahead: int | None = None

    def note_position(self, frame: dict[str, Any]) -> None:
        """Positions never rise, but for a forgiven missed turn; who was away cannot be told of one that they missed."""
        ahead = frame["ahead"]
        if self._ahead is not None and ahead > self._ahead and frame.get("why") != "returned":
            self.rises.append((self._ahead, ahead))
        self._ahead = ahead

    def forget_position(self) -> None:
        self._ahead = None

    def note_ticket(self, ticket: int) -> None:
        if not self.joined or self.joined[-1] != ticket:
            self.joined.append(ticket)
            self.forget_position()

    def note_admission(self, admission: str) -> bool:
        """Whether this admission is news."""
        if admission in self.admissions:
            return False
        self.admissions.append(admission)
        return True


class Crowd:
    """Visitors at the addresses of one experience. ``origins``: one address a gateway, taken in turn."""

    def __init__(
        self, origins: Sequence[str], experience: str, path: str, checkout_key: str, *, count: int, seed: int
    ) -> None:
        chance = random.Random(seed)
        self._origins = origins
        self._experience, self._path = experience, path
        self._headers = {"Authorization": f"Bearer {checkout_key}"}
        self._chance = chance
        self.visitors = [Visitor(number, chance.choice(PLANS)) for number in range(count)]
        self.admitted = asyncio.Semaphore(0)
        self._doors = asyncio.Semaphore(100)

    async def run(self) -> None:
        """Everybody does what they came for; returns when all are done."""
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        async with httpx.AsyncClient(limits=limits, timeout=10.0) as checkout, asyncio.TaskGroup() as visits:
            for visitor in self.visitors:
                visits.create_task(self._visit(visitor, checkout))

    def progress(self) -> dict[str, int]:
        """How far the crowd is."""
        joined = sum(bool(visitor.joined) for visitor in self.visitors)
        admitted = sum(bool(visitor.admissions) for visitor in self.visitors)
        return {"joined": joined, "admitted": admitted, "done": sum(visitor.done for visitor in self.visitors)}

    async def _visit(self, visitor: Visitor, checkout: httpx.AsyncClient) -> None:
        while not visitor.done:
            try:
                async with self._doors:
                    socket = await self._connect(visitor)
                async with socket:
                    await self._stay(visitor, socket, checkout)
            except (OSError, WebSocketException, TimeoutError):
                # the server went away or is not back yet: come back, as every client does
                await asyncio.sleep(self._chance.uniform(0, RECONNECT_S_MAX))

    async def _connect(self, visitor: Visitor) -> ClientConnection:
        origin = self._origins[(visitor.number + visitor.connects) % len(self._origins)].replace("http", "ws", 1)
        visitor.connects += 1
        visitor.forget_position()
        address = f"{origin}/v1/experiences/{self._experience}/live"
        headers = {}
        if visitor.session:
            headers["Authorization"] = f"Bearer {visitor.session}"
            address += f"?join={self._path}"
        try:
            return await connect(
                address, additional_headers=headers, compression=None, open_timeout=10, ping_interval=None
            )
        except InvalidStatus as refusal:
            if refusal.response.status_code not in (502, 503):
                raise AssertionError(f"the handshake was refused: {refusal.response.status_code}") from refusal
            raise

    async def _stay(self, visitor: Visitor, socket: ClientConnection, checkout: httpx.AsyncClient) -> None:
        while not visitor.done:
            async with asyncio.timeout(SOCKET_TIMEOUT_S):
                frame = msgspec.json.decode(await socket.recv())
            await self._take(visitor, socket, frame, checkout)

    async def _take(
        self, visitor: Visitor, socket: ClientConnection, frame: dict[str, Any], checkout: httpx.AsyncClient
    ) -> None:
        match frame["type"]:
            case "welcome":
                visitor.consumer = frame["consumer"]["id"]
                if "session" in frame:
                    visitor.session = frame["session"]
                    await self._say(socket, "join")
            case "joined":
                visitor.note_ticket(frame["ticket"])
                if visitor.plan == "leave" and visitor.number % 2 == 0 and frame["state"] == "waiting":
                    await self._say(socket, "leave")
            case "position":
                visitor.note_position(frame)
            case "admitted":
                news = visitor.note_admission(frame["admission"])
                await self._check_out(visitor, socket, frame, checkout, news=news)
            case "ticket":
                await self._take_ticket(visitor, socket, frame)
            case "error":
                assert frame["temporary"] or frame["reason"] == "no_ticket", frame
                if frame["reason"] == "engine_away":
                    await socket.close()

    async def _take_ticket(self, visitor: Visitor, socket: ClientConnection, frame: dict[str, Any]) -> None:
        state = frame["state"]
        visitor.states.append(state)
        visitor.note_ticket(frame["ticket"])
        if state == "expired":
            if visitor.plan == "expire_and_rejoin" and frame.get("may_rejoin"):
                await self._say(socket, "rejoin")
            else:
                visitor.done = True
        elif state in TERMINAL:
            visitor.done = True

    async def _say(self, socket: ClientConnection, kind: str) -> None:
        await socket.send(msgspec.json.encode({"type": kind, "path": self._path}).decode())

    async def _check_out(
        self,
        visitor: Visitor,
        socket: ClientConnection,
        frame: dict[str, Any],
        checkout: httpx.AsyncClient,
        *,
        news: bool,
    ) -> None:
        if news:
            self.admitted.release()
        match visitor.plan:
            case "decline":
                await self._say(socket, "decline")
            case "complete" | "leave":
                await self._tell_engine(checkout, frame["admission"], "complete")
            case "redeem_and_complete":
                await self._tell_engine(checkout, frame["admission"], "redeem")
                await self._tell_engine(checkout, frame["admission"], "complete")
            case "release":
                await self._tell_engine(checkout, frame["admission"], "release")

    async def _tell_engine(self, checkout: httpx.AsyncClient, admission: str, what: str) -> None:
        """The merchant's server keeps trying, with one Idempotency-Key, until it gets an answer that stands."""
        headers = {**self._headers, "Idempotency-Key": f"{admission}-{what}"}
        for attempt in range(ANSWER_ATTEMPTS_MAX):
            origin = self._origins[attempt % len(self._origins)]
            address = f"{origin}/v1/admissions/{admission}/{what}?experience={self._experience}"
            try:
                answer = await checkout.post(address, headers=headers, json={})
            except httpx.HTTPError:
                await asyncio.sleep(RECONNECT_S_MAX)
                continue
            if answer.status_code not in (429, 500, 502, 503):
                assert answer.status_code in (200, 409), answer.text
                return
            await asyncio.sleep(RECONNECT_S_MAX)
        raise AssertionError(f"the checkout never answered {what}")
