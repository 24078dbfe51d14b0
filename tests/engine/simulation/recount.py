"""The log counted again, by the documentation alone: what a batch, an outage, a bucket, a window, a shelf should do.

It shares no line with ``engine/core`` and none of its shortcuts: everything is counted anew behind every entry.

- A batch is applied when it is the next of its sender; a sender silent for 15 minutes of log time is closed.
- After a gap of more than a second before a take-over, windows that end in it or within 5 s after move by it.
- A window ends at its own instant, neither before nor behind it.
- A bucket that has a token, where somebody waits and can be served, is never left so at the end of a step.
- What is reserved of a variant is what the open windows hold of it; what is gone is what was completed.

``steps`` holds what was applied, without the commands that were refused or only repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.core.experience import Batch
from engine.io.streams import CommandEntry, LogEntry
from protocol import codec
from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import kind_of, max_admissions_of, rate_of
from protocol.documents import Experience, with_release_rate, with_stock
from protocol.streams import START_ID, parse_entry_id
from tests.engine.simulation.counted import CountedPath, ExactBucket, OpenOffer, OpenWindow
from tests.engine.simulation.world import Broken

SILENT_MS_MAX = 15 * 60_000
OUTAGE_MS, LONG_OUTAGE_MS = 1_000, 5_000
EXPERIENCE_BURST_MS = 1_000


class Recount:
    """Feed it the entries in order; ``commands`` is the commands stream."""

    def __init__(self, commands: list[CommandEntry]) -> None:
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
        self._commands = commands
        self._command = 0
        self._command_id = START_ID
        self._stepped_ms = 0
        self._changed = False
        self._due_moves: dict[tuple[str, int], int] = {}

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
        accepted = list(self._accepted(entry))
        self.applied[entry_id] = [command for batch in accepted for command in batch.commands]
        applied = {batch.sender: batch.number for batch in accepted}
        if applied != entry.applied:
            raise Broken(f"exactly once: {applied} are the numbers to apply, {entry.applied} were applied")
        self.steps.append((entry, [self._effective(batch, entry) for batch in accepted]))
        self._expect_moves(entry.now_ms)
        for event in entry.events:
            act = self._ACTS.get(type(event))
            if act is not None:
                act(self, event, entry.now_ms)
        self._stepped_ms, self._changed = entry.now_ms, False
        self._conclude(entry.now_ms)

    # Batches

    def _accepted(self, entry: e.Entry) -> Iterator[Batch]:
        while self._command_id != entry.command_id:
            if self._command == len(self._commands):
                raise Broken(f"commands: {entry.command_id} is not in the store")
            found = self._commands[self._command]
            self._command += 1
            self._command_id = found.entry_id
            if parse_entry_id(found.entry_id) > parse_entry_id(entry.command_id):
                raise Broken(f"commands: {entry.command_id} is not in the store")
            number, heard_ms = self._heard.get(found.sender, (0, entry.now_ms))
            if heard_ms < entry.now_ms - SILENT_MS_MAX:
                number = 0
            if found.number == number + 1:
                self._heard[found.sender] = (found.number, entry.now_ms)
                yield Batch(found.sender, found.number, codec.decode_commands(found.batch))

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

    # Windows

    def _windows(self) -> Iterator[tuple[str, int, OpenWindow]]:
        for path_id, path in self.paths.items():
            for ticket, window in path.windows.items():
                yield path_id, ticket, window

    def _expect_moves(self, now_ms: int) -> None:
        gap_ms = now_ms - self._stepped_ms
        if self._changed and gap_ms > OUTAGE_MS:
            for path_id, ticket, window in self._windows():
                if gap_ms > LONG_OUTAGE_MS or window.deadline < now_ms + LONG_OUTAGE_MS:
                    self._due_moves[path_id, ticket] = window.expires_at + gap_ms
            for path_id, path in self.paths.items():
                for ticket, offer in path.offers.items():
                    if not offer.claimed and (gap_ms > LONG_OUTAGE_MS or offer.claim_by < now_ms + LONG_OUTAGE_MS):
                        self._due_moves[path_id, ticket] = offer.claim_by + gap_ms

    def _moved(self, event: e.WindowMoved, now_ms: int) -> None:
        expected = self._due_moves.pop((event.path, event.ticket), event.expires_at)
        if event.expires_at != expected:
            raise Broken(f"outage: a window moved to {event.expires_at}, not to {expected}")
        self.paths[event.path].windows[event.ticket].expires_at = event.expires_at

    def _offer_moved(self, event: k.OfferMoved, now_ms: int) -> None:
        expected = self._due_moves.pop((event.path, event.ticket), None)
        if event.claim_by != expected:
            raise Broken(f"outage: an offer moved to {event.claim_by}, not to {expected}")
        self.paths[event.path].offers[event.ticket].claim_by = event.claim_by

    def _offer_expired(self, event: k.OfferExpired, now_ms: int) -> None:
        path = self.paths[event.path]
        for ticket in event.tickets:
            if event.at != path.offers[ticket].claim_by:
                raise Broken(f"deadlines: an offer until {path.offers[ticket].claim_by} expired at {event.at}")
            path.forget(ticket)

    def _expired(self, event: e.Expired, now_ms: int) -> None:
        path = self.paths[event.path]
        for ticket in event.tickets:
            window = path.windows.pop(ticket)
            if event.at != window.deadline:
                raise Broken(f"deadlines: a window that ends at {window.deadline} expired at {event.at}")

    def _conclude(self, now_ms: int) -> None:
        if self._due_moves:
            raise Broken(f"outage: {len(self._due_moves)} windows were not moved by it")
        for _, ticket, window in self._windows():
            if window.deadline <= now_ms:
                raise Broken(f"deadlines: the window of {ticket} ended at {window.deadline}, it is {now_ms}")
        for path in self.paths.values():
            for ticket, offer in path.offers.items():
                if not offer.claimed and offer.claim_by <= now_ms:
                    raise Broken(f"deadlines: the offer to {ticket} ended at {offer.claim_by}, it is {now_ms}")
        self._check_stock()
        self.over_all.earn(now_ms)
        for path_id, path in self.paths.items():
            path.bucket.earn(now_ms)
            if self._idles(path):
                raise Broken(f"idle: {path_id} has a token and somebody who waits, and admits nobody")

    def _idles(self, path: CountedPath) -> bool:
        serves = path.phase in {"open", "settling"} and not path.paused and bool(path.line)
        reserved = any(ticket in path.offers for ticket in path.line)
        could = reserved or (not self._capped(path) and self._free(path))
        return serves and could and path.bucket.gives and self.over_all.gives

    def _capped(self, path: CountedPath) -> bool:
        """Whether a cap allows no more windows: of the path, of the one that it is attached to, or over all."""
        assert self.document is not None, "a path was configured"
        active = sum(one.active for one in self.paths.values())
        over_all, told = active + self.completed, self.document
        source = self.paths.get(path.settings.attached_to or "")
        return (
            any(self._is_full(one) for one in (path, source) if one is not None)
            or (told.max_active is not None and active >= told.max_active)
            or (told.max_admissions is not None and over_all >= told.max_admissions)
        )

    def _is_full(self, path: CountedPath) -> bool:
        """With what its waitlist has, which is out of its places."""
        terms, most = path.settings.distribution, max_admissions_of(path.settings.distribution)
        among = [path, *(one for one in self.paths.values() if one.settings.attached_to == path.settings.id)]
        active, completed = sum(one.active for one in among), sum(one.completed for one in among)
        full = terms.max_active is not None and active >= terms.max_active
        return full or (most is not None and active + completed >= most)

    def _free(self, path: CountedPath) -> bool:
        assert self.document is not None, "a path was configured"
        sold = self.document.variants_of(path.settings)
        return not sold or any(self._left(variant) > 0 for variant in sold)

    # Stock

    def _left(self, variant: str) -> int:
        total = self.variant_total[variant]
        return 1 if total is None else total - self._reserved(variant) - self.sold.get(variant, 0)

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
            path, terms = before.get(settings.id), settings.distribution
            if path is None or path.kind != kind_of(terms):
                path = CountedPath(settings)
            path.settings = settings
            path.bucket.change(rate_of(terms), terms.burst_ms, now_ms)
            self.paths[settings.id] = path

    def _rate_changed(self, event: e.ReleaseRateChanged, now_ms: int) -> None:
        assert self.document is not None, "a rate is of a document"
        limits = (event.release_rate_per_minute, event.max_active, event.max_admissions)
        self.document = with_release_rate(self.document, event.path, *limits)
        if not event.path:
            return self.over_all.change(event.release_rate_per_minute, EXPERIENCE_BURST_MS, now_ms)
        settings = self.document.path(event.path)
        assert settings is not None, "the path of a rate exists"
        path = self.paths[event.path]
        path.settings = settings
        path.bucket.change(rate_of(settings.distribution), settings.distribution.burst_ms, now_ms)

    def _phase(self, event: e.PhaseChanged, now_ms: int) -> None:
        self.paths[event.path].phase = event.phase

    def _paused(self, event: e.PauseChanged, now_ms: int) -> None:
        self.paths[event.path].paused = event.paused

    def _joined(self, event: e.Joined, now_ms: int) -> None:
        waiting = self.paths[event.path].waiting
        waiting.update(dict.fromkeys(range(event.first, event.first + len(event.hats))))

    def _admitted(self, event: e.Admitted, now_ms: int) -> None:
        assert self.document is not None, "a path was configured"
        path = self.paths[event.path]
        variant = next(iter(self.document.variants_of(path.settings)), "")
        for ticket in event.tickets:
            path.forget(ticket)
            grace_ms = path.settings.distribution.payment_grace_seconds * 1_000
            path.windows[ticket] = OpenWindow(event.expires_at, grace_ms, variant)
        self.admitted += len(event.tickets)
        if not event.by_hand:
            path.bucket.spend(len(event.tickets), event.at)
            self.over_all.spend(len(event.tickets), event.at)

    def _redeemed(self, event: e.Redeemed, now_ms: int) -> None:
        self.paths[event.path].windows[event.ticket].redeemed = True

    def _completed(self, event: e.Completed, now_ms: int) -> None:
        path = self.paths[event.path]
        window = path.windows.pop(event.ticket)
        path.completed += 1
        self.completed += 1
        self.sold[window.variant] = self.sold.get(window.variant, 0) + 1

    def _left_ticket(self, event: e.Left | e.TicketRefused, now_ms: int) -> None:
        self.paths[event.path].forget(event.ticket)

    def _returned(self, event: e.Returned, now_ms: int) -> None:
        path = self.paths[event.path]
        path.waiting[event.ticket] = None
        if path.kind == "timed_release":
            path.claims[event.ticket] = None

    def _lost(self, event: e.WaitingLost, now_ms: int) -> None:
        path = self.paths[event.path]
        for ticket in list(path.waiting):
            path.forget(ticket)

    def _tickets_lost(self, event: k.TicketsLost, now_ms: int) -> None:
        for ticket in event.tickets:
            self.paths[event.path].forget(ticket)

    def _offered(self, event: k.Offered, now_ms: int) -> None:
        assert self.document is not None, "a path was configured"
        path = self.paths[event.path]
        variant = next(iter(self.document.variants_of(path.settings)), "")
        for ticket in event.tickets:
            path.waiting.pop(ticket)
            path.offers[ticket] = OpenOffer(event.claim_by, variant, reserved=event.reserved)

    def _claimed(self, event: k.Claimed, now_ms: int) -> None:
        path = self.paths[event.path]
        path.claims[event.ticket] = None
        if event.ticket in path.offers:
            path.offers[event.ticket].claimed = path.offers[event.ticket].reserved = True

    _ACTS: dict[type, Any] = {  # noqa: RUF012
        e.Configured: _configured,
        e.ReleaseRateChanged: _rate_changed,
        e.PhaseChanged: _phase,
        e.PauseChanged: _paused,
        e.Joined: _joined,
        e.Admitted: _admitted,
        e.Redeemed: _redeemed,
        e.Completed: _completed,
        e.Expired: _expired,
        e.Left: _left_ticket,
        e.TicketRefused: _left_ticket,
        e.Returned: _returned,
        e.WaitingLost: _lost,
        e.WindowMoved: _moved,
        e.StockChanged: _stock,
        k.TicketsLost: _tickets_lost,
        k.Offered: _offered,
        k.Claimed: _claimed,
        k.OfferMoved: _offer_moved,
        k.OfferExpired: _offer_expired,
    }
