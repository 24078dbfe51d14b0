"""The commit is one append, by the only script of the project (``append.lua``): all of it, or nothing.

An entry goes in only if ``tip`` names the entry before it and its writer. ``WriterChanged`` takes the next epoch and
installs its writer in the same step, so there is never a writer without an entry that says so. A retry of what is in
already is answered ``DONE``: an append whose answer was lost on the way can simply be sent again.

An entry is named by its ID and its chain, for the ID alone would not do: where a failover loses a take-over with its
epoch, the next writer has that epoch again, and writes an entry of the same ID. The chain is a hash of all that came
before, and a writer is 16 random bytes made at its take-over: a rival's entry never looks like ours. The last command
is named by its ID, sender and number, since a new primary whose clock is behind may give the ID of a lost one again.
(Those before it are not: that several are lost, and sent again under the same IDs in another order up to the very last,
all within the second that a commit is tried again, is not noticed.)

Where replicas are to have it too, a WAIT goes along on the same connection, as it speaks of what that connection has
written. Too few in time is no error: the entry is in the log, and a later one says how far the log is safe.

Hands over to: ``engine.runner``, which sends the appends of all its experiences in one round trip.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.resources import files
from typing import NamedTuple

import redis
from redis.exceptions import NoScriptError

from protocol import codec
from protocol.events import Entry
from protocol.streams import (
    FIELD_NUMBER,
    FIELD_SENDER,
    GENESIS_CHAIN,
    START_ID,
    commands_key,
    epoch_key,
    events_key,
    format_entry_id,
    parse_entry_id,
    shard_of,
    tip_key,
)

NOTHING: Mapping[bytes, bytes] = {}
SCRIPT = files("engine.io").joinpath("append.lua").read_text()
WAIT_MS_MAX = 100
"""So long replicas have to say that they have an entry; while they are away every commit takes that much longer."""


class Outcome(StrEnum):
    """What became of an append."""

    APPENDED = "appended"
    CONFIRMED = "confirmed"
    """Appended, and as many replicas as were asked for have it."""
    DONE = "done"
    """It was in already: an earlier try had come through."""
    FENCED = "fenced"
    """The log does not end with the entry before it: somebody else has written, or a failover lost some of ours."""
    EPOCH_TAKEN = "epoch_taken"
    """The epoch is not the next one: somebody took it, or the counter was lost."""
    COMMANDS_LOST = "commands_lost"
    """The last command that this entry applies is no longer in the store, or another one has its ID: a failover lost
    it, and the clock of the new primary may be behind."""

    @property
    def committed(self) -> bool:
        return self in {Outcome.APPENDED, Outcome.CONFIRMED, Outcome.DONE}


class LogEnd(NamedTuple):
    """Where a log ends: its last entry with its chain and time, the last entry of the commands applied, and the last
    entry that is said to be safe."""

    entry_id: str = START_ID
    chain: bytes = GENESIS_CHAIN
    command_id: str = START_ID
    now_ms: int = 0
    durable: str = START_ID

    @property
    def epoch(self) -> int:
        return parse_entry_id(self.entry_id)[0]

    @property
    def next_seq(self) -> int:
        """Dense over the whole log, from 0, whatever the epoch."""
        return 0 if self.entry_id == START_ID else parse_entry_id(self.entry_id)[1] + 1


class Append(NamedTuple):
    """One entry on its way: behind ``previous`` it makes the log end at ``end``. ``takes_over``: a WriterChanged.
    ``sender`` and ``number`` are those of the last command entry where that is a new one, "" where not."""

    experience: str
    writer: bytes
    previous: LogEnd
    end: LogEnd
    payload: bytes
    takes_over: bool
    sender: bytes = b""
    number: bytes = b""


def append_of(
    experience: str, writer: bytes, epoch: int, previous: LogEnd, entry: Entry, named: Mapping[bytes, bytes] = NOTHING
) -> Append:
    """The append that puts ``entry`` behind ``previous``; it takes over where it begins an epoch. ``named``: the fields
    of the last command entry that it applies, where that is a new one."""
    payload, entry_id = codec.encode_entry(entry), format_entry_id(epoch, previous.next_seq)
    end = LogEnd(
        entry_id=entry_id,
        chain=codec.next_chain(previous.chain, payload),
        command_id=entry.command_id,
        now_ms=entry.now_ms,
        durable=entry.durable or entry_id,
    )
    who = named.get(FIELD_SENDER, b""), named.get(FIELD_NUMBER, b"")
    return Append(experience, writer, previous, end, payload, epoch != previous.epoch, *who)


class Appender:
    """Runs the script, and asks that ``wait_replicas`` replicas have what it wrote. A store that was restarted or
    flushed its scripts is given it anew."""

    def __init__(self, client: redis.Redis, wait_replicas: int = 0) -> None:
        self._client = client
        self._wait_replicas = wait_replicas
        self._digest = ""

    def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        """Try each, in one round trip; the outcomes in the same order. Raises RedisError: then some may be in."""
        if not self._digest:
            self._load()
        try:
            return self._run(appends)
        except NoScriptError:
            self._load()
            return self._run(appends)

    def _load(self) -> None:
        self._digest = str(self._client.script_load(SCRIPT))

    def _run(self, appends: Sequence[Append]) -> list[Outcome]:
        pipeline = self._client.pipeline(transaction=False)
        for append in appends:
            pipeline.evalsha(self._digest, *_arguments(append))
        if self._wait_replicas:
            pipeline.wait(self._wait_replicas, WAIT_MS_MAX)
        answers = pipeline.execute(raise_on_error=False)  # an error raised there would quote the payload
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        outcomes = [Outcome(answer.decode()) for answer in answers[: len(appends)]]
        confirmed = self._wait_replicas and answers[-1] >= self._wait_replicas
        return [_confirmed(outcome) for outcome in outcomes] if confirmed else outcomes


def _confirmed(outcome: Outcome) -> Outcome:
    """Of what was in already, written over another connection, WAIT says nothing."""
    return Outcome.CONFIRMED if outcome is Outcome.APPENDED else outcome


def _arguments(append: Append) -> tuple[int, *tuple[str | bytes | int, ...]]:
    experience, end = append.experience, append.end
    keys = (
        events_key(experience),
        tip_key(experience),
        commands_key(experience),
        epoch_key(shard_of(experience)),
    )
    kind = "take_over" if append.takes_over else "append"
    command = (end.command_id, append.sender, append.number)
    place = (kind, end.entry_id, append.writer, append.previous.entry_id)
    return (len(keys), *keys, *place, append.previous.chain, append.payload, end.chain, end.epoch, *command)
