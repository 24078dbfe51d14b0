"""One experience as a state machine: commands and time in, events out. Everything else is around it.

Its rules. The core never reads a clock: time is an argument, the next deadline a question. Integers only; dicts and
lists only; no set is ever iterated; chance is a hash of a secret that is in the state. A refused command changes
nothing. In a step first come the deadlines that are due, by (instant, path, ticket), each with its own instant as its
time; then the commands at now; then whoever can be admitted is. The same batches at the same times give the same
events, byte for byte, so the log can be replayed and checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from engine.core import consumers
from engine.core.admission import Bucket, Meter
from engine.core.journal import Journal
from engine.core.limits import EXPERIENCE_BURST_MS, OUTAGE_LONG_MS, OUTAGE_MIN_MS, RULES
from engine.core.path import Path
from engine.core.performing import perform
from engine.core.senders import Answers, Senders
from engine.core.stock import Stock
from protocol import commands as c
from protocol import documents
from protocol.distributions import method_of
from protocol.events import Answered, AnyEvent, Configured, Refused, WriterChanged
from protocol.refusals import Reason, Refusal

__all__ = ["RULES", "Batch", "Experience"]

_SNAPSHOT_VERSION = 1


class Batch(NamedTuple):
    """The commands of one entry of the commands stream."""

    sender: bytes
    number: int
    commands: list[c.Command]


class Experience:
    """The whole state of one experience. Only ``step`` and ``take_over`` change it."""

    def __init__(self, experience_id: str) -> None:
        self.id = experience_id
        self.document: documents.Experience | None = None
        self.revision = 0
        self.kid = ""
        self.secret = b""
        self.now_ms = 0
        self.paths: dict[str, Path] = {}
        self.by_priority: list[Path] = []
        self._settling: list[Path] = []
        self.meter = Meter(Bucket(None, EXPERIENCE_BURST_MS), None, None)
        self.stock = Stock()
        self.senders = Senders()
        self.answers = Answers()
        self.admissions: dict[bytes, tuple[str, int]] = {}
        self.journal = Journal()
        self._outage_from_ms: int | None = None

    def settings_of(self, path_id: str) -> documents.Path:
        """The settings of a path that exists."""
        assert self.document is not None, "a path exists after the first Configure"
        settings = self.document.path(path_id)
        assert settings is not None, "every path stands in the document"
        return settings

    # Time

    def next_deadline_ms(self) -> int | None:
        """When something happens by itself next, or None. After a step it lies after the step's time."""
        found: int | None = None
        for path in self.paths.values():
            turns = (path.windows.next_deadline_ms(), path.offers.next_deadline_ms(), path.next_admission_ms())
            for instant in (path.next_phase_ms(), *turns, path.distribution.next_deadline_ms()):
                if instant is not None and (found is None or instant < found):
                    found = instant
        return found

    def take_over(self, event: WriterChanged, now_ms: int) -> None:
        """Another writer writes from ``now_ms`` on; the time since the last entry may have been an outage. What
        follows from that comes out of the next step."""
        assert event.epoch > 0, "an epoch is a positive number"
        if self._outage_from_ms is None:
            self._outage_from_ms = self.now_ms
        self.now_ms = max(self.now_ms, now_ms)

    def step(self, now_ms: int, batches: Sequence[Batch]) -> tuple[list[AnyEvent], dict[bytes, int]]:
        """Let time come to ``now_ms`` (never less than before) and apply ``batches``.

        Answers the events, and for each sender in ``batches`` whose commands were applied the last number of them; a
        batch that is not the next of its sender is dropped.
        """
        assert now_ms >= self.now_ms, "time never goes back"
        resumed_ms = self._resume(now_ms)
        self._fire_deadlines(now_ms, resumed_ms)
        self.now_ms = now_ms
        self.senders.forget(now_ms)
        self.answers.forget(now_ms)
        applied: dict[bytes, int] = {}
        for batch in batches:
            if self.senders.accept(batch.sender, batch.number, now_ms):
                applied[batch.sender] = batch.number
                self._apply(batch)
        self._serve(now_ms)
        for path in self.by_priority:
            path.distribution.stepped(now_ms)
        for change in self.stock.told():
            self.journal.add(change)
        return self.journal.take(), applied

    def _resume(self, now_ms: int) -> int:
        """Make good for an outage; answers the instant before which nothing happens any more."""
        outage_from_ms, self._outage_from_ms = self._outage_from_ms, None
        if outage_from_ms is None or now_ms - outage_from_ms <= OUTAGE_MIN_MS:
            return 0
        gap_ms = now_ms - outage_from_ms
        closing_before_ms = None if gap_ms > OUTAGE_LONG_MS else now_ms + OUTAGE_LONG_MS
        for path in self.paths.values():
            path.move_windows(gap_ms, closing_before_ms, self.journal)
            path.move_offers(gap_ms, closing_before_ms, self.journal)
            path.distribution.moved(gap_ms, closing_before_ms, self.journal)
        return now_ms

    def _fire_deadlines(self, now_ms: int, resumed_ms: int) -> None:
        while (deadline := self.next_deadline_ms()) is not None and deadline <= now_ms:
            at = max(deadline, resumed_ms)
            self.now_ms = max(self.now_ms, at)
            for path in self.paths.values():
                path.keep_schedule(at, self.journal)
                path.expire(at, self.journal)
                path.expire_offers(at, self.journal)
                path.distribution.fire(at, self.journal)
            self._serve(at)

    def _serve(self, at: int) -> None:
        """Admit all that the rates, the caps and the stock allow at ``at``, by priority, and draw the conclusions."""
        self._serve_own_lines(at)
        added = self.stock.added()
        for path in self.by_priority:
            if count := sum(added.get(variant, 0) for variant in path.variants):
                path.distribution.restocked(count)
        self._give_turns(at)
        for path in self.by_priority:
            while count := path.metered(at):
                self.admit(path, count, at, by_hand=False)
        self._give_turns(at)
        for path in self._settling:
            path.settle(at, self.journal)

    def _give_turns(self, at: int) -> None:
        """What is free is offered before others are admitted, and looked at again when they have taken theirs: serving
        twice at one instant is serving once."""
        for path in self.by_priority:
            path.distribution.give_turns(at, self.journal)

    def _serve_own_lines(self, at: int) -> None:
        """What a path has just given back goes to its own line first, where no other stock is free than that."""
        given_back = sum(path.given_back for path in self.by_priority)
        if not given_back:
            return
        for path in self.by_priority:
            count, path.given_back = path.given_back, 0
            if count and self.stock.free(path.variants) <= given_back:
                count = min(count, path.metered(at))
                if count:
                    self.admit(path, count, at, by_hand=False)

    def admit(self, path: Path, count: int, at: int, *, by_hand: bool) -> None:
        """Admit the next ``count`` of ``path`` and know their admissions from now on."""
        path_id, admissions = path.id, self.admissions
        windows = path.admit(count, at, self.kid, self.secret, self.journal, by_hand=by_hand)
        for ticket, window in windows.items():
            admissions[window.admission] = (path_id, ticket)

    # Commands

    def _apply(self, batch: Batch) -> None:
        commands, joined_to = batch.commands, 0
        for index, command in enumerate(commands):
            if index < joined_to:
                continue
            if type(command) is c.Join and self.paths:
                joined_to = consumers.join_together(self, commands, index)
                if index < joined_to:
                    continue
            outcome = perform(self, command) if self.paths else self._perform_first(command)
            if isinstance(outcome, Refusal):
                self.journal.add(Refused(batch.sender, batch.number, index, outcome.reason.value, outcome.detail))
            elif outcome:
                self.journal.add(Answered(batch.sender, batch.number, index, outcome))

    def _perform_first(self, command: c.Command) -> Refusal | dict[str, Any] | None:
        if self.document is None and not isinstance(command, c.Configure):
            return Refusal(Reason.NOT_FOUND, {"experience": self.id})
        return perform(self, command)

    def configure(self, document: documents.Experience, kid: str, actor: str) -> None:
        """Be as ``document`` says, which was found to be possible."""
        self.revision += 1
        self.document, self.kid = document, kid
        self.stock.configure(document)
        self.limit(document)
        before = self.paths
        self.paths = {settings.id: self._kept_or_new(settings) for settings in document.paths}
        gone = [path_id for path_id, path in before.items() if self.paths.get(path_id) is not path]
        if gone:
            self.admissions = {one: where for one, where in self.admissions.items() if where[0] not in gone}
        self.journal.add(Configured(self.revision, document, kid, actor))
        self._link()
        for settings in document.paths:
            path = self.paths[settings.id]
            opens_at, closes_at = path.opens_at, path.closes_at
            path.configure(settings, document.variants_of(settings), self.now_ms)
            if path is not before.get(path.id):
                path.distribution.begun(self.journal)
            path.keep_schedule(self.now_ms, self.journal)
            path.distribution.configured(self.now_ms, self.journal)
            if (opens_at, closes_at) != (path.opens_at, path.closes_at):
                path.enter(path.phase, self.now_ms, actor, self.journal)

    def limit(self, document: documents.Experience) -> None:
        """The rate and the caps of ``document`` over all paths hold from now on."""
        self.meter.bucket.change(document.release_rate_per_minute, EXPERIENCE_BURST_MS, self.now_ms)
        self.meter.max_active, self.meter.max_admissions = document.max_active, document.max_admissions

    def _kept_or_new(self, settings: documents.Path) -> Path:
        """The path of these settings; one that becomes another kind is another path, which nobody has a ticket of."""
        path = self.paths.get(settings.id)
        if path is not None and method_of(path.settings.distribution) == method_of(settings.distribution):
            return path
        return Path(settings, self.revision, self.stock, self.meter, self.secret)

    def _link(self) -> None:
        """Order the paths, and let waitlists and what they are attached to know each other, as the document says."""
        assert self.document is not None, "paths stand in a document"
        ranks = {settings.id: -settings.priority for settings in self.document.paths}
        self.by_priority = sorted(self.paths.values(), key=lambda path: ranks[path.id])
        for settings in self.document.paths:
            path, waitlist = self.paths[settings.id], self.document.waitlist_of(settings.id)
            path.source = None if settings.attached_to is None else self.paths[settings.attached_to]
            path.waitlist = None if waitlist is None else self.paths[waitlist.id]
        self._settling = sorted(self.paths.values(), key=lambda path: path.source is not None)

    # Snapshots

    def snapshot(self) -> bytes:
        """The whole state as bytes; equal states give equal bytes."""
        parts = [self.meter.snapshot(), self.stock.snapshot(), self.senders.snapshot(), self.answers.snapshot()]
        paths = [path.snapshot() for path in self.paths.values()]
        head = [_SNAPSHOT_VERSION, self.revision, self.kid, self.secret, self.now_ms, self._outage_from_ms]
        admissions = list(self.admissions.items())
        return msgspec.msgpack.encode([head, msgspec.json.encode(self.document), parts, paths, admissions])

    @classmethod
    def restore(cls, experience_id: str, data: bytes) -> Experience:
        """The experience of a snapshot."""
        head, document, parts, paths, admissions = msgspec.msgpack.decode(data)
        experience = cls(experience_id)
        version, experience.revision, experience.kid, experience.secret, now_ms, outage_from_ms = head
        assert version == _SNAPSHOT_VERSION, f"snapshots of version {version} are not known"
        experience.now_ms, experience._outage_from_ms = now_ms, outage_from_ms
        experience.document = msgspec.json.decode(document, type=documents.Experience | None)
        experience.meter = Meter.restore(parts[0])
        experience.stock.restore(parts[1])
        experience.senders.restore(parts[2])
        experience.answers.restore(parts[3])
        for path in paths:
            settings = experience.settings_of(path[0])
            made = Path.restore(settings, path, experience.stock, experience.meter, experience.secret)
            experience.paths[path[0]] = made
        if experience.document is not None:
            experience._link()
        experience.admissions = {admission: (path, ticket) for admission, (path, ticket) in admissions}
        return experience

    def digest(self) -> str:
        """SHA-256 of the state, hexadecimal: equal for equal states, wherever they were reached."""
        return sha256(self.snapshot()).hexdigest()
