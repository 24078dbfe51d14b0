"""The way in during the chaos run, for all who come one by one: a session, a socket, and the real checkout, however
often each of them breaks. Whoever gets no answer asks again until there is one.

Hands over to: ``chaos_shoppers`` and ``chaos_guests``, who use it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPStatus

import httpx
from msgspec import Struct
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

REQUEST_S = 8.0
CLOSE_S = 1.0
AGAIN_S = 0.3
FAILURES = (OSError, TimeoutError, httpx.HTTPError, ConnectionClosed, InvalidHandshake)
"""What a connection ends with that breaks; all of it means: come again."""


class Bought(Struct):
    """What one consumer was told at the checkout. ``denied``: what was done was called new, or what was new was called
    done."""

    admission: str = ""
    completed: bool = False
    denied: int = 0


class Door:
    """The door of ``experience`` at ``origin``; ``failures`` counts whatever was asked again for."""

    def __init__(self, origin: str, experience: str, checkout_key: str) -> None:
        self.failures: Counter[str] = Counter()
        self._origin, self._experience, self._key = origin, experience, checkout_key

    def client(self) -> httpx.AsyncClient:
        """What asks over HTTP, for one consumer or several."""
        return httpx.AsyncClient(base_url=self._origin, timeout=REQUEST_S, trust_env=False)

    async def failed(self, error: Exception) -> None:
        """Count what broke, and wait a little before the next try."""
        self.failures[type(error).__name__] += 1
        await asyncio.sleep(AGAIN_S)

    async def session(self, http: httpx.AsyncClient) -> str:
        """A new session: no cookie of the last one goes with the question."""
        http.cookies.clear()
        answer = await http.post("/v1/session")
        answer.raise_for_status()
        return str(answer.json()["session"])

    def live(self, session: str, query: str) -> connect:
        """A socket with this query, ``join=…`` or ``watch=…``, from ``async with`` on."""
        return connect(
            f"{self._origin.replace('http', 'ws', 1)}/v1/experiences/{self._experience}/live?{query}",
            additional_headers={"Authorization": f"Bearer {session}"},
            compression=None,
            ping_interval=None,
            proxy=None,
            open_timeout=REQUEST_S,
            close_timeout=CLOSE_S,
        )

    async def check_out(self, bought: Bought, http: httpx.AsyncClient) -> None:
        """Redeem the admission, try to redeem it twice, and pay; what came of it stands in ``bought``."""
        redeemed = await self._post(http, bought, "redeem", "once")
        if redeemed == HTTPStatus.OK:
            bought.denied += await self._post(http, bought, "redeem", "twice") == HTTPStatus.OK
            paid = await self._post(http, bought, "complete", "paid")
            bought.completed = paid == HTTPStatus.OK

    async def _post(self, http: httpx.AsyncClient, bought: Bought, word: str, key: str) -> int:
        """Ask until there is an answer that is not a temporary no; its status."""
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": f"{bought.admission}-{key}"}
        path = f"/v1/admissions/{bought.admission}/{word}?experience={self._experience}"
        while True:
            try:
                answer = await http.post(path, headers=headers, json={} if word == "complete" else None)
            except httpx.HTTPError as error:
                await self.failed(error)
                continue
            problem = {} if answer.is_success else answer.json()
            if not problem.get("temporary") and problem.get("reason") != "not_found":
                bought.denied += key in ("once", "paid") and problem.get("reason") == "already_done"
                return answer.status_code
            self.failures[problem["reason"]] += 1
            await asyncio.sleep(AGAIN_S)
