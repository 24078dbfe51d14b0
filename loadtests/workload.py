"""What the benches feed an engine: documents, joins, and a mix of all the commands of a queue from one seed.

Everything goes through the codec once, so that a core is fed what it would have read from the stream.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from loadtests.parts import Batch
from protocol import codec
from protocol import commands as c
from protocol.commands import Command
from protocol.documents import parse
from protocol.events import ADMISSION_BYTES, CONSUMER_BYTES, SENDER_BYTES, Admitted, AnyEvent, Expired, Joined

EXPERIENCE = "bench"
PATH = "general"
VARIANT = "one"
BATCH_COMMANDS = 100
KNOWN_MAX = 20_000

MIX = {
    "join": 50,
    "attach": 10,
    "leave": 8,
    "decline": 4,
    "rejoin": 4,
    "redeem": 8,
    "complete": 6,
    "release": 3,
    "extend": 3,
    "merchant": 4,
}
"""Kinds of commands in a hundred."""
MIX_RATE = 2_400_000
"""Admissions a minute at 1,000 commands in 5 ms: as many as the mix has commands about admissions."""


def document(experience: str, **distribution: Any) -> dict[str, Any]:
    """The document of an experience with one queue, changed by ``distribution``; its stock never ends."""
    return {
        "id": experience,
        "name": "Bench",
        "checkout_url": "http://127.0.0.1/checkout",
        "products": [
            {
                "id": "product",
                "name": "Product",
                "variants": [{"id": VARIANT, "name": "One", "price": "1.00", "currency": "EUR", "stock": 10**8}],
            }
        ],
        "paths": [{"id": PATH, "distribution": {"kind": "queue", "release_rate_per_minute": 600, **distribution}}],
    }


def configure(sender: bytes, **distribution: Any) -> Batch:
    """Batch 1 of ``sender``: the experience, changed by ``distribution``."""
    parsed = parse(document(EXPERIENCE, **distribution), EXPERIENCE)
    return Batch(sender, 1, [c.Configure("bench", "", parsed, bytes(32), "k1")])


def sender_id(number: int) -> bytes:
    """The id of sender ``number``."""
    return number.to_bytes(SENDER_BYTES, "big")


def joins(chance: random.Random, count: int) -> list[Command]:
    """``count`` new consumers who join."""
    return [c.Join(chance.randbytes(CONSUMER_BYTES), PATH) for _ in range(count)]


def read_back(batch: Batch) -> Batch:
    """The batch as it is read from the stream."""
    return Batch(batch.sender, batch.number, codec.decode_commands(codec.encode_commands(batch.commands)))


class Mix:
    """All the commands of a queue, about consumers and admissions that the events have told of."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._kinds = [kind for kind, share in MIX.items() for _ in range(share)]
        self._joined: deque[bytes] = deque(maxlen=KNOWN_MAX)
        self._open: deque[bytes] = deque(maxlen=KNOWN_MAX)
        self._holders: dict[int, bytes] = {}
        self._admitted: deque[bytes] = deque(maxlen=KNOWN_MAX)
        self._missed: deque[bytes] = deque(maxlen=KNOWN_MAX)

    def batch(self, sender: bytes, number: int) -> Batch:
        """The next batch of ``sender``."""
        commands = [self._command(kind) for kind in self._chance.choices(self._kinds, k=BATCH_COMMANDS)]
        return read_back(Batch(sender, number, commands))

    def learn(self, events: Sequence[AnyEvent]) -> None:
        """Who joined, was admitted, missed a turn."""
        for event in events:
            if isinstance(event, Joined):
                for index, consumer in enumerate(_ids(event.consumers, CONSUMER_BYTES)):
                    self._joined.append(consumer)
                    self._holders[event.first + index] = consumer
            elif isinstance(event, Admitted):
                self._open.extend(_ids(event.admissions, ADMISSION_BYTES))
                self._admitted.extend(self._holders[ticket] for ticket in event.tickets)
            elif isinstance(event, Expired):
                self._missed.extend(self._holders[ticket] for ticket in event.tickets)

    def _command(self, kind: str) -> Command:
        if kind == "join":
            return c.Join(self._chance.randbytes(CONSUMER_BYTES), PATH)
        if kind == "merchant":
            return self._merchant()
        if kind in ("redeem", "complete", "release", "extend"):
            return self._checkout(kind)
        consumers = {"decline": self._admitted, "rejoin": self._missed}.get(kind, self._joined)
        consumer = self._one_of(consumers)
        match kind:
            case "leave":
                return c.Leave(consumer, PATH)
            case "decline":
                return c.Decline(consumer, PATH)
            case "rejoin":
                return c.Rejoin(consumer, PATH)
        return c.Attach(consumer)

    def _checkout(self, kind: str) -> Command:
        admission = self._one_of(self._open)
        match kind:
            case "redeem":
                return c.Redeem("shop", "", admission)
            case "complete":
                return c.Complete("shop", "", admission, "order")
            case "release":
                return c.Release("shop", "", admission)
        return c.Extend("shop", "", admission)

    def _merchant(self) -> Command:
        match self._chance.randrange(6):
            case 0:
                rate = MIX_RATE + self._chance.randrange(1_000)
                return c.SetReleaseRate("merchant", "", PATH, c.Limits(rate))
            case 1:
                return c.SetStock("merchant", "", VARIANT, add=1)
            case 2:
                return c.AdmitNow("merchant", "", PATH, 3)
            case 3:
                return c.Pause("merchant", "", PATH)
            case 4:
                return c.PostNotice("merchant", "", "Hello", "info", None)
        return c.Resume("merchant", "", PATH)

    def _one_of(self, known: deque[bytes]) -> bytes:
        return known[self._chance.randrange(len(known))] if known else bytes(CONSUMER_BYTES)


def _ids(joined: bytes, size: int) -> Iterator[bytes]:
    return (joined[start : start + size] for start in range(0, len(joined), size))
