"""The auditor: reads a log alone and says whether every promise was kept. The slow, obvious model.

It shares nothing with ``engine/core``: it knows the events and the promises, not how they are kept. Per path it holds
the state of every ticket and checks, entry by entry:

- the chain and the dense sequence (through ``protocol.replica``'s rules, checked here again by hand);
- that time never goes back, and that what a step did by itself was due between the last step and this one;
- that tickets are dense, and that a consumer never has two live ones in a path;
- that every admission is the first place that waits (first come, first served), and no admission id comes twice;
- that in any span of t ms between two changes of the rate at most ``rate * t / 60000 + burst`` were admitted;
- that open windows never exceed ``max_active``, nor open and completed ones ``max_admissions``, nor the stock;
- that windows expire when they end, never before;
- that a slot never has more holds and bookings than it takes (``engine.audit_slots``).

Where a log was trimmed it begins with what a snapshot says (``engine.audit_beginning``) and takes that on trust.

``metering_worst`` tells how close the log came to the bound, so that a check that is never near it is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, ClassVar

from engine.audit_slots import AuditedSlots
from engine.audit_slots import Broken as Broken
from protocol import events as e
from protocol import kind_events as k
from protocol.codec import decode_entry, next_chain
from protocol.distributions import kind_of
from protocol.documents import Experience, Path, with_release_rate
from protocol.states import LIVE, TicketState
from protocol.streams import GENESIS_CHAIN, START_ID, parse_entry_id

_UNIT = 60_000
_EXPERIENCE_BURST_MS = 1_000
_GIVEN_UP = frozenset({TicketState.WAITING, TicketState.ADMITTED, TicketState.REDEEMED})


class SpanMeter:
    """Admissions of one meter between two changes of its rate: in any span at most rate * t / 60000 + burst.

    With f(k) = 60000 k - rate * t(k) for the k-th admission, the worst span that ends at k begins at the smallest f so
    far; so one pass over the admissions checks every span of any length.
    """

    def __init__(self, rate: int | None, burst_ms: int) -> None:
        self.rate = rate
        self.burst = None if rate is None else 1 - (-rate * burst_ms // _UNIT)
        self.admitted = 0
        self.worst = 0
        self._lowest: int | None = None

    def admit(self, at: int) -> None:
        """One admission at ``at`` (ms). Raises Broken."""
        self.admitted += 1
        if self.rate is None or self.burst is None:
            return
        height = _UNIT * self.admitted - self.rate * at
        self._lowest = height if self._lowest is None else min(self._lowest, height)
        needed = height - self._lowest + _UNIT
        self.worst = max(self.worst, needed)
        if needed > self.burst * _UNIT or self.rate == 0:
            raise Broken(f"more than {self.rate} a minute and a burst of {self.burst} admitted at {at}")


class AuditedPath:
    """One path as the log tells it."""

    def __init__(self, settings: Path) -> None:
        self.settings = settings
        self.states: list[TicketState] = []
        self.consumers: list[bytes] = []
        self.latest: dict[bytes, int] = {}
        self.windows: dict[int, int] = {}
        self.completed = 0
        self.admitted = 0
        self.by_hand = 0
        self.times: list[int] = []
        self.choices: dict[int, str] = {}
        self.allotted: dict[int, str] = {}
        self._waiting: list[int] = []
        self.slots = AuditedSlots(self)
        self.meter = SpanMeter(settings.distribution.release_rate_per_minute, settings.distribution.burst_ms)

    def resume(self, states: bytes, consumers: list[bytes], windows: dict[int, int], completed: int) -> None:
        """These are the tickets that there are already; when the admitted ones were is not known any more."""
        self.states = [TicketState(state) for state in states]
        self.consumers, self.windows, self.completed = consumers, windows, completed
        self.latest = {consumer: ticket for ticket, consumer in enumerate(consumers)}
        self._waiting = [ticket for ticket, state in enumerate(self.states) if state == TicketState.WAITING]

    def limit(self, settings: Path) -> None:
        """Another rate or other caps: a new part of the metering begins."""
        before, self.settings = self.settings.distribution, settings
        terms = settings.distribution
        if (before.release_rate_per_minute, before.burst_ms) != (terms.release_rate_per_minute, terms.burst_ms):
            self.meter = SpanMeter(terms.release_rate_per_minute, terms.burst_ms)

    def join(self, ticket: int, consumer: bytes) -> None:
        if ticket != len(self.states):
            raise Broken(f"ticket {ticket} joined behind {len(self.states)} tickets")
        before = self.latest.get(consumer)
        if before is not None and self.states[before] in LIVE:
            raise Broken(f"tickets {before} and {ticket} are both live and of one consumer")
        self.states.append(TicketState.WAITING)
        self.consumers.append(consumer)
        self.latest[consumer] = ticket
        heappush(self._waiting, ticket)

    def first_waiting(self) -> int | None:
        """The first place that waits."""
        while self._waiting and self.states[self._waiting[0]] != TicketState.WAITING:
            heappop(self._waiting)
        return self._waiting[0] if self._waiting else None

    def first_to_serve(self, left: dict[str, int | None]) -> int | None:
        """The first who waits for something that is left: whoever chose what is not is passed over."""
        if not self.choices:
            return self.first_waiting()
        for ticket, state in enumerate(self.states):
            wanted = left.get(self.choices.get(ticket, ""))
            if state == TicketState.WAITING and (wanted is None or wanted > 0):
                return ticket
        return None

    def wait_again(self, ticket: int, states: Iterable[TicketState] = (TicketState.EXPIRED,)) -> None:
        self.expect(ticket, states)
        self.states[ticket] = TicketState.WAITING
        heappush(self._waiting, ticket)

    def expect(self, ticket: int, states: Iterable[TicketState]) -> None:
        if self.states[ticket] not in states:
            raise Broken(f"ticket {ticket} was {self.states[ticket].word}")

    def close(self, ticket: int, state: TicketState) -> None:
        self.windows.pop(ticket, None)
        self.allotted.pop(ticket, None)
        self.states[ticket] = state

    def caps(self) -> None:
        terms = self.settings.distribution
        if terms.max_active is not None and len(self.windows) > terms.max_active:
            raise Broken(f"{len(self.windows)} windows are open, max_active is {terms.max_active}")
        held = len(self.windows) + self.completed
        if terms.max_admissions is not None and held > terms.max_admissions:
            raise Broken(f"{held} are open or completed, max_admissions is {terms.max_admissions}")


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
        self.left: dict[str, int | None] = {}

    def entry(self, entry_id: str, payload: bytes, chain: bytes) -> None:
        """Check the next entry. Raises Broken with the entry's ID in the text."""
        try:
            self._follow(entry_id, payload, chain)
            entry = decode_entry(payload)
            if entry.now_ms < self.now_ms:
                raise Broken(f"time went back from {self.now_ms} to {entry.now_ms}")
            self.now_ms = entry.now_ms
            for event in entry.events:
                self._in_time(event)
                check = self._CHECKS.get(type(event))
                if check is not None:
                    check(self, event)
                elif (of_slots := AuditedSlots.CHECKS.get(type(event))) is not None:
                    of_slots(self.paths[getattr(event, "path", "")].slots, event)
            if not any(isinstance(event, e.WriterChanged) for event in entry.events):
                self.stepped_ms = entry.now_ms
        except Broken as broken:
            raise Broken(f"entry {entry_id}: {broken}") from None
        self.entries += 1

    def _follow(self, entry_id: str, payload: bytes, chain: bytes) -> None:
        _, seq = parse_entry_id(entry_id)
        if seq != self.next_seq:
            raise Broken(f"expected sequence number {self.next_seq} behind {self.entry_id}")
        if next_chain(self.chain, payload) != chain:
            raise Broken("the chain is broken")
        self.entry_id, self.chain, self.next_seq = entry_id, chain, seq + 1

    def _in_time(self, event: e.AnyEvent) -> None:
        if isinstance(event, e.Admitted | e.Expired | k.HoldEnded) and not self.stepped_ms <= event.at <= self.now_ms:
            raise Broken(f"{event.at} is not between the last step, {self.stepped_ms}, and this one, {self.now_ms}")

    def _writer_changed(self, event: e.WriterChanged) -> None:
        self.writers += 1

    def _configured(self, event: e.Configured) -> None:
        self.document = event.document
        before = self.paths
        self.paths = {}
        for settings in event.document.paths:
            path = before.get(settings.id)
            if path is None or kind_of(path.settings.distribution) != kind_of(settings.distribution):
                path = AuditedPath(settings)
            path.limit(settings)
            self.paths[settings.id] = path
        self._limit_over_all(event.document.release_rate_per_minute)

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
            path.join(event.first + index, consumer)

    def _admitted(self, event: e.Admitted) -> None:
        path = self.paths[event.path]
        for index, ticket in enumerate(event.tickets):
            first = path.first_to_serve(self.left)
            if ticket != first:
                raise Broken(f"ticket {ticket} was admitted, but {first} was the first that waits")
            admission = event.admissions[index * e.ADMISSION_BYTES : (index + 1) * e.ADMISSION_BYTES]
            if admission in self.admissions:
                raise Broken(f"ticket {ticket} got an admission id that {self.admissions[admission]} has had")
            self.admissions[admission] = (event.path, ticket)
            path.states[ticket] = TicketState.ADMITTED
            path.windows[ticket] = event.expires_at
            self._move_stock(path.allotted.get(ticket, ""), -1)
            path.admitted += 1
            path.times.append(event.at)
            if event.by_hand:
                path.by_hand += 1
            else:
                path.meter.admit(event.at)
                self.over_all.admit(event.at)
        path.caps()
        self._caps()

    def _chosen(self, event: k.Chosen) -> None:
        self.paths[event.path].choices[event.ticket] = event.variant

    def _allotted(self, event: k.Allotted) -> None:
        self.paths[event.path].allotted.update(zip(event.tickets, event.variants, strict=True))

    def _move_stock(self, variant: str, count: int) -> None:
        """What is left between two ``StockChanged``, of what is named when it is given."""
        left = self.left.get(variant)
        if left is not None:
            self.left[variant] = left + count

    def _caps(self) -> None:
        assert self.document is not None, "admissions come after the first Configured"
        active = sum(len(path.windows) for path in self.paths.values())
        held = active + sum(path.completed for path in self.paths.values())
        if self.document.max_active is not None and active > self.document.max_active:
            raise Broken(f"{active} windows are open over all paths, max_active is {self.document.max_active}")
        if self.document.max_admissions is not None and held > self.document.max_admissions:
            raise Broken(f"{held} are open or completed over all paths, the most is {self.document.max_admissions}")

    def _expired(self, event: e.Expired) -> None:
        path = self.paths[event.path]
        for ticket in event.tickets:
            path.expect(ticket, {TicketState.ADMITTED, TicketState.REDEEMED})
            if event.at < path.windows[ticket]:
                raise Broken(f"ticket {ticket} expired {path.windows[ticket] - event.at} ms before its window's end")
            self._move_stock(path.allotted.get(ticket, ""), 1)
            path.close(ticket, TicketState.EXPIRED)

    def _left(self, event: e.Left) -> None:
        path = self.paths[event.path]
        path.expect(event.ticket, _GIVEN_UP)
        self._move_stock(path.allotted.get(event.ticket, ""), 1)
        path.close(event.ticket, TicketState.LEFT)

    def _refused(self, event: e.TicketRefused) -> None:
        path = self.paths[event.path]
        path.expect(event.ticket, {TicketState.WAITING})
        path.close(event.ticket, TicketState.REFUSED)

    def _redeemed(self, event: e.Redeemed) -> None:
        path = self.paths[event.path]
        path.expect(event.ticket, {TicketState.ADMITTED})
        path.states[event.ticket] = TicketState.REDEEMED

    def _completed(self, event: e.Completed) -> None:
        path = self.paths[event.path]
        path.expect(event.ticket, {TicketState.ADMITTED, TicketState.REDEEMED})
        path.close(event.ticket, TicketState.COMPLETED)
        path.completed += 1

    def _returned(self, event: e.Returned) -> None:
        self.paths[event.path].wait_again(event.ticket)

    def _window_moved(self, event: e.WindowMoved) -> None:
        path = self.paths[event.path]
        if event.expires_at <= path.windows[event.ticket]:
            raise Broken(f"the window of ticket {event.ticket} was cut short")
        path.windows[event.ticket] = event.expires_at

    def _waiting_lost(self, event: e.WaitingLost) -> None:
        path = self.paths[event.path]
        while (ticket := path.first_waiting()) is not None:
            path.states[ticket] = TicketState.LOST

    def _stock(self, event: e.StockChanged) -> None:
        if event.total is not None and event.reserved + event.completed > event.total:
            raise Broken(f"{event.reserved + event.completed} of {event.variant} are given, there are {event.total}")
        self.left[event.variant] = None if event.total is None else event.total - event.reserved - event.completed

    def summary(self) -> dict[str, Any]:
        """What the log holds, in figures."""
        paths = {
            path_id: {
                "tickets": len(path.states),
                "admitted": path.admitted,
                "by_hand": path.by_hand,
                "completed": path.completed,
                "metering_worst": round(path.meter.worst / _UNIT, 3),
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
        e.Admitted: _admitted,
        e.Expired: _expired,
        e.Left: _left,
        e.TicketRefused: _refused,
        e.Redeemed: _redeemed,
        e.Completed: _completed,
        e.Returned: _returned,
        e.WindowMoved: _window_moved,
        e.WaitingLost: _waiting_lost,
        k.Chosen: _chosen,
        k.Allotted: _allotted,
        e.StockChanged: _stock,
    }
