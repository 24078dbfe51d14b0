"""The auditor: reads a log alone and says whether every promise was kept. The slow, obvious model.

It shares nothing with ``engine/core``: it knows the events and the promises, not how they are kept. Per path it holds
the state of every ticket and checks, entry by entry:

- the chain and the dense sequence (through ``protocol.replica``'s rules, checked here again by hand);
- that time never goes back, and that what a step did by itself was due between the last step and this one;
- that tickets are dense, that a consumer never has two live ones in a path, nor more than the settings allow: so often
  again, so many by an access code, or in one path alone;
- that every admission is whose turn it is, as its kind has it, and no admission id comes twice;
- that in any span of t ms between two changes of the rate at most ``rate * t / 60000 + burst`` were admitted;
- that open windows never exceed ``max_active``, nor open and completed ones ``max_admissions``, nor the stock;
- that windows expire when they end, never before;
- that a slot never has more holds and bookings than it takes (``engine.audits.slots``).

Where a log was trimmed it begins with what a snapshot says (``engine.audit_beginning``) and takes that on trust.

``metering_worst`` tells how close the log came to the bound, so that a check that is never near it is noticed.

Hands over to: ``engine.audits``, which has the model of one path, kind by kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from engine.audits import AUDITED
from engine.audits.path import AuditedPath
from engine.audits.promises import UNIT, Broken, Shelves, SpanMeter
from protocol import events as e
from protocol import kind_events as k
from protocol.codec import decode_entry, next_chain
from protocol.distributions import method_of
from protocol.documents import Experience, with_release_rate
from protocol.states import LIVE
from protocol.streams import GENESIS_CHAIN, START_ID, parse_entry_id

_EXPERIENCE_BURST_MS = 1_000
_TIMED = e.Admitted | e.Expired | k.OfferExpired | k.HoldEnded


class Audit:
    """Feed it entries in order; it raises Broken at the first promise that does not hold."""

    def __init__(self) -> None:
        self.entry_id = START_ID
        self.chain = GENESIS_CHAIN
        self.now_ms = 0
        self.stepped_ms = 0
        self.next_seq = 0
        self.entries = 0
        self.writers = 0
        self.document: Experience | None = None
        self.paths: dict[str, AuditedPath] = {}
        self.admissions: dict[bytes, tuple[str, int]] = {}
        self.over_all = SpanMeter(None, _EXPERIENCE_BURST_MS)
        self.shelves = Shelves()

    def entry(self, entry_id: str, payload: bytes, chain: bytes) -> None:
        """Check the next entry. Raises Broken with the entry's ID in the text."""
        try:
            self._follow(entry_id, payload, chain)
            entry = decode_entry(payload)
            if entry.now_ms < self.now_ms:
                raise Broken(f"time went back from {self.now_ms} to {entry.now_ms}")
            self.now_ms = entry.now_ms
            self.shelves.expect(entry.events)
            for event in entry.events:
                self._in_time(event)
                self._check(event)
            if not any(isinstance(event, e.WriterChanged) for event in entry.events):
                self.stepped_ms = entry.now_ms
        except Broken as broken:
            raise Broken(f"entry {entry_id}: {broken}") from None
        self.entries += 1

    def _check(self, event: e.AnyEvent) -> None:
        check = self._CHECKS.get(type(event))
        if check is not None:
            check(self, event)
        elif (of_path := _OF_PATHS.get(type(event))) is not None:
            of_path(self.paths[getattr(event, "path", "")], event)
        elif type(event) in _OF_KINDS:
            path = self.paths[getattr(event, "path", "")]
            of_kind = path.CHECKS.get(type(event))
            if of_kind is None:
                raise Broken(f"{path.settings.id} is of another kind than what tells {type(event).__name__}")
            of_kind(path, event)
            if isinstance(event, k.Offered) and event.reserved:
                self._caps(path)

    def _follow(self, entry_id: str, payload: bytes, chain: bytes) -> None:
        _, seq = parse_entry_id(entry_id)
        if seq != self.next_seq:
            raise Broken(f"expected sequence number {self.next_seq} behind {self.entry_id}")
        if next_chain(self.chain, payload) != chain:
            raise Broken("the chain is broken")
        self.entry_id, self.chain, self.next_seq = entry_id, chain, seq + 1

    def _in_time(self, event: e.AnyEvent) -> None:
        if isinstance(event, _TIMED) and not self.stepped_ms <= event.at <= self.now_ms:
            raise Broken(f"{event.at} is not between the last step, {self.stepped_ms}, and this one, {self.now_ms}")

    def _writer_changed(self, event: e.WriterChanged) -> None:
        self.writers += 1

    def _configured(self, event: e.Configured) -> None:
        self.document = event.document
        before = self.paths
        self.paths = {}
        for settings in event.document.paths:
            path = before.get(settings.id)
            if path is None or method_of(path.settings.distribution) != method_of(settings.distribution):
                path = AUDITED[method_of(settings.distribution)](settings, self.shelves)
            path.limit(settings)
            self.paths[settings.id] = path
        self.link()
        self._limit_over_all(event.document.release_rate_per_minute)

    def link(self) -> None:
        """Let each path know the waitlist that is attached to it."""
        for path_id, path in self.paths.items():
            assert self.document is not None, "paths stand in a document"
            waitlist = self.document.waitlist_of(path_id)
            path.waitlist = None if waitlist is None else self.paths[waitlist.id]

    def _limit_over_all(self, rate: int | None) -> None:
        if rate != self.over_all.rate:
            self.over_all = SpanMeter(rate, _EXPERIENCE_BURST_MS)

    def _rate_changed(self, event: e.ReleaseRateChanged) -> None:
        assert self.document is not None, "a rate is changed after the first Configured"
        limits = (event.release_rate_per_minute, event.max_active, event.max_admissions)
        self.document = with_release_rate(self.document, event.path, *limits)
        if event.path:
            settings = self.document.path(event.path)
            assert settings is not None, "the path of a rate exists"
            self.paths[event.path].limit(settings)
        else:
            self._limit_over_all(event.release_rate_per_minute)

    def _joined(self, event: e.Joined) -> None:
        path = self.paths[event.path]
        for index in range(len(event.hats)):
            consumer = event.consumers[index * e.CONSUMER_BYTES : (index + 1) * e.CONSUMER_BYTES]
            path.join(event.first + index, consumer, event.hats[index])
            self._has_one_path(path, consumer)

    def _returned(self, event: e.Returned) -> None:
        path = self.paths[event.path]
        path.returned(event)
        self._has_one_path(path, path.consumers[event.ticket])

    def _has_one_path(self, path: AuditedPath, consumer: bytes) -> None:
        if self.document is None or not self.document.one_path:
            return
        for other in self.paths.values():
            ticket = other.latest.get(consumer)
            if other is not path and ticket is not None and other.states[ticket] in LIVE:
                where = f"{other.settings.id} and {path.settings.id}"
                raise Broken(f"one person has one path, but a consumer has tickets in {where}")

    def _admitted(self, event: e.Admitted) -> None:
        path, more = self.paths[event.path], False
        for index, ticket in enumerate(event.tickets):
            more = path.admit(ticket, event) or more
            admission = event.admissions[index * e.ADMISSION_BYTES : (index + 1) * e.ADMISSION_BYTES]
            if admission in self.admissions:
                raise Broken(f"ticket {ticket} got an admission id that {self.admissions[admission]} has had")
            self.admissions[admission] = (event.path, ticket)
            if not event.by_hand:
                self.over_all.admit(event.at)
        if more:
            self._caps(path)

    def _caps(self, path: AuditedPath) -> None:
        path.caps()
        for other in self.paths.values():
            if other.waitlist is path:
                other.caps()
        self._caps_over_all()

    def _caps_over_all(self) -> None:
        assert self.document is not None, "admissions come after the first Configured"
        active = sum(path.active() for path in self.paths.values())
        held = active + sum(path.completed for path in self.paths.values())
        if self.document.max_active is not None and active > self.document.max_active:
            raise Broken(f"{active} windows are open over all paths, max_active is {self.document.max_active}")
        if self.document.max_admissions is not None and held > self.document.max_admissions:
            raise Broken(f"{held} are open or completed over all paths, the most is {self.document.max_admissions}")

    def _stock(self, event: e.StockChanged) -> None:
        self.shelves.tell(event)

    def summary(self) -> dict[str, Any]:
        """What the log holds, in figures."""
        paths = {
            path_id: {
                "tickets": len(path.states),
                "admitted": path.admitted,
                "by_hand": path.by_hand,
                "completed": path.completed,
                "metering_worst": round(path.meter.worst / UNIT, 3),
                "burst": path.meter.burst,
            }
            for path_id, path in self.paths.items()
        }
        return {"entries": self.entries, "writers": self.writers, "last": self.entry_id, "paths": paths}

    _CHECKS: ClassVar[dict[type, Any]] = {
        e.WriterChanged: _writer_changed,
        e.Configured: _configured,
        e.ReleaseRateChanged: _rate_changed,
        e.Joined: _joined,
        e.Returned: _returned,
        e.Admitted: _admitted,
        e.StockChanged: _stock,
    }


_OF_PATHS: dict[type, Callable[[AuditedPath, Any], None]] = {
    e.PhaseChanged: lambda path, event: path.phase_changed(event),
    e.PauseChanged: lambda path, event: path.pause_changed(event),
    e.Expired: lambda path, event: path.expired(event),
    e.Left: lambda path, event: path.left(event),
    e.TicketRefused: lambda path, event: path.refused(event),
    e.Redeemed: lambda path, event: path.redeemed(event),
    e.Completed: lambda path, event: path.complete(event),
    e.WindowMoved: lambda path, event: path.window_moved(event),
    e.WaitingLost: lambda path, event: path.waiting_lost(event),
    k.TicketsLost: lambda path, event: path.tickets_lost(event),
    k.Chosen: lambda path, event: path.chosen(event),
    k.Allotted: lambda path, event: path.allot(event),
}

_OF_KINDS = frozenset(kind for audited in AUDITED.values() for kind in audited.CHECKS)
