"""An experience rebuilt from a snapshot and its log: the very same steps once more, each yielding the very same bytes.

Where it begins says ``engine.beginning``; from there on bounds and times of the batches come from the entries of the
log, their commands from the commands stream. Any difference (a gap, a changed byte, a command that is gone, an event
that comes out otherwise) raises ``LogError``: an engine that went on from there would tell people things that never
happened.

It is done in slices of time, because an engine has leases to renew and other experiences to serve meanwhile. A snapshot
cannot be restored by slices, and a big one takes longer than a lease lasts; so that is done beside it, and a slice
only waits for it. Behind the end of the log it can be resumed when there is more: so a standby follows a writer.

Hands over to: ``engine.runner``, which writes on from there; ``engine.shadows``, which follows; ``engine.replay``,
which reports what was found.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait

from engine.beginning import Beginning
from engine.core.experience import Batch, Experience
from engine.io.clock import NS_PER_MS
from engine.io.outside import Source
from engine.io.streams import LogEntry, RawEntry, StreamError
from engine.poison import batch_of
from engine.takeover import LogError, check_rules
from protocol import codec
from protocol.codec import DecodeError
from protocol.events import Entry, Skipped, WriterChanged
from protocol.manifest import Manifest
from protocol.replica import Replica, ReplicaError
from protocol.streams import START_ID, parse_entry_id

WAIT_MS_MAX = 5
"""So long others are not served while another thread finds where to begin: their deadlines would be late."""


class Restoration:
    """Rebuilds one experience up to and with the entry ``until``, or to the end of the log where that is None.

    ``experience`` and ``replica`` are rebuilt; ``manifest`` is of the snapshot that it began at, None for the first
    entry; ``faults`` says what is wrong with others. ``entries``, ``commands``, ``log_bytes`` count what was replayed.
    ``resumed``: whether it goes on with what was there, or was being looked for, before ``until`` was known.
    """

    def __init__(self, source: Source, experience_id: str, until: str | None) -> None:
        self.experience = Experience(experience_id)
        self.replica = Replica(experience_id)
        self.manifest: Manifest | None = None
        self.faults: list[str] = []
        self.command_id = START_ID
        self.done = False
        self.resumed = False
        self.entries = 0
        self.commands = 0
        self.log_bytes = 0
        self._source = source
        self._until = until
        self._beginning: Future[Beginning] | None = None
        self._log: Iterator[LogEntry] | None = None
        self._commands: Iterator[RawEntry] = iter(())

    @property
    def beginning(self) -> bool:
        """Whether it is still being found where it begins."""
        return self._beginning is not None and self._log is None

    def resume(self, until: str | None) -> None:
        """Go on from where it stands, up to and with the entry ``until``, or to what is the end of the log now."""
        self._until = until
        self.resumed = self._beginning is not None
        if self._log is not None:
            self._log = self._source.log(self.experience.id, self.replica.entry_id)
            self.done = self.replica.entry_id == until

    def rebase(self, manifest: Manifest | None) -> None:
        """There is a newer snapshot, of ``manifest``, than that it began at (None: there is not): let it stand for it,
        and let the counts be of what lies behind that, in proportion."""
        if manifest is None or self._log is None:
            return
        behind = parse_entry_id(self.replica.entry_id)[1] - parse_entry_id(manifest.entry_id)[1]
        entries = max(0, min(behind, self.entries))
        parts = max(1, self.entries)
        self.commands, self.log_bytes = self.commands * entries // parts, self.log_bytes * entries // parts
        self.manifest, self.entries = manifest, entries

    def advance(self, budget_ms: int) -> None:
        """Replay for about ``budget_ms``. Sets ``done`` behind the last entry. Raises LogError, RedisError."""
        end_ns = self._steady_ns() + budget_ms * NS_PER_MS
        log = self._begun(budget_ms) if self._log is None else self._log
        while log is not None and not self.done and self._steady_ns() < end_ns:
            try:
                found = next(log, None)
                if found is not None:
                    self._replay(found)
            except (StreamError, DecodeError, ReplicaError) as error:
                raise LogError(str(error)) from error
            if found is None and self._until is not None:
                raise LogError(f"the log ends at {self.replica.entry_id}, before {self._until}")
            self.done = found is None or self.replica.entry_id == self._until

    def _steady_ns(self) -> int:
        return self._source.clocks().steady_ns

    def _begun(self, budget_ms: int) -> Iterator[LogEntry] | None:
        """The log behind the beginning, once that is found; None before that, after a short wait."""
        if self._beginning is None:
            self._beginning = self._source.beginning(self.experience.id, self._until)
        wait([self._beginning], min(budget_ms, WAIT_MS_MAX) / 1_000)
        if not self._beginning.done():
            return None
        self.experience, self.replica, self.command_id, self.manifest, self.faults = self._beginning.result()
        self._log = self._source.log(self.experience.id, self.replica.entry_id)
        self._commands = self._source.commands(self.experience.id, self.command_id)
        self.done = self.replica.entry_id == self._until
        return self._log

    def _replay(self, found: LogEntry) -> None:
        entry = self.replica.follow(*found)
        check_rules(found.entry_id, entry)
        if len(entry.events) == 1 and isinstance(entry.events[0], WriterChanged):
            self.experience.take_over(entry.events[0], entry.now_ms)
        else:
            self._step(found, entry)
        for event in entry.events:
            self.replica.apply(event)
        self.entries += 1
        self.log_bytes += len(found.payload)

    def _step(self, found: LogEntry, entry: Entry) -> None:
        skipped = {event.entry: event for event in entry.events if isinstance(event, Skipped)}
        batches = list(self._batches(found.entry_id, entry.command_id, skipped))
        try:
            events, applied = self.experience.step(entry.now_ms, batches)
        except Exception as error:
            raise LogError(f"entry {found.entry_id} cannot be applied again: {error!r}") from error
        again = Entry(entry.rules, entry.now_ms, entry.command_id, applied, entry.durable, [*skipped.values(), *events])
        if codec.encode_entry(again) != found.payload:
            raise LogError(f"entry {found.entry_id} comes out otherwise than it stands in the log")

    def _batches(self, entry_id: str, until: str, skipped: Mapping[str, Skipped]) -> Iterator[Batch]:
        """The commands behind those applied so far, up to and with ``until``; of those ``skipped`` the number alone."""
        last = parse_entry_id(until)
        while self.command_id != until:
            command = self._next_command()
            if command is None or parse_entry_id(command[0]) > last:
                raise LogError(f"the commands up to {until}, which entry {entry_id} applies, are not in the store")
            self.command_id = command[0]
            batch = batch_of(command, skipped.get(command[0]))
            self.commands += len(batch.commands)
            yield batch

    def _next_command(self) -> RawEntry | None:
        """The one behind ``command_id``; where all are used up that were read, more may have come since."""
        command = next(self._commands, None)
        if command is None:
            self._commands = self._source.commands(self.experience.id, self.command_id)
            command = next(self._commands, None)
        return command
