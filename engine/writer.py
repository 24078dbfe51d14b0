"""One experience as this process writes it: the state, the replica, its time, and where its log ends.

Every step becomes an entry, even where nothing came of it, because the state knows the time of its last step and a
replay must reach the same state. While an entry is on its way the state is ``ahead`` of the log; if it cannot be
learned whether the entry came through, the state is thrown away and rebuilt. The replica, which snapshots store for
the gateways, is never ahead: it takes an entry's events when the entry is in the log.

Hands over to: ``engine.runner``, which feeds it and commits its appends; ``engine.snapshots``, which stores it.
"""

from collections import deque
from collections.abc import Iterator

from engine.core.experience import RULES, Batch
from engine.core.limits import OUTAGE_MIN_MS
from engine.durability import Durability
from engine.io.append import NOTHING, Append, LogEnd, Outcome, append_of
from engine.io.clock import LogClock
from engine.io.streams import RawEntry
from engine.poison import Care, PoisonError, batch_of, care_after, skipped_of
from engine.restoration import Restoration
from engine.snapshot_pace import Since
from protocol import codec
from protocol.events import AnyEvent, Entry, Skipped, WriterChanged
from protocol.streams import commands_key

STEP_ENTRIES_MAX = 64
STEP_COMMANDS_MAX = 20_000
HEARTBEAT_MS = 500
"""While a deadline is pending an entry is due so long after the last one: well below what counts as an outage."""

assert 2 * HEARTBEAT_MS <= OUTAGE_MIN_MS


class Writer:
    """The writer of one experience, from its take-over on. ``waits``: for replicas, see ``engine.durability``."""

    def __init__(
        self, restoration: Restoration, clock: LogClock, taken: Append, care: Care | None = None, *, waits: bool = False
    ) -> None:
        experience = restoration.experience
        self.id = experience.id
        self.commands_key = commands_key(experience.id)
        self.clock = clock
        self.end: LogEnd = taken.end
        self.ahead: Append | None = None
        self.interrupted = False
        """The store was away: it must take over anew before it writes on."""
        self.replica = restoration.replica
        self.base = restoration.manifest
        """The last snapshot that is known to hold: it began there, or made it since."""
        self.since = Since(restoration.entries, restoration.commands, restoration.log_bytes)
        self.state = experience
        self.writer = taken.writer
        self._care = None if care is None or care.ends_at(taken.end.command_id) else care
        self._durability = Durability(taken.end, waits=waits)
        self._tells = False
        self.events: list[AnyEvent] = []
        self._inbox: deque[RawEntry] = deque()
        self._received_id = taken.end.command_id
        self._just_changed = True
        self._deadline_ms = experience.next_deadline_ms()
        self.commands = 0
        """How many commands it has applied or dropped."""

    @property
    def received_id(self) -> str:
        """The last entry of the commands stream that it has, applied or not."""
        return self._received_id

    @property
    def full(self) -> bool:
        """Whether it has more than a step can take, so that the next question can wait."""
        return len(self._inbox) > STEP_ENTRIES_MAX

    def receive(self, entries: list[RawEntry]) -> None:
        """More commands, which directly follow ``received_id``."""
        self._inbox.extend(entries)
        self._received_id = entries[-1][0]

    def due_ms(self) -> int | None:
        """From when on (log time) a step is due, or None while nothing is pending."""
        if self._inbox:
            return self.end.now_ms
        if self._deadline_ms is not None and self._just_changed:
            return self.end.now_ms
        deadline_ms = None if self._deadline_ms is None else min(self._deadline_ms, self.end.now_ms + HEARTBEAT_MS)
        return min((ms for ms in (deadline_ms, self._durability.due_ms(self.end)) if ms is not None), default=None)

    def late_ms(self, now_ms: int) -> int:
        """How late the deadline that is due at ``now_ms`` fires; 0 where none is."""
        return 0 if self._deadline_ms is None else max(0, now_ms - self._deadline_ms)

    def stalled(self, now_ms: int) -> bool:
        """Whether so much time has gone by without an entry that people have lost some of theirs."""
        pending = self._deadline_ms is not None and not self._just_changed
        return pending and now_ms - self.end.now_ms > OUTAGE_MIN_MS

    def step(self, now_ms: int) -> Append:
        """Apply what is due and what was received. Raises PoisonError."""
        assert self.ahead is None, "one entry at a time"
        taken: list[RawEntry] = []
        skipped: list[Skipped] = []
        try:
            batches = list(self._take(taken, skipped))
            events, applied = self.state.step(now_ms, batches)
        except Exception as error:
            care = care_after(error, [entry_id for entry_id, _ in taken], self._care)
            raise PoisonError(f"behind entry {self.end.entry_id}: {error!r}", care) from error
        self.events = [*skipped, *events]
        command_id, named = taken[-1] if taken else (self.end.command_id, NOTHING)
        entry = Entry(RULES, now_ms, command_id, applied, self._durability.said, self.events)
        self._tells = bool(self.events or applied)
        self.ahead = append_of(self.id, self.writer, self.end.epoch, self.end, entry, named)
        self._deadline_ms = self.state.next_deadline_ms()
        self._just_changed = False
        return self.ahead

    def _take(self, taken: list[RawEntry], skipped: list[Skipped]) -> Iterator[Batch]:
        """The next batches; ``taken`` is told of each entry before anything is done with it, ``skipped`` of poison."""
        entries_max, count = STEP_ENTRIES_MAX if self._care is None else 1, 0
        while self._inbox and len(taken) < entries_max and count < STEP_COMMANDS_MAX:
            entry = self._inbox.popleft()
            taken.append(entry)
            if self._care is not None and entry[0] == self._care.skip:
                skipped.append(skipped_of(entry, self._care.error))
            batch = batch_of(entry, skipped[0] if skipped else None)
            count += len(batch.commands)
            yield batch
        self.commands += count
        self.since.commands += count

    def committed(self, outcome: Outcome) -> None:
        """The entry that was on its way is in the log."""
        assert self.ahead is not None
        self._durability.appended(self.ahead.end.entry_id, outcome, tells=self._tells)
        self.since.entries += 1
        self.since.log_bytes += len(self.ahead.payload)
        self.end, self.ahead = self.ahead.end, None
        self.replica.stand_at(self.end.entry_id, self.end.chain, self.end.now_ms)
        for event in self.events:
            self.replica.apply(event)
        if self._care is not None and self._care.ends_at(self.end.command_id):
            self._care = None

    def interrupt(self) -> None:
        """The store was away: what was received may be gone, and somebody else may have written."""
        self.interrupted = True
        self._inbox.clear()
        self._received_id = self.end.command_id

    def changed(self, taken: Append) -> None:
        """It took over anew behind its own last entry, so its state still holds."""
        assert taken.previous == self.end
        event = codec.decode_entry(taken.payload).events[0]
        assert isinstance(event, WriterChanged)
        self.state.take_over(event, taken.end.now_ms)
        self.end, self.writer = taken.end, taken.writer
        self._durability.appended(self.end.entry_id, Outcome.APPENDED, tells=True)
        self.replica.stand_at(self.end.entry_id, self.end.chain, self.end.now_ms)
        self._deadline_ms = self.state.next_deadline_ms()
        self._just_changed = True
        self.interrupted = False

    @property
    def at_rest(self) -> bool:
        """Whether a snapshot may stand here: behind a step that is in the log."""
        return self.ahead is None and not self._just_changed and not self.interrupted

    def digest(self) -> str:
        """SHA-256 of the state as of ``end``."""
        assert self.ahead is None, "the state is ahead of the log"
        return self.state.digest()
