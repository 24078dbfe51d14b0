"""Reading the store: the commands to apply, the log to rebuild from, and who else is there.

Two kinds of reading. ``StreamReader`` waits: one blocking XREAD over all streams of interest is always outstanding on
a connection of its own, and the waiting is done here, by the millisecond, because a store ends a BLOCK only ten times
a second. The functions read what is there, in chunks.

The client's own retries are off everywhere: what is sent twice must be sent twice by us, knowingly.

Hands over to: ``engine.runner`` (waiting), ``engine.beginning``, ``engine.restoration``, ``engine.takeover`` (reading).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from protocol.store_urls import sentinel_url
from protocol.streams import (
    FIELD_BATCH,
    FIELD_CHAIN,
    FIELD_ENTRY,
    FIELD_NUMBER,
    FIELD_SENDER,
    START_ID,
    commands_key,
    epoch_key,
    events_key,
    experiences_key,
    shard_of,
    wake_key,
)

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 2.0
ONCE: dict[str, Any] = {
    "protocol": 2,
    "retry": Retry(NoBackoff(), 0),
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
    "socket_timeout": ANSWER_TIMEOUT_S,
}
"""What makes a client try everything exactly once."""
LOG_CHUNK_ENTRIES = 256
COMMANDS_CHUNK_ENTRIES = 256

RawEntry = tuple[str, dict[bytes, bytes]]
"""Entry ID and fields."""
Found = dict[str, list[RawEntry]]
"""New entries by stream, oldest first."""


class StreamError(ValueError):
    """An entry of a stream does not have the fields that it must have."""


class CommandEntry(NamedTuple):
    """An entry of a commands stream, its batch not decoded yet."""

    entry_id: str
    sender: bytes
    number: int
    batch: bytes


class LogEntry(NamedTuple):
    """An entry of an events stream, not decoded yet."""

    entry_id: str
    payload: bytes
    chain: bytes


def connect(url: str) -> redis.Redis:
    """A client that tries everything exactly once. With Sentinel every new connection goes to whoever is the primary
    then; for a Cluster see ``engine.io.nodes``. Raises ValueError for an address that is none."""
    named = sentinel_url(url)
    if named is None:
        return redis.Redis.from_url(url, **ONCE)
    sentinel: Any = Sentinel(named.sentinels, sentinel_kwargs=ONCE, **ONCE)  # type: ignore[no-untyped-call]
    client: redis.Redis = sentinel.master_for(named.service, db=named.db, **named.login._asdict())
    return client


def command_entry(entry_id: str, fields: Mapping[bytes, bytes]) -> CommandEntry:
    """The entry that these fields are. Raises StreamError."""
    try:
        return CommandEntry(entry_id, fields[FIELD_SENDER], int(fields[FIELD_NUMBER]), fields[FIELD_BATCH])
    except (KeyError, ValueError) as error:
        raise StreamError(f"the commands entry {entry_id} is malformed: {error!r}") from error


def log_entry(entry_id: str, fields: Mapping[bytes, bytes]) -> LogEntry:
    """The entry that these fields are. Raises StreamError."""
    try:
        return LogEntry(entry_id, fields[FIELD_ENTRY], fields[FIELD_CHAIN])
    except KeyError as error:
        raise StreamError(f"the events entry {entry_id} is malformed: it has no {error}") from error


def read_epoch(client: redis.Redis, experience: str) -> int:
    """The highest epoch ever taken in the shard of this experience, as far as the counter knows; 0 for none."""
    return int(_sync(client.get(epoch_key(shard_of(experience)))) or 0)


def last_log_entry(client: redis.Redis, experience: str) -> LogEntry | None:
    """The newest entry of the log, or None. Raises StreamError."""
    for entry_id, fields in _sync(client.xrevrange(events_key(experience), count=1)):
        return log_entry(entry_id.decode(), fields)
    return None


def last_entry_id(client: redis.Redis, experience: str) -> str:
    """The ID of the newest entry of the log, readable or not."""
    entries = _sync(client.xrevrange(events_key(experience), count=1))
    return entries[0][0].decode() if entries else START_ID


def log_length(client: redis.Redis, experience: str) -> int:
    """How many entries the log has."""
    return int(_sync(client.xlen(events_key(experience))))


def first_entry_id(client: redis.Redis, experience: str) -> str | None:
    """The ID of the oldest entry that is left of the log, or None."""
    entries = _sync(client.xrange(events_key(experience), count=1))
    return entries[0][0].decode() if entries else None


def log_entry_at(client: redis.Redis, experience: str, entry_id: str) -> LogEntry | None:
    """The entry of this ID, or None where it is not in the log. Raises StreamError."""
    for found, fields in _sync(client.xrange(events_key(experience), entry_id, entry_id)):
        return log_entry(found.decode(), fields)
    return None


def read_log(client: redis.Redis, experience: str, after: str = START_ID) -> Iterator[LogEntry]:
    """The log behind the entry ``after``, in chunks. Raises StreamError."""
    for entry_id, fields in _read_all(client, events_key(experience), after, LOG_CHUNK_ENTRIES):
        yield log_entry(entry_id, fields)


def read_commands(client: redis.Redis, experience: str, after: str = START_ID) -> Iterator[RawEntry]:
    """The entries of the commands stream behind ``after``, in chunks, whatever is in them."""
    return _read_all(client, commands_key(experience), after, COMMANDS_CHUNK_ENTRIES)


def _read_all(client: redis.Redis, key: str, after: str, chunk: int) -> Iterator[RawEntry]:
    while True:
        entries = _sync(client.xrange(key, min=f"({after}", count=chunk))
        for entry_id, fields in entries:
            after = entry_id.decode()
            yield after, fields
        if len(entries) < chunk:
            return


def read_experiences(client: redis.Redis, shards: Sequence[int]) -> tuple[list[str], dict[str, str]]:
    """All experiences of these shards, sorted, and for each wake stream the ID from which on it tells of new ones."""
    pipeline = client.pipeline(transaction=False)
    for shard in shards:
        pipeline.xrevrange(wake_key(shard), count=1)  # first: what is added behind this answer wakes us
        pipeline.smembers(experiences_key(shard))
    answers = pipeline.execute()
    heads = {}
    for shard, entries in zip(shards, answers[::2], strict=True):
        heads[wake_key(shard)] = entries[0][0].decode() if entries else START_ID
    return sorted(member.decode() for members in answers[1::2] for member in members), heads


def store_ms(client: redis.Redis) -> int:
    """The store's clock, epoch ms."""
    seconds, microseconds = _sync(client.time())
    return int(seconds) * 1_000 + int(microseconds) // 1_000


class StreamReader:
    """Waits for new entries on many streams at once, on a connection of its own."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._connection: Any = self._pool.get_connection()  # the library leaves its methods without types
        self.asked: dict[str, str] = {}
        """The IDs behind which the last question asked, by stream."""
        self._outstanding = False

    def ask(self, after: dict[str, str], count: int, block_ms: int | None) -> None:
        """Ask for up to ``count`` entries a stream behind the IDs in ``after``, unless a question is outstanding.

        The answer comes at once where there are entries, else with the first one, or empty after about ``block_ms``
        (None: at once).
        """
        if not self._outstanding:
            block = () if block_ms is None else ("BLOCK", block_ms)
            self._connection.send_command("XREAD", "COUNT", count, *block, "STREAMS", *after.keys(), *after.values())
            self.asked, self._outstanding = after, True

    @property
    def socket(self) -> Any:
        """What becomes readable with the answer; None where no question is outstanding."""
        return self._connection._sock if self._outstanding else None  # noqa: SLF001 - else many cannot be waited for

    @property
    def answered(self) -> bool:
        """Whether the answer to the outstanding question has begun to come."""
        return self._outstanding and bool(self._connection.can_read(0))

    async def wait(self, timeout_ms: int) -> Found:
        """The answer, if it comes within ``timeout_ms``; else nothing, and the question stays outstanding."""
        if not self._outstanding or not self._connection.can_read(timeout_ms / 1000):
            return {}
        answer = self._connection.read_response()
        self._outstanding = False
        return {key.decode(): [_entry(entry) for entry in entries] for key, entries in answer or ()}

    def __enter__(self) -> "StreamReader":
        return self

    def __exit__(self, *_: object) -> None:
        """Give the connection up; its question with it."""
        self._connection.disconnect()
        self._pool.release(self._connection)


def _entry(raw: list[Any]) -> RawEntry:
    entry_id, fields = raw
    return entry_id.decode(), dict(zip(fields[::2], fields[1::2], strict=True))


def _sync(answer: Any) -> Any:
    """The client's types say that an answer may have to be awaited; this client's never has."""
    return answer
