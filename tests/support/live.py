"""A consumer's socket for tests: it keeps what it was told, and waits for what it expects."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import websockets.asyncio.client
import websockets.exceptions
from websockets.typing import Subprotocol

from gateway.identity import SUBPROTOCOL

EXPECT_TIMEOUT_S = 60.0

Frame = dict[str, Any]


class Consumer:
    """One socket. ``frames`` has everything that it was told, in order."""

    def __init__(self, connection: websockets.asyncio.client.ClientConnection) -> None:
        self.connection = connection
        self.frames: list[Frame] = []

    async def send(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def next(self) -> Frame:
        """The next frame."""
        async with asyncio.timeout(EXPECT_TIMEOUT_S):
            text = await self.connection.recv()
        assert isinstance(text, str), "frames are text"
        self.frames.append(json.loads(text))
        return self.frames[-1]

    async def until(self, kind: str, **fields: Any) -> Frame:
        """The next frame of this type with these fields; all before it are kept in ``frames``."""
        async with asyncio.timeout(EXPECT_TIMEOUT_S):
            while True:
                frame = await self.next()
                if frame["type"] == kind and all(frame.get(name) == value for name, value in fields.items()):
                    return frame

    async def closed(self) -> int | None:
        """The code it is closed with, once it is; frames before that are kept."""
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):  # the code says which way it ended
            while True:
                await self.next()
        return self.connection.close_code

    def told(self, kind: str) -> list[Frame]:
        """All frames of a type so far."""
        return [frame for frame in self.frames if frame["type"] == kind]


@asynccontextmanager
async def consumer(
    origin: str,
    experience: str,
    *,
    token: str | None = None,
    join: Iterable[str] = (),
    watch: Iterable[str] = (),
    headers: dict[str, str] | None = None,
) -> AsyncIterator[Consumer]:
    """A socket at the gateway of ``origin``; ``token`` is presented as a bearer."""
    query = urlencode([("join", path) for path in join] + [("watch", path) for path in watch])
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    address = f"{origin.replace('http', 'ws', 1)}/v1/experiences/{experience}/live?{query}"
    async with websockets.asyncio.client.connect(
        address,
        additional_headers=bearer | (headers or {}),
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        proxy=None,
        open_timeout=EXPECT_TIMEOUT_S,
    ) as connection:
        yield Consumer(connection)


async def guest(client: httpx.AsyncClient) -> str:
    """The token of a new session."""
    answer = await client.post("/v1/session")
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    return str(answer.json()["session"])
