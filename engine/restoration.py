"""An experience rebuilt from its log: the very same steps once more, and each must yield the very same bytes.

Bounds and times of the batches come from the entries of the log, their commands from the commands stream. Any
difference (a gap, a changed byte, a command that is gone, an event that comes out otherwise) raises ``LogError``:
an engine that went on from there would tell people things that never happened.

It is done in slices of time, because an engine has leases to renew and other experiences to serve meanwhile.

Hands over to: ``engine.runner``, which writes on from there; ``engine.replay``, which reports what was found.
"""

from collections.abc import Iterator

from engine.core.experience import Batch, Experience
from engine.io.clock import NS_PER_MS
from engine.io.outside import Source
from engine.io.streams import CommandEntry, LogEntry, StreamError
from engine.takeover import LogError, check_rules
from protocol import codec
from protocol.codec import DecodeError
from protocol.events import Entry, WriterChanged
from protocol.replica import Replica, ReplicaError
from protocol.streams import START_ID, parse_entry_id


class Restoration:
    """Rebuilds one experience up to and with the entry ``until``, or to the end of the log where that is None."""

    def __init__(self, source: Source, experience_id: str, until: str | None) -> None:
        self.experience = Experience(experience_id)
        self.replica = Replica(experience_id)
        """Follows the log; its events are applied by whoever wants to see them."""
        self.command_id = START_ID
        self.done = False
        self.entries = 0
        self.commands = 0
        self._until = until
        self._clocks = source.clocks
        self._log = source.log(experience_id)
        self._commands = source.commands(experience_id)
        self._next_command: CommandEntry | None = None

    def advance(self, budget_ms: int) -> Iterator[Entry]:
        """Replay for about ``budget_ms``; the entries replayed. Sets ``done`` behind the last one.

        Raises LogError, RedisError.
        """
        end_ns = self._clocks().steady_ns + budget_ms * NS_PER_MS
        while not self.done and self._clocks().steady_ns < end_ns:
            try:
                found = next(self._log, None)
                if found is not None:
                    yield self._replay(found)
            except (StreamError, DecodeError, ReplicaError) as error:
                raise LogError(str(error)) from error
            if found is None and self._until is not None:
                raise LogError(f"the log ends at {self.replica.entry_id}, before {self._until}")
            self.done = found is None or self.replica.entry_id == self._until

    def _replay(self, found: LogEntry) -> Entry:
        entry = self.replica.follow(*found)
        check_rules(found.entry_id, entry)
        if len(entry.events) == 1 and isinstance(entry.events[0], WriterChanged):
            self.experience.take_over(entry.events[0], entry.now_ms)
        else:
            self._step(found, entry)
        self.entries += 1
        return entry

    def _step(self, found: LogEntry, entry: Entry) -> None:
        batches = list(self._batches(found.entry_id, entry.command_id))
        try:
            events, applied = self.experience.step(entry.now_ms, batches)
        except Exception as error:
            raise LogError(f"entry {found.entry_id} cannot be applied again: {error!r}") from error
        again = Entry(entry.rules, entry.now_ms, entry.command_id, applied, entry.durable, events)
        if codec.encode_entry(again) != found.payload:
            raise LogError(f"entry {found.entry_id} comes out otherwise than it stands in the log")

    def _batches(self, entry_id: str, until: str) -> Iterator[Batch]:
        """The commands behind those applied so far, up to and with ``until``."""
        last = parse_entry_id(until)
        while self.command_id != until:
            command = self._next_command or next(self._commands, None)
            if command is None or parse_entry_id(command.entry_id) > last:
                raise LogError(f"the commands up to {until}, which entry {entry_id} applies, are not in the store")
            self._next_command = None
            self.command_id = command.entry_id
            commands = codec.decode_commands(command.batch)
            self.commands += len(commands)
            yield Batch(command.sender, command.number, commands)
