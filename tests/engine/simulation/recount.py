"""The log counted again, by the documentation alone: what a batch, an outage, a bucket, a window, a shelf should do.

It shares no line with ``engine/core`` and none of its shortcuts: everything is counted anew behind every entry.

- A batch is applied when it is the next of its sender; a sender silent for 15 minutes of log time is closed.
- What is no batch of commands is named by the entry that would apply it, and by it alone; its number is done.
- After a gap of more than a second before a take-over, windows that end in it or within 5 s after move by it.
- A window ends at its own instant, neither before nor behind it.
- A bucket that has a token, where somebody waits and can be served, is never left so at the end of a step.
- What is reserved of a variant is what the open windows hold of it; what is gone is what was completed.
- Whoever came in was let in by what they brought, and what was said at the door, or to a code, is true (``door``).
- What only some kinds promise is counted kind by kind (``counted``): draws, auctions, slots, claims, offers.

``steps`` holds what was applied, without the commands that were refused or only repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from engine.core.experience import Batch
from engine.io.streams import LogEntry, RawEntry
from protocol import codec
from protocol import commands as c
from protocol import events as e
from protocol.distributions import method_of
from protocol.documents import Experience, with_release_rate, with_stock
from protocol.refusals import Reason
from protocol.streams import FIELD_BATCH, FIELD_NUMBER, FIELD_SENDER, START_ID, parse_entry_id
from tests.engine.simulation.counted import COUNTED, door
from tests.engine.simulation.counted.bucket import ExactBucket
from tests.engine.simulation.counted.path import CountedPath, Outage
from tests.engine.simulation.world import Broken

SILENT_MS_MAX = 15 * 60_000
OUTAGE_MS, LONG_OUTAGE_MS = 1_000, 5_000
EXPERIENCE_BURST_MS = 1_000


class Recount:
    """Feed it the entries in order; ``commands`` is the commands stream."""

    def __init__(self, commands: list[RawEntry]) -> None:
        self.steps: list[tuple[e.Entry, list[Batch]]] = []
        self.applied: dict[str, list[c.Command]] = {}
        """What each entry applied, refused or not."""
        self.admitted = 0
        self.document: Experience | None = None
        self.paths: dict[str, CountedPath] = {}
        self.over_all = ExactBucket(None, EXPERIENCE_BURST_MS)
        self.completed = 0
        self.sold: dict[str, int] = {}
        self.told: dict[str, e.StockChanged] = {}
        self.variant_total: dict[str, int | None] = {}
        self._heard: dict[bytes, tuple[int, int]] = {}
        self._keys: dict[str, None] = {}
        self._answered_keys: dict[str, None] = {}
        self._commands = commands
        self._command = 0
        self._command_id = START_ID
        self._stepped_ms = 0
        self._changed = False
        self._sent: dict[tuple[bytes, int], list[c.Command]] = {}

    def entry(self, found: LogEntry) -> None:
        """The next entry."""
        entry = codec.decode_entry(found.payload)
        try:
            if entry.events and isinstance(entry.events[0], e.WriterChanged):
                self._changed = True
                self.steps.append((entry, []))
            else:
                self._step(found.entry_id, entry)
        except Broken as broken:
            raise Broken(f"{broken} (entry {found.entry_id})") from broken

    def _step(self, entry_id: str, entry: e.Entry) -> None:
        poison: list[str] = []
        accepted = list(self._accepted(entry, poison))
        named = [event.entry for event in entry.events if isinstance(event, e.Skipped)]
        if named != poison:
            raise Broken(f"poison: {poison} cannot be applied, {named} were set aside")
        self.applied[entry_id] = [command for batch in accepted for command in batch.commands]
        applied = {batch.sender: batch.number for batch in accepted}
        if applied != entry.applied:
            raise Broken(f"exactly once: {applied} are the numbers to apply, {entry.applied} were applied")
        self._sent = {(batch.sender, batch.number): batch.commands for batch in accepted}
        self.steps.append((entry, [self._effective(batch, entry) for batch in accepted]))
        self._begin(entry)
        for event in entry.events:
            self._happen(event, entry.now_ms)
        self._stepped_ms, self._changed = entry.now_ms, False
        self._conclude(entry.now_ms)

    def _happen(self, event: e.AnyEvent, now_ms: int) -> None:
        path = self.paths.get(getattr(event, "path", ""))
        if path is not None and (of_path := path.ACTS.get(type(event))) is not None:
            of_path(path, event, now_ms)
        if (act := self._ACTS.get(type(event))) is not None:
            act(self, event, now_ms)
        for path in self.paths.values():
            path.count_units(self._free(path))

    # Batches

    def _accepted(self, entry: e.Entry, poison: list[str]) -> Iterator[Batch]:
        """What is the next of its sender; where it is no batch its ID goes to ``poison``."""
        while self._command_id != entry.command_id:
            if self._command == len(self._commands):
                raise Broken(f"commands: {entry.command_id} is not in the store")
            self._command_id, fields = self._commands[self._command]
            self._command += 1
            if parse_entry_id(self._command_id) > parse_entry_id(entry.command_id):
                raise Broken(f"commands: {entry.command_id} is not in the store")
            batch = _batch_of(fields)
            if batch is None:
                poison.append(self._command_id)
                batch = _numbered(fields)
            number, heard_ms = self._heard.get(batch.sender, (0, entry.now_ms))
            if heard_ms < entry.now_ms - SILENT_MS_MAX:
                number = 0
            if batch.number == number + 1:
                self._heard[batch.sender] = (batch.number, entry.now_ms)
                yield batch

    def _effective(self, batch: Batch, entry: e.Entry) -> Batch:
        refused = {
            event.index
            for event in entry.events
            if isinstance(event, e.Refused) and (event.sender, event.number) == (batch.sender, batch.number)
        }
        kept = []
        for index, command in enumerate(batch.commands):
            key = command.key if isinstance(command, c.MerchantCommand) else ""
            if index not in refused and key not in self._keys:
                kept.append(command)
                if key:
                    self._keys[key] = None
        return Batch(batch.sender, batch.number, kept)

    # Steps

    def _begin(self, entry: e.Entry) -> None:
        """What was asked, and what an outage has to move."""
        gap_ms = entry.now_ms - self._stepped_ms
        outage = None
        if self._changed and gap_ms > OUTAGE_MS:
            outage = Outage(gap_ms, inf if gap_ms > LONG_OUTAGE_MS else entry.now_ms + LONG_OUTAGE_MS)
        for path_id, path in self.paths.items():
            path.begin(self._asked_of(path_id), outage)

    def _asked_of(self, path_id: str) -> list[c.Command]:
        """What was asked of a path in this step, and not refused."""
        _, batches = self.steps[-1]
        return [one for batch in batches for one in batch.commands if getattr(one, "path", "") in ("", path_id)]

    def _conclude(self, now_ms: int) -> None:
        self._check_stock()
        self.over_all.earn(now_ms)
        for path_id, path in self.paths.items():
            path.bucket.earn(now_ms)
            path.conclude(now_ms, min(self._room(path), self._free(path)))
            if self._idles(path):
                raise Broken(f"idle: {path_id} has a token and somebody who waits, and admits nobody")

    def _idles(self, path: CountedPath) -> bool:
        line = path.line
        reserved = any(ticket in path.offers for ticket in line)
        could = reserved or (self._room(path) > 0 and self._free(path) > 0)
        return path.serves and bool(line) and could and path.bucket.gives and self.over_all.gives

    def _room(self, path: CountedPath) -> float:
        """How many more the caps allow: of the path, of the one that it is attached to, and over all."""
        assert self.document is not None, "a path was configured"
        active, told = sum(one.active for one in self.paths.values()), self.document
        room = [path.room] if path.source is None else [path.room, path.source.room]
        room += [] if told.max_active is None else [told.max_active - active]
        room += [] if told.max_admissions is None else [told.max_admissions - active - self.completed]
        return max(0, min(room))

    def _free(self, path: CountedPath) -> float:
        """How many units of what it sells are free."""
        assert self.document is not None, "a path was configured"
        sold = self.document.variants_of(path.settings)
        return sum(self._left(variant) for variant in sold) if sold else inf

    # Stock

    def _left(self, variant: str) -> float:
        total = self.variant_total[variant]
        return inf if total is None else total - self._reserved(variant) - self.sold.get(variant, 0)

    def _reserved(self, variant: str) -> int:
        return sum(path.holds(variant) for path in self.paths.values())

    def _check_stock(self) -> None:
        for variant, told in self.told.items():
            counted = (self._reserved(variant), self.sold.get(variant, 0))
            if told.total is not None and (told.reserved, told.completed) != counted:
                raise Broken(f"stock: {told} was told, reserved and completed are {counted}")

    def _stock(self, event: e.StockChanged, now_ms: int) -> None:
        self.told[event.variant] = event
        self.variant_total[event.variant] = event.total
        assert self.document is not None, "stock is of a document"
        self.document = with_stock(self.document, event.variant, event.total)

    # What else happens

    def _configured(self, event: e.Configured, now_ms: int) -> None:
        document = event.document
        self.over_all.change(document.release_rate_per_minute, EXPERIENCE_BURST_MS, now_ms)
        self.document = document
        self.variant_total = {one.id: one.stock for product in document.products for one in product.variants}
        before = self.paths
        self.paths = {}
        for settings in document.paths:
            path, method = before.get(settings.id), method_of(settings.distribution)
            if path is None or method_of(path.settings.distribution) != method:
                path = COUNTED[method](settings)
                path.begin(self._asked_of(settings.id), None)
            path.put(settings, next(iter(document.variants_of(settings)), ""), now_ms)
            self.paths[settings.id] = path
        for path_id, path in self.paths.items():
            waitlist = document.waitlist_of(path_id)
            path.waitlist = None if waitlist is None else self.paths[waitlist.id]
            path.source = self.paths.get(path.settings.attached_to or "")

    def _rate_changed(self, event: e.ReleaseRateChanged, now_ms: int) -> None:
        assert self.document is not None, "a rate is of a document"
        limits = (event.release_rate_per_minute, event.max_active, event.max_admissions)
        self.document = with_release_rate(self.document, event.path, *limits)
        if not event.path:
            return self.over_all.change(event.release_rate_per_minute, EXPERIENCE_BURST_MS, now_ms)
        settings = self.document.path(event.path)
        assert settings is not None, "the path of a rate exists"
        path = self.paths[event.path]
        path.put(settings, path.sells, now_ms)

    def _refused(self, event: e.Refused, now_ms: int) -> None:
        command = self._sent[event.sender, event.number][event.index]
        path = self.paths.get(getattr(command, "path", ""))
        if path is not None:
            path.refused(command, event.reason, event.detail, now_ms)
        at_door = self.paths.get(event.detail.get("path", ""))
        if at_door is not None:
            door.check_refusal(at_door.settings, at_door.uses, command, event.reason, now_ms)
        if isinstance(command, c.EnterCode) and event.reason == Reason.BAD_CODE and self._opened(command, now_ms):
            raise Broken(f"refusals: {command} opened nothing, it was said")

    def _opened(self, command: c.EnterCode, now_ms: int) -> list[CountedPath]:
        """The paths that somebody's code opens."""
        return [
            path
            for path in self.paths.values()
            if door.opens(path.settings, path.uses, command, now_ms, is_inside=path.has_inside(command.consumer))
        ]

    def _answered(self, event: e.Answered, now_ms: int) -> None:
        """What somebody was told of what was asked; the same told again is not looked at."""
        command = self._sent[event.sender, event.number][event.index]
        key = command.key if isinstance(command, c.MerchantCommand) else ""
        if isinstance(command, c.EnterCode):
            self._check_code(command, event.answer, now_ms)
        elif isinstance(command, c.Offer) and key not in self._answered_keys:
            path = self.paths[command.path]
            path.offered_by_hand(event.answer["offered"], min(self._room(path), self._free(path)))
        elif isinstance(command, c.SetStock) and key not in self._answered_keys:
            self.variant_total[command.variant] = event.answer["stock"]  # the event comes at the end of the step
        self._answered_keys |= {key: None} if key else {}

    def _check_code(self, command: c.EnterCode, answer: dict[str, Any], now_ms: int) -> None:
        """What became of a code is true."""
        path, outcome = self.paths[answer["path"]], answer["outcome"]
        inside = [one for one in self.paths.values() if one.has_inside(command.consumer)]
        first = max(one.settings.priority for one in inside) if inside else -inf
        is_true = {
            "advanced": path in inside,
            "unchanged": path in self._opened(command, now_ms) and first >= path.settings.priority,
            "gated": path in self._opened(command, now_ms) and path not in inside,
        }
        if not is_true[outcome]:
            raise Broken(f"codes: {outcome} was answered to {command}, with {path.uses} in {path.settings.id}")

    def _admitted(self, event: e.Admitted, now_ms: int) -> None:
        self.admitted += len(event.tickets)
        if not event.by_hand:
            self.over_all.spend(len(event.tickets), event.at)

    def _completed(self, event: e.Completed, now_ms: int) -> None:
        path = self.paths[event.path]
        variant = path.windows.pop(event.ticket).variant
        path.completed += 1
        self.completed += 1
        self.sold[variant] = self.sold.get(variant, 0) + 1

    _ACTS: dict[type, Any] = {  # noqa: RUF012
        e.Configured: _configured,
        e.ReleaseRateChanged: _rate_changed,
        e.Refused: _refused,
        e.Answered: _answered,
        e.Admitted: _admitted,
        e.Completed: _completed,
        e.StockChanged: _stock,
    }


def _batch_of(fields: Mapping[bytes, bytes]) -> Batch | None:
    """What stands in an entry of the commands stream; None where that is no batch."""
    try:
        commands = codec.decode_commands(fields[FIELD_BATCH])
        return Batch(fields[FIELD_SENDER], int(fields[FIELD_NUMBER]), commands)
    except (KeyError, ValueError):
        return None


def _numbered(fields: Mapping[bytes, bytes]) -> Batch:
    """The sender and the number of what is no batch, where it has all that a batch has."""
    whole = {FIELD_SENDER, FIELD_NUMBER, FIELD_BATCH} <= fields.keys()
    return Batch(fields[FIELD_SENDER], int(fields[FIELD_NUMBER]), []) if whole else Batch(b"", 0, [])
