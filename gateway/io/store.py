"""Connections to the store. A client's own retries are off: what was sent twice unseen is not ours to number."""

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


def connect(url: str) -> Store:
    """A client on one connection, which is made with the first command and never made anew by itself."""
    return redis.asyncio.Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
        socket_connect_timeout=CONNECT_TIMEOUT_MS / 1000,
        socket_timeout=ANSWER_TIMEOUT_MS / 1000,
    )


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
