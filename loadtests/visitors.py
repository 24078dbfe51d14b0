"""A simulated crowd, so that a person who looks at the page sees the queue move.

Each visitor is a consumer like any other: a guest session, a socket that joins within its handshake, and, once
admitted, a walk through the demo shop, a decline, or a window that lapses. Everything is bounded: how many come, how
long they stay, how many knock at once; and only this machine is ever visited. What a visitor does is drawn from its
own seeded generator, so two runs send the same crowd.

Hands over to: `loadtests.crowd_table`, which shows it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import resource
import ssl
import sys
from collections import Counter
from urllib.parse import urlsplit, urlunsplit

import httpx
from msgspec import Struct
from rich.console import Console
from rich.live import Live
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from loadtests.crowd_table import crowd_table
from protocol import codec
from protocol.close_codes import TERMINAL
from protocol.frames import (
    AdmittedFrame,
    DeclineFrame,
    ErrorFrame,
    JoinedFrame,
    ReconnectFrame,
    ServerFrame,
    TicketFrame,
    Welcome,
)
from protocol.states import LIVE, TicketState

USAGE = 2
VISITORS_MAX = 5_000
KNOCKING_MAX = 64
FRAME_BYTES_MAX = 64 * 1_024
TIMEOUT_S = 30.0
BACK_OFF_MS_MIN = 500
BACK_OFF_MS_MAX = 15_000
SHOPPING_MS_MIN = 2_000
SHOPPING_MS_MAX = 8_000
SHARE_WHO_BUY = 0.75
SHARE_WHO_DECLINE = 0.15
REDRAW_PER_SECOND = 4
FILES_BESIDE_SOCKETS = 512

_LIVE_WORDS = {state.word for state in LIVE}
_FAILURES = (OSError, httpx.HTTPError, ConnectionClosed, InvalidHandshake, codec.DecodeError)


class Crowd(Struct):
    """What the visitors share: where they go, how many knock at once, and the counts that are shown."""

    room: str
    experience: str
    count: int
    knocking: asyncio.Semaphore
    tls: ssl.SSLContext
    states: Counter[str]
    frames: int = 0
    reconnects: int = 0


class Visitor:
    """One consumer of the crowd. ``state`` is "outside" before the first frame about its ticket."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self._crowd = crowd
        self._chance = random.Random(number)
        self._state = "outside"
        self._shopping: asyncio.Task[None] | None = None
        self._after_ms: int | None = None
        crowd.states["outside"] += 1

    async def visit(self) -> None:
        """Come, wait, check out or not; come back after every lost connection until the ticket is over."""
        client = httpx.AsyncClient(verify=self._crowd.tls, trust_env=False, timeout=TIMEOUT_S)
        async with client:
            failures = 0
            while self._is_here():
                try:
                    session = await self._session(client)
                    await self._live(session, client)
                    failures = 0
                except _FAILURES as error:
                    if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code in TERMINAL:
                        self._become("turned away")
                    failures += 1
                    self._crowd.reconnects += 1
                if self._is_here():
                    await asyncio.sleep(self._back_off_ms(failures) / 1_000)
            if self._shopping is not None:
                await self._shopping

    def _is_here(self) -> bool:
        return self._state == "outside" or self._state in _LIVE_WORDS

    def _become(self, state: str) -> None:
        self._crowd.states[self._state] -= 1
        self._crowd.states[state] += 1
        self._state = state

    def _back_off_ms(self, failures: int) -> float:
        if self._after_ms is not None:
            after_ms, self._after_ms = self._after_ms, None
            return after_ms
        return self._chance.uniform(0, min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** min(failures, 10)))

    async def _session(self, client: httpx.AsyncClient) -> str:
        """The session token: the same one after a lost connection, because the client keeps its cookie."""
        async with self._crowd.knocking:
            answer = await client.post(f"{self._crowd.room}/v1/session")
        answer.raise_for_status()
        return str(answer.json()["session"])

    async def _live(self, session: str, client: httpx.AsyncClient) -> None:
        async with self._crowd.knocking:
            socket = await connect(
                f"ws{self._crowd.room.removeprefix('http')}/v1/experiences/{self._crowd.experience}/live?join=",
                additional_headers={"Authorization": f"Bearer {session}"},
                compression=None,
                max_size=FRAME_BYTES_MAX,
                ping_interval=None,
                proxy=None,
                open_timeout=TIMEOUT_S,
            )
        async with socket:
            async for text in socket:
                self._crowd.frames += 1
                self._hear(codec.decode_server_frame(text), socket, client)
                if not self._is_here():
                    return

    def _hear(self, frame: ServerFrame, socket: ClientConnection, client: httpx.AsyncClient) -> None:
        if isinstance(frame, JoinedFrame | TicketFrame):
            self._become(frame.state)
        elif isinstance(frame, AdmittedFrame):
            self._become(TicketState.ADMITTED.word)
            if self._shopping is None:
                self._shopping = asyncio.create_task(self._shop(frame, socket, client))
        elif isinstance(frame, ErrorFrame) and not frame.temporary:
            self._become("turned away")
        elif isinstance(frame, ReconnectFrame):
            self._after_ms = frame.after_ms
        elif isinstance(frame, Welcome):
            self._become(next((ticket.state for ticket in frame.tickets), self._state))

    async def _shop(self, frame: AdmittedFrame, socket: ClientConnection, client: httpx.AsyncClient) -> None:
        """What is done with an admission: buy, decline, or nothing, so that the window lapses."""
        choice = self._chance.random()
        await asyncio.sleep(self._chance.uniform(SHOPPING_MS_MIN, SHOPPING_MS_MAX) / 1_000)
        try:
            if choice < SHARE_WHO_BUY and is_loopback(frame.checkout_url):
                await self._buy(frame.checkout_url, client)
            elif choice < SHARE_WHO_BUY + SHARE_WHO_DECLINE:
                await socket.send(codec.encode_frame(DeclineFrame(path=frame.path)).decode())
        except _FAILURES:
            self._crowd.reconnects += 1

    async def _buy(self, checkout_url: str, client: httpx.AsyncClient) -> None:
        """Through the shop as a browser goes: the checkout page with its redirect and its cookie, then pay."""
        async with self._crowd.knocking:
            page = await client.get(checkout_url, follow_redirects=True)
            if page.is_success:
                await client.post(str(page.url.join("/pay")), follow_redirects=True)


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine, without asking any name server."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def run(url: str, experience: str, count: int, seconds: int) -> int:
    """Send ``count`` visitors to ``experience`` at ``url`` for at most ``seconds``. Returns the exit code."""
    console = Console(stderr=True, highlight=False)
    split = urlsplit(url)
    if split.scheme != "http" or not is_loopback(url):
        console.print(f"visitors go to this machine only: {url!r} is not http://127.0.0.1:PORT", markup=False)
        return USAGE
    limit = min(VISITORS_MAX, _raise_file_limit() - FILES_BESIDE_SOCKETS)
    if not 1 <= count <= limit or seconds < 1:
        console.print(f"{count} visitors for {seconds} s; allowed: 1 … {limit} visitors for at least 1 s")
        return USAGE
    room = urlunsplit((split.scheme, split.netloc, "", "", ""))
    try:
        asyncio.run(_run(room, experience, count, seconds, console))
    except KeyboardInterrupt:
        console.print("The crowd has gone.")
    return 0


def _raise_file_limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


async def _run(room: str, experience: str, count: int, seconds: int, console: Console) -> None:
    crowd = Crowd(room, experience, count, asyncio.Semaphore(KNOCKING_MAX), ssl.create_default_context(), Counter())
    visits = [asyncio.create_task(Visitor(crowd, number).visit()) for number in range(count)]
    try:
        with Live(console=console, refresh_per_second=REDRAW_PER_SECOND, get_renderable=lambda: crowd_table(crowd)):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*visits)
    except TimeoutError:
        console.print(f"{seconds} s are over; the crowd goes home.")
    finally:
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
