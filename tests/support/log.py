"""A log written by hand: what an engine would append, so that a reader can be tested without one."""

from __future__ import annotations

from protocol import codec
from protocol.events import AnyEvent, Configured, Entry, Joined, PhaseChanged, WriterChanged
from protocol.streams import GENESIS_CHAIN, START_ID, format_entry_id
from tests.support.samples import consumer, document

START_MS = 1_800_000_000_000
Read = tuple[str, bytes, bytes]


class Log:
    """Entries one after another; ``now_ms`` is the log's time, which a test moves."""

    def __init__(self) -> None:
        self.entries: list[Read] = []
        self.now_ms = START_MS
        self.epoch = 0
        self.chain = GENESIS_CHAIN
        self.take_over()

    @property
    def last_id(self) -> str:
        return self.entries[-1][0] if self.entries else START_ID

    def take_over(self) -> Read:
        """Another writer begins."""
        previous, self.epoch = self.last_id, self.epoch + 1
        return self.append(WriterChanged(self.epoch, bytes(16), previous, self.chain))

    def append(self, *events: AnyEvent, applied: dict[bytes, int] | None = None, durable: str = "") -> Read:
        """The next entry, as a reader gets it."""
        payload = codec.encode_entry(Entry(1, self.now_ms, "0-0", applied or {}, durable, list(events)))
        self.chain = codec.next_chain(self.chain, payload)
        self.entries.append((format_entry_id(self.epoch, len(self.entries)), payload, self.chain))
        return self.entries[-1]

    def configure(self, **fields: object) -> Read:
        """The document of `samples.document`, open."""
        made = document(**fields)
        opened = [PhaseChanged(path.id, "open", self.now_ms, None, None, "") for path in made.paths]
        return self.append(Configured(1, made, "k1", "test"), *opened)

    def join(self, first: int, *consumers: int, path: str = "general") -> Read:
        """These consumers take tickets ``first``, …"""
        return self.append(joined(first, *consumers, path=path))


def joined(first: int, *consumers: int, path: str = "general") -> Joined:
    """Tickets ``first``, … for these consumers, one hat each."""
    return Joined(path, first, b"".join(consumer(one) for one in consumers), bytes([1] * len(consumers)))
