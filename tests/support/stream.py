"""The two ends of an engine, driven by a test: a sender of numbered batches, and a reader of the log that believes
nothing: each entry goes through the replica's chain check and through the auditor."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import redis

from engine.audit import Audit
from protocol import codec
from protocol.commands import Command, Configure
from protocol.documents import Experience
from protocol.events import SENDER_BYTES, AnyEvent, Entry
from protocol.replica import Replica
from protocol.streams import (
    FIELD_BATCH,
    FIELD_CHAIN,
    FIELD_ENTRY,
    FIELD_EXPERIENCE,
    FIELD_NUMBER,
    FIELD_SENDER,
    commands_key,
    events_key,
    experiences_key,
    shard_of,
    wake_key,
)

WAIT_S = 120.0
BLOCK_MS = 100

Kind = TypeVar("Kind")


class Sender:
    """Sends batches as a gateway does: numbered 1, 2, 3 …"""

    def __init__(self, client: redis.Redis, experience: str) -> None:
        self.id = secrets.token_bytes(SENDER_BYTES)
        self._client = client
        self._experience = experience
        self._batches: list[bytes] = []

    def create(self, document: Experience) -> int:
        """Make the experience known and configure it; the number of the batch."""
        number = self.send(Configure("control", "", document, secrets.token_bytes(32), "k1"))
        shard = shard_of(self._experience)
        self._client.sadd(experiences_key(shard), self._experience)
        self._client.xadd(wake_key(shard), {FIELD_EXPERIENCE: self._experience})
        return number

    def send(self, *commands: Command) -> int:
        """A new batch; its number."""
        self._batches.append(codec.encode_commands(list(commands)))
        self.send_again(len(self._batches))
        return len(self._batches)

    def send_again(self, number: int) -> str:
        """The batch of this number once more; the entry's ID."""
        return self.send_raw({FIELD_SENDER: self.id, FIELD_NUMBER: number, FIELD_BATCH: self._batches[number - 1]})

    def send_raw(self, fields: Mapping[Any, Any]) -> str:
        """An entry of these fields, whatever they are; its ID."""
        entry_id: Any = self._client.xadd(commands_key(self._experience), dict(fields))
        return str(entry_id.decode())


class Follower:
    """Reads the log of one experience, from its first entry on."""

    def __init__(self, client: redis.Redis, experience: str) -> None:
        self.replica = Replica(experience)
        self.entries: list[Entry] = []
        self.ids: list[str] = []
        self._client = client
        self._audit = Audit()
        self._applied: dict[bytes, int] = {}

    def read(self, block_ms: int | None = None) -> None:
        """Take what is there, or wait ``block_ms`` for it."""
        key = events_key(self.replica.experience)
        answer: Any = self._client.xread({key: self.replica.entry_id}, block=block_ms)
        for _, found in answer or []:
            for entry_id, fields in found:
                self._take(entry_id.decode(), fields[FIELD_ENTRY], fields[FIELD_CHAIN])

    def _take(self, entry_id: str, payload: bytes, chain: bytes) -> None:
        self._audit.entry(entry_id, payload, chain)
        entry = self.replica.follow(entry_id, payload, chain)
        for event in entry.events:
            self.replica.apply(event)
        self.entries.append(entry)
        self.ids.append(entry_id)
        self._applied |= entry.applied

    def of(self, kind: type[Kind]) -> list[Kind]:
        """All events of a kind so far, in order."""
        events: list[AnyEvent] = [event for entry in self.entries for event in entry.events]
        return [event for event in events if isinstance(event, kind)]

    def applied(self, sender: bytes) -> int:
        """The last number of a sender that the log shows as applied."""
        return self._applied.get(sender, 0)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Read until ``condition`` holds. Raises AssertionError after ``WAIT_S``."""
        end = time.monotonic() + WAIT_S
        self.read()
        while not condition():
            assert time.monotonic() < end, f"what was waited for did not come; the log ends at {self.replica.entry_id}"
            self.read(BLOCK_MS)

    def wait_applied(self, sender: Sender, number: int) -> None:
        """Read until the log shows this batch as applied."""
        self.wait(lambda: self.applied(sender.id) >= number)
