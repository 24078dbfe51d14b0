"""Connections to the store. A client's own retries are off: what was sent twice unseen is not ours to number.

The one read and the one write that every process makes all the time go through `Direct`: the library's way to say the
same costs three times as much as what is said.
"""

import asyncio
from typing import Any

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_TIMEOUT_MS = 2_000
ANSWER_TIMEOUT_MS = 3_000
BACKOFF_MS_MIN = 50
BACKOFF_MS_MAX = 1_000

Store = redis.asyncio.Redis
STORE_ERRORS = (redis.exceptions.RedisError, OSError)
"""All that a lost, starting or unwilling store can raise."""


def connect(url: str, answer_timeout_ms: int | None = ANSWER_TIMEOUT_MS) -> Store:
    """A client on one connection, which is made with the first command and never made anew by itself. Without
    ``answer_timeout_ms`` whoever asks sees to the time."""
    return redis.asyncio.Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
        socket_connect_timeout=CONNECT_TIMEOUT_MS / 1000,
        socket_timeout=None if answer_timeout_ms is None else answer_timeout_ms / 1000,
    )


class Direct:
    """One connection, made with the first question, whose answers are as they came over the wire (RESP 2). One asks at
    a time, and closes it after an error."""

    def __init__(self, url: str) -> None:
        self._store = connect(url, answer_timeout_ms=None)
        self._connection: Any = None  # the library leaves its methods without types

    async def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """The answer of each of ``commands``, which are written at once. Raises one of `STORE_ERRORS`, for the first
        answer that is an error too."""
        async with asyncio.timeout(ANSWER_TIMEOUT_MS / 1000):
            if self._connection is None:
                self._connection = (await self._store.initialize()).connection
            await self._connection.send_packed_command(self._connection.pack_commands(commands))
            return [await self._connection.read_response() for _ in commands]

    async def close(self) -> None:
        """Give the connection up."""
        self._connection = None
        await self._store.aclose()


class Backoff:
    """How long to wait before the next attempt, in seconds: doubling, until one succeeds."""

    def __init__(self) -> None:
        self._ms = BACKOFF_MS_MIN

    def reset(self) -> None:
        """The last attempt succeeded."""
        self._ms = BACKOFF_MS_MIN

    def next_s(self) -> float:
        """The pause before the next attempt."""
        pause_ms, self._ms = self._ms, min(2 * self._ms, BACKOFF_MS_MAX)
        return pause_ms / 1000
