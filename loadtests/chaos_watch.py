"""The chaos run's eye on the log: when each entry could be read, seen from beside, without any of the bad networks.

Instants are of the machine's monotonic clock in s. While the store is away it asks again and again.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from protocol.streams import START_ID, events_key, parse_entry_id

BLOCK_MS = 100
ANSWER_S = 2.0
ASK_AGAIN_S = 0.02
READ_ENTRIES = 1_000


class Sight(NamedTuple):
    """Where the log ended at an instant: the epoch of its last entry, and how many entries there were."""

    epoch: int
    entries: int


class Watch:
    """Reads the log of ``experience`` in a thread of its own while the context lasts."""

    def __init__(self, redis_url: str, experience: str) -> None:
        self._store = redis.Redis.from_url(redis_url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=ANSWER_S)
        self._key = events_key(experience)
        self._seen: list[tuple[int, float]] = []
        self._after = START_ID
        self._over = threading.Event()
        self._more = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Watch:
        self._reading.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._reading.join()
        self._store.close()

    def sight(self) -> Sight:
        """What there is now."""
        with self._more:
            return Sight(self._seen[-1][0] if self._seen else 0, len(self._seen))

    def wait_for_writer(self, since: Sight, timeout_s: float) -> list[float]:
        """The instants of the first two entries of a writer after ``since``: it took over, and it went on. Fewer, when
        there are no more within ``timeout_s``."""
        return self._wait_for(since, since.epoch + 1, 2, timeout_s)

    def wait_for_entry(self, since: Sight, timeout_s: float) -> list[float]:
        """The instant of the first entry after ``since``, whoever wrote it; none, if there is none in time."""
        return self._wait_for(since, since.epoch, 1, timeout_s)

    def _wait_for(self, since: Sight, epoch_min: int, count: int, timeout_s: float) -> list[float]:
        until_s = time.monotonic() + timeout_s
        with self._more:
            while True:
                found = [at_s for epoch, at_s in self._seen[since.entries :] if epoch >= epoch_min][:count]
                left_s = until_s - time.monotonic()
                if len(found) == count or left_s <= 0:
                    return found
                self._more.wait(left_s)

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                answer: Any = self._store.xread({self._key: self._after}, count=READ_ENTRIES, block=BLOCK_MS)
            except redis.RedisError:
                self._over.wait(ASK_AGAIN_S)
                continue
            if answer:
                self._take(answer[0][1])

    def _take(self, entries: list[Any]) -> None:
        now_s = time.monotonic()
        with self._more:
            self._seen += [(parse_entry_id(entry_id.decode())[0], now_s) for entry_id, _ in entries]
            self._after = entries[-1][0].decode()
            self._more.notify_all()
