"""Who plays in a transcript, and how instants are told: what all the words of the transcripts share."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

from protocol.commands import Command
from protocol.events import CONSUMER_BYTES

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


class Cast:
    """Who plays: names for consumers and tickets, everybody's latest admission and confirmation code. Instants are told
    from the start."""

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self.admissions: dict[str, bytes] = {}
        self.codes: dict[str, str] = {}
        self._names: dict[bytes, str] = {}
        self._holders: dict[tuple[str, int], str] = {}

    def consumer(self, name: str) -> bytes:
        """The id of the consumer called ``name``."""
        consumer = sha256(name.encode()).digest()[:CONSUMER_BYTES]
        self._names[consumer] = name
        return consumer

    def name(self, consumer: bytes) -> str:
        """What this consumer is called."""
        return self._names[consumer]

    def hold(self, path: str, ticket: int, consumer: bytes) -> str:
        """Note whose ticket this is; answers the name."""
        self._holders[path, ticket] = self._names[consumer]
        return self._names[consumer]

    def holder(self, path: str, ticket: int) -> str:
        """Whose ticket this is."""
        return self._holders[path, ticket]

    def ticket(self, path: str, name: str) -> int:
        """The latest ticket of ``name`` in ``path``."""
        return max(ticket for (where, ticket), holder in self._holders.items() if (where, holder) == (path, name))

    def instant(self, at: int) -> str:
        """An instant as time since the start."""
        return shown_ms(at - self.start_ms)


def duration_ms(text: str) -> int:
    """``90s`` → 90000; also ms, m, h."""
    found = re.fullmatch(r"(\d+)(ms|s|m|h)", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration: say 500ms, 90s, 2m or 24h")
    return int(found[1]) * _UNITS_MS[found[2]]


def shown_ms(ms: int) -> str:
    """90000 → ``90s``; what is not whole is told in ms."""
    return f"{ms // 1_000}s" if ms % 1_000 == 0 else f"{ms}ms"


Make = Callable[[re.Match[str], Cast, str, str], list[Command]]
"""Gives the commands of a sentence: what it matched, who plays, which path, which Idempotency-Key."""
