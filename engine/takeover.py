"""How an engine becomes the writer of an experience: ``WriterChanged``, behind the last entry, in the next epoch.

The order is a rule. First ``WriterChanged`` is appended: from that instant nobody else can write, so what is read
afterwards is all there will ever be of the old writer. Then the log up to it is replayed, and only then are commands
read. A log whose rules this version does not know is left alone.

Hands over to: ``engine.runner``, which appends; ``engine.restoration``, which replays.
"""

from typing import NamedTuple

from engine.core.experience import RULES
from engine.io.append import Append, LogEnd, append_of
from engine.io.clock import LogClock, Reading, start_after
from engine.io.outside import Outside
from engine.io.streams import StreamError
from engine.standby import Standby
from protocol import codec
from protocol.events import WRITER_BYTES, Entry, WriterChanged


class LogError(Exception):
    """The log cannot be followed; the text says at which entry and why."""


class TakeOver(NamedTuple):
    """A take-over to try: its append, the time that begins with it, when that was read, whether the clocks differ."""

    append: Append
    clock: LogClock
    reading: Reading
    doubtful: bool


async def read_log_end(outside: Outside, experience: str) -> LogEnd:
    """Where the log of an experience ends in the store. Raises LogError, RedisError."""
    try:
        last = await outside.last_entry(experience)
        if last is None:
            return LogEnd()
        entry = codec.decode_entry(last.payload)
    except (StreamError, codec.DecodeError) as error:
        raise LogError(f"the last entry cannot be read: {error}") from error
    check_rules(last.entry_id, entry)
    return LogEnd(last.entry_id, last.chain, entry.command_id, entry.now_ms, entry.durable or last.entry_id)


async def ends_with(outside: Outside, append: Append) -> bool:
    """Whether the log ends with this very entry, and not with another one of its ID. Raises RedisError."""
    try:
        last = await outside.last_entry(append.experience)
    except StreamError:
        return False
    return last is not None and last.chain == append.end.chain


def check_rules(entry_id: str, entry: Entry) -> None:
    """Raises LogError where an entry means something that this version does not know."""
    if entry.rules != RULES:
        raise LogError(f"entry {entry_id} follows the rules {entry.rules}; this version knows {RULES}")


async def behind_log(outside: Outside, experience: str, standby: Standby, *, waits: bool = False) -> TakeOver:
    """How to take over behind what the log ends with now; ``waits`` for replicas. Raises LogError, RedisError."""
    previous = await read_log_end(outside, experience)
    sighting, reading = standby.sighting(experience, previous.chain), outside.clocks()
    start = start_after(previous.now_ms, sighting, reading, await outside.store_ms())
    append = await writer_changed(outside, experience, previous, start.now_ms, waits=waits)
    return TakeOver(append, LogClock(start.now_ms, reading), reading, start.doubtful)


async def writer_changed(
    outside: Outside, experience: str, previous: LogEnd, now_ms: int, *, waits: bool = False
) -> Append:
    """The append by which a new writer takes over behind ``previous``. One that ``waits`` for replicas says no more to
    be safe than its predecessor did. Raises RedisError."""
    epoch = max(await outside.epoch(experience), previous.epoch) + 1
    writer = outside.random_bytes(WRITER_BYTES)
    event = WriterChanged(epoch, writer, previous.entry_id, previous.chain)
    entry = Entry(RULES, now_ms, previous.command_id, {}, previous.durable if waits else "", [event])
    return append_of(experience, writer, epoch, previous, entry)
