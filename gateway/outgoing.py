"""What this process has sent to one experience and does not yet know to be applied. Pure: no store, no clock.

The engine applies the batches of a sender in order of their numbers, each once: a repeat is harmless, a gap is fatal.
So batches are numbered 1, 2, 3 …, kept until an entry says that they are applied, and sent again only as a whole, from
the first one that is not known to be. A sender that is silent for long is closed by the engine; before that happens we
begin anew with another one, and whatever is unanswered by then is given up as ``engine_away``.

The log may also show that the engine has read a batch and not applied it: it waits for another number, because the
store lost a batch that we know as applied, or because log time jumped ahead and closed us. Sent once more and dropped
once more, it will never be applied under this number, so another sender takes up all that waits.

An entry that is not durable may be lost with the store that told it. So what it applied is kept until a later one says
that it is safe; if the log is replaced before that, it is to be written again (`take_back`).

Hands over to: `gateway.io.commands_out` (what to write), `gateway.rooms` (whose answer it is).
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from protocol import codec
from protocol.commands import Command
from protocol.events import Answered, Entry, Refused, Skipped
from protocol.refusals import Reason, Refusal
from protocol.streams import parse_entry_id

COMMANDS_PER_BATCH_MAX = 500
BACKLOG_COMMANDS_MAX = 20_000
SILENCE_MS_MAX = 600_000
SENDER_MS_MAX = 840_000
"""Without progress: less than the 15 minutes after which the engine closes a silent sender."""
RESEND_AFTER_MS = 1_000
RESEND_AFTER_MS_MAX = 8_000
DROPS_MAX = 1


class Answer(Struct, frozen=True):
    """How a command ended: in which entry ("" when none is known), refused or not, and what its sender is told."""

    entry: str
    refusal: Refusal | None
    content: dict[str, Any] = {}


class Sent(Struct):
    """A numbered batch: its payload, who waits for the answer of each of its commands, when it was first written.

    ``entry_id`` is the entry that it is on the stream, "" until that is known; ``dropped``: how often the log went on
    behind that entry without it."""

    number: int
    payload: bytes
    waiting: list[Any]
    written_ms: int | None = None
    entry_id: str = ""
    dropped: int = 0


def durable_seq(entry_id: str, entry: Entry) -> int:
    """The number in the log up to which it is safe, as ``entry`` says."""
    return parse_entry_id(entry.durable or entry_id)[1]


class Outgoing:
    """The numbered batches of one experience, and ``backlog``: how many commands are not known to be applied.

    ``W`` in these docstrings is what `add` was given to be handed back."""

    def __init__(self, make_sender: Callable[[], bytes], now_ms: int) -> None:
        self._make_sender = make_sender
        self.sender = make_sender()
        self._number = 0
        self._applied = 0
        self._progress_ms = now_ms
        self._patience_ms = RESEND_AFTER_MS
        self._commands: list[tuple[Command, Any]] = []
        self._sent: deque[Sent] = deque()
        self._unsafe: deque[tuple[int, Sent]] = deque()
        self._unwritten = 0
        self._written_ms = now_ms
        self.backlog = 0

    def waits_since_ms(self) -> int | None:
        """Since when the oldest written batch has waited, counted from the last progress; None when none waits."""
        written_ms = self._sent[0].written_ms if self._sent else None
        return None if written_ms is None else max(written_ms, self._progress_ms)

    def add(self, command: Command, waits: Any) -> bool:
        """Take ``command`` in; ``waits`` (W) comes back with its answer. False when the backlog is full."""
        if self.backlog >= BACKLOG_COMMANDS_MAX:
            return False
        self._commands.append((command, waits))
        self.backlog += 1
        return True

    @property
    def spare(self) -> int:
        """How many commands may be added for people who wait for nothing, so that those who ask find room."""
        return max(0, BACKLOG_COMMANDS_MAX // 2 - self.backlog)

    def waiting(self) -> Iterator[Any]:
        """Everything (W) that is to be answered still."""
        for sent in self._sent:
            yield from sent.waiting
        for _, waits in self._commands:
            yield waits

    def to_write(self, batches_max: int) -> list[Sent]:
        """The next batches that are not on the stream, in order; `written` says that they are."""
        while self._commands:
            part, self._commands = self._commands[:COMMANDS_PER_BATCH_MAX], self._commands[COMMANDS_PER_BATCH_MAX:]
            self._number += 1
            payload = codec.encode_commands([command for command, _ in part])
            self._sent.append(Sent(self._number, payload, [waits for _, waits in part]))
            self._unwritten += 1
        first = len(self._sent) - self._unwritten
        return [self._sent[index] for index in range(first, min(len(self._sent), first + batches_max))]

    def written(self, batches: list[Sent], entry_ids: list[str], now_ms: int) -> None:
        """These, the answer of `to_write`, are the entries of these IDs on the stream. Some may even be applied
        already, or another sender has taken them up."""
        self._written_ms = now_ms
        for sent, entry_id in zip(batches, entry_ids, strict=True):
            sent.written_ms = now_ms if sent.written_ms is None else sent.written_ms
            sent.entry_id = entry_id
        theirs = set(map(id, batches))
        ours = [place for place, sent in enumerate(self._sent) if id(sent) in theirs]
        if ours:
            self._unwritten = min(self._unwritten, len(self._sent) - 1 - ours[-1])

    def rewind(self) -> None:
        """Everything that is not known to be applied is to be written again, in order."""
        self._unwritten = len(self._sent)
        for sent in self._sent:
            sent.entry_id = ""

    @property
    def unwritten(self) -> bool:
        """Whether `to_write` has anything."""
        return self._unwritten > 0 or bool(self._commands)

    def is_overdue(self, now_ms: int) -> bool:
        """Whether nothing moved for so long that it is time for `rewind`; the patience doubles with each time."""
        since_ms = max(self._written_ms, self._progress_ms)
        if not self._sent or self._unwritten or now_ms - since_ms < self._patience_ms:
            return False
        self._patience_ms = min(2 * self._patience_ms, RESEND_AFTER_MS_MAX)
        return True

    def settle(self, entry_id: str, entry: Entry, now_ms: int) -> list[tuple[Any, Answer]]:
        """What ``entry`` answers: (W, answer) of every command that is now known to be applied, in order. What it
        shows to be dropped is `unwritten` again."""
        settled = self._settle(entry_id, entry, now_ms)
        safe = durable_seq(entry_id, entry)
        while self._unsafe and self._unsafe[0][0] <= safe:
            self._unsafe.popleft()
        first = self._sent[0] if self._sent else None
        if first and first.entry_id and parse_entry_id(first.entry_id) <= parse_entry_id(entry.command_id):
            first.dropped += 1
            self.rewind()
            if first.dropped > DROPS_MAX:
                self._take_up()
        return settled

    def _settle(self, entry_id: str, entry: Entry, now_ms: int) -> list[tuple[Any, Answer]]:
        number = entry.applied.get(self.sender, 0)
        if number <= self._applied:
            return []
        self._applied, self._progress_ms, self._patience_ms = number, now_ms, RESEND_AFTER_MS
        said = {
            (event.number, event.index): event
            for event in entry.events
            if isinstance(event, Refused | Answered) and event.sender == self.sender
        }
        skipped = {one.number for one in entry.events if isinstance(one, Skipped) and one.sender == self.sender}
        settled = []
        while self._sent and self._sent[0].number <= number:
            sent = self._sent.popleft()
            self._unwritten = min(self._unwritten, len(self._sent))
            self.backlog -= len(sent.waiting)
            self._unsafe.append((parse_entry_id(entry_id)[1], sent))
            if sent.number in skipped:
                settled += [(waits, Answer(entry_id, Refusal(Reason.INVALID))) for waits in sent.waiting]
                continue
            for index, waits in enumerate(sent.waiting):
                settled.append((waits, _answer(entry_id, said.get((sent.number, index)))))
        return settled

    def take_back(self) -> None:
        """The log is replaced. What only entries applied that are not known to be safe is to be written again."""
        for _, sent in reversed(self._unsafe):
            self._sent.appendleft(sent)
            self._applied = sent.number - 1
            self.backlog += len(sent.waiting)
        self._unsafe.clear()
        self.rewind()

    def _take_up(self) -> None:
        """Nothing of what waits was applied: another sender sends it, from number 1 on."""
        waits = [Sent(number, sent.payload, sent.waiting, sent.written_ms) for number, sent in enumerate(self._sent, 1)]
        self._sent = deque(waits)
        self._unsafe.clear()
        self.sender = self._make_sender()
        self._number = self._unwritten = len(waits)
        self._applied = 0

    def renew(self, now_ms: int) -> list[tuple[Any, Answer]]:
        """Take another sender if this one was silent for long; what it gives up comes back as ``engine_away``."""
        if not self._sent and self._number == 0:
            self._progress_ms = now_ms
        since_ms = self.waits_since_ms() or self._progress_ms
        if now_ms - since_ms < SILENCE_MS_MAX and now_ms - self._progress_ms < SENDER_MS_MAX:
            return []
        return self.give_up(now_ms)

    def give_up(self, now_ms: int) -> list[tuple[Any, Answer]]:
        """Go on as another sender: of what was written nobody can say here whether it is applied. It comes back as
        ``engine_away``."""
        given_up = Answer("", Refusal(Reason.ENGINE_AWAY))
        settled = [(waits, given_up) for sent in self._sent for waits in sent.waiting]
        self._sent.clear()
        self._unsafe.clear()
        self.backlog = len(self._commands)
        self.sender = self._make_sender()
        self._number = self._applied = self._unwritten = 0
        self._progress_ms, self._patience_ms = now_ms, RESEND_AFTER_MS
        return settled


def _answer(entry_id: str, said: Refused | Answered | None) -> Answer:
    if isinstance(said, Refused):
        return Answer(entry_id, Refusal(Reason(said.reason), said.detail))
    return Answer(entry_id, None, {} if said is None else said.answer)
