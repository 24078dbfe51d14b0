"""Shoppers in the chaos run: consumers who join the short line, are admitted, and pay at the real checkout, however
often their connection breaks on the way. What each was told is kept, to be held against the log afterwards.

Whoever gets no answer asks again, with the same Idempotency-Key, until there is one. When one has paid or missed the
turn, a new consumer comes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from http import HTTPStatus
from types import TracebackType

import httpx
from msgspec import Struct
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from protocol import codec
from protocol.frames import AdmittedFrame, JoinedFrame, TicketFrame, Welcome
from protocol.states import LIVE

LINE = "express"
REQUEST_S = 8.0
AGAIN_S = 0.3
LAST_S = 60.0
"""How long those who are still there may take at the end."""
_LIVE_WORDS = {state.word for state in LIVE}
_FAILURES = (OSError, TimeoutError, httpx.HTTPError, ConnectionClosed, InvalidHandshake)


class Told(Struct):
    """What one shopper was told. ``strayed``: another ticket or admission than before; ``denied``: what was done was
    called new, or what was new was called done."""

    consumer: str = ""
    ticket: int | None = None
    admission: str = ""
    completed: bool = False
    over: bool = False
    strayed: int = 0
    denied: int = 0


class Shoppers:
    """``count`` at a time, at ``origin``, from ``__enter__`` until `finish`. ``told`` has all there ever were."""

    def __init__(self, origin: str, experience: str, checkout_key: str, count: int) -> None:
        self.told: list[Told] = []
        self.failures: Counter[str] = Counter()
        self._origin, self._experience, self._key, self._count = origin, experience, checkout_key, count
        self._over = threading.Event()
        self._shopping = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Shoppers:
        self._shopping.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Nobody comes any more; returns when all have gone."""
        self._over.set()
        self._shopping.join()

    async def _run(self) -> None:
        coming = [asyncio.create_task(self._come()) for _ in range(self._count)]
        while not self._over.is_set():
            await asyncio.sleep(AGAIN_S)
        _, late = await asyncio.wait(coming, timeout=LAST_S)
        for one in late:
            one.cancel()
        await asyncio.wait(coming)

    async def _come(self) -> None:
        async with httpx.AsyncClient(base_url=self._origin, timeout=REQUEST_S, trust_env=False) as http:
            while not self._over.is_set():
                told = Told()
                self.told.append(told)
                await self._shop(told, http)

    async def _shop(self, told: Told, http: httpx.AsyncClient) -> None:
        session = ""
        while not told.over:
            try:
                session = session or await self._session(http)
                await self._wait(told, session)
                await self._check_out(told, http)
            except _FAILURES as error:
                self.failures[type(error).__name__] += 1
                await asyncio.sleep(AGAIN_S)

    async def _session(self, http: httpx.AsyncClient) -> str:
        """A new session: no cookie of the last one goes with the question."""
        http.cookies.clear()
        answer = await http.post("/v1/session")
        answer.raise_for_status()
        return str(answer.json()["session"])

    async def _wait(self, told: Told, session: str) -> None:
        """Hold a socket until the admission comes; return at once if the ticket has ended."""
        address = f"{self._origin.replace('http', 'ws', 1)}/v1/experiences/{self._experience}/live?join={LINE}"
        async with connect(
            address,
            additional_headers={"Authorization": f"Bearer {session}"},
            compression=None,
            ping_interval=None,
            proxy=None,
            open_timeout=REQUEST_S,
        ) as socket:
            async for text in socket:
                frame = codec.decode_server_frame(text)
                if isinstance(frame, Welcome):
                    told.consumer = frame.consumer.id
                elif isinstance(frame, JoinedFrame):
                    told.strayed += told.ticket not in (None, frame.ticket)
                    told.ticket = frame.ticket if isinstance(frame.ticket, int) else told.ticket
                elif isinstance(frame, AdmittedFrame):
                    told.strayed += told.admission not in ("", frame.admission)
                    told.admission = frame.admission
                    return
                elif isinstance(frame, TicketFrame) and frame.state not in _LIVE_WORDS:
                    told.over = True
                    return

    async def _check_out(self, told: Told, http: httpx.AsyncClient) -> None:
        if told.over:
            return
        redeemed = await self._post(http, told, "redeem", "once")
        if redeemed == HTTPStatus.OK:
            told.denied += await self._post(http, told, "redeem", "twice") == HTTPStatus.OK
            paid = await self._post(http, told, "complete", "paid")
            told.completed = paid == HTTPStatus.OK
        told.over = True

    async def _post(self, http: httpx.AsyncClient, told: Told, word: str, key: str) -> int:
        """Ask until there is an answer that is not a temporary no; its status."""
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": f"{told.admission}-{key}"}
        path = f"/v1/admissions/{told.admission}/{word}?experience={self._experience}"
        while True:
            try:
                answer = await http.post(path, headers=headers, json={} if word == "complete" else None)
            except httpx.HTTPError as error:
                self.failures[type(error).__name__] += 1
                await asyncio.sleep(AGAIN_S)
                continue
            problem = {} if answer.is_success else answer.json()
            if not problem.get("temporary") and problem.get("reason") != "not_found":
                told.denied += key in ("once", "paid") and problem.get("reason") == "already_done"
                return answer.status_code
            self.failures[problem["reason"]] += 1
            await asyncio.sleep(AGAIN_S)
