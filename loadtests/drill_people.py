"""Consumers at a real gateway, for drills: each holds one socket, and keeps all that it was told, with the instant.

A socket that breaks is made again at once, with the session that the first one got, as the page does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import websockets.asyncio.client
from websockets.exceptions import WebSocketException

from loadtests.drill_log import PATIENCE_S
from loadtests.workload import PATH

COME_BACK_S = 0.2
LOOK_S = 0.02


class Told(NamedTuple):
    """A frame, and when it came (ns)."""

    frame: dict[str, Any]
    at_ns: int


class Consumer:
    """One person at ``url``. ``id`` is known once they are welcome."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = ""
        self._socket: websockets.asyncio.client.ClientConnection | None = None
        self.id = b""
        self.told: list[Told] = []
        self._asked = 0

    async def live(self) -> None:
        """Hold a socket, for ever: ends by cancellation alone."""
        while True:
            try:
                headers = {"Authorization": f"Bearer {self._session}"} if self._session else {}
                query = f"?join={PATH}" if self.facts("joined") else ""
                async with websockets.asyncio.client.connect(
                    self._url + query, additional_headers=headers, compression=None, proxy=None
                ) as socket:
                    self._socket = socket
                    async for text in socket:
                        self._hear(msgspec.json.decode(text))
            except (OSError, WebSocketException):
                await asyncio.sleep(COME_BACK_S)  # it broke, or nobody is there yet: come back
            finally:
                self._socket = None

    async def join(self) -> None:
        """Ask for a ticket."""
        assert self._socket is not None, "they are welcome first"
        self._asked = len(self.told)
        await self._socket.send(msgspec.json.encode({"type": "join", "path": PATH}).decode())

    @property
    def is_refused(self) -> bool:
        """Whether they were told "no" since they last asked."""
        return bool(self.facts("error", self._asked))

    def facts(self, kind: str, since: int = 0) -> list[dict[str, Any]]:
        """The frames of a kind that they were told, from the ``since``-th on."""
        return [told.frame for told in self.told[since:] if told.frame["type"] == kind]

    def _hear(self, frame: dict[str, Any]) -> None:
        self.told.append(Told(frame, time.monotonic_ns()))
        if frame["type"] == "welcome":
            self.id = bytes.fromhex(frame["consumer"]["id"])
            self._session = frame.get("session", self._session)


@asynccontextmanager
async def people(url: str, count: int) -> AsyncIterator[list[Consumer]]:
    """So many new consumers, all welcome; they leave at the end."""
    crowd = [Consumer(url) for _ in range(count)]
    lives = [asyncio.ensure_future(one.live()) for one in crowd]
    try:
        await all_of(crowd, lambda one: bool(one.id), "welcome")
        yield crowd
    finally:
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)


async def all_joined(crowd: Sequence[Consumer]) -> None:
    """Return once all were told a ticket; who is refused meanwhile asks again, as the page does. Raises RuntimeError
    after ``PATIENCE_S``."""

    def joined(one: Consumer) -> bool:
        return bool(one.facts("joined"))

    until_s = time.monotonic() + PATIENCE_S
    while not all(map(joined, crowd)) and time.monotonic() < until_s:
        for one in crowd:
            if one.is_refused and not joined(one):
                await one.join()
        await asyncio.sleep(COME_BACK_S)
    await all_of(crowd, joined, "joined")


async def all_of(crowd: Sequence[Consumer], holds: Callable[[Consumer], bool], what: str) -> None:
    """Return once it holds for all. Raises RuntimeError after ``PATIENCE_S``, saying what one of them was told."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while not all(map(holds, crowd)):
                await asyncio.sleep(LOOK_S)
            return
    missing = [one for one in crowd if not holds(one)]
    last = [told.frame for told in missing[0].told[-5:]]
    raise RuntimeError(f"{len(missing)} of {len(crowd)} waited {PATIENCE_S:g} s for: {what}; the last frames: {last}")
