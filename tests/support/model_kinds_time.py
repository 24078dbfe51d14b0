"""The slow, obvious model of timed releases and waitlists beside queues: it, too, lives through every millisecond.

What the queue's model says of buckets, windows, stock and schedules holds here as well; what is added is said again at
every question, never remembered: who is in line, what is kept for offers, how many units can be offered. In this order,
for each ms: schedules, windows and offers that end; lines get back what was theirs; waitlists offer; whoever can be
admitted is, by priority; what was taken meanwhile is no unit any more; then conclusions.

People take what there is (nobody chooses a variant), and need neither code nor audience.

Hands over to: ``tests.support.model_kinds``, which does what people and merchants ask for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from protocol.distributions import TimedRelease, Waitlist, kind_of, rate_of
from protocol.documents import Experience as Document
from tests.support.model import MAY_RETURN, NONE_LEFT, Model, Served
from tests.support.model_path import ModelBucket, ModelPath, ModelTicket

SERVING = {"open", "settling"}


def cap(value: int | None) -> float:
    """A cap as a number; None is no cap."""
    return inf if value is None else value


@dataclass
class KindsTicket(ModelTicket):
    """``claim``: the number of its claim, 0 = none; ``offered_until``; ``kept``: a unit is kept for its offer."""

    claim: int = 0
    offered_until: int = 0
    kept: bool = False

    @property
    def live(self) -> bool:
        return self.state in {"waiting", "offered"} or self.active

    @property
    def counts(self) -> bool:
        """Whether it has a window, or an offer that counts as one."""
        return self.active or self.kept


@dataclass
class KindsPath(ModelPath):
    """``fresh`` and ``units``: what came free, and what can be offered. ``back``: lapses since lines were served."""

    people: list[KindsTicket] = field(default_factory=list)
    fresh: int = 0
    units: int = 0
    back: int = 0
    sold: bool = False

    @property
    def kind(self) -> str:
        return kind_of(self.settings.distribution)

    def in_line(self) -> list[KindsTicket]:
        """Who is to be admitted, in order."""
        if self.kind == "queue":
            return [one for one in self.people if one.state == "waiting"]
        claimed = "waiting" if self.kind == "timed_release" else "offered"
        return sorted((one for one in self.people if one.claim and one.state == claimed), key=lambda one: one.claim)

    def counted(self) -> int:
        return sum(one.counts for one in self.people)


class KindsTime(Model):
    """An experience with queues, timed releases and waitlists, as time alone changes it."""

    def __init__(self, document: Document, start_ms: int) -> None:
        self.claims = 0
        self.kinds: dict[str, KindsPath] = {}
        super().__init__(document, start_ms)

    def make(self, document: Document) -> None:
        for settings in document.paths:
            terms = settings.distribution
            bucket = ModelBucket(rate_of(terms), terms.burst_ms)
            limits = cap(terms.max_active), cap(terms.max_admissions), cap(settings.closing)
            path = KindsPath(settings, document.variants_of(settings), bucket, *limits)
            path.tickets = path.people  # type: ignore[assignment]
            self.kinds[settings.id] = path
        self.paths = dict(self.kinds)

    def new_ticket(self, consumer: bytes) -> KindsTicket:
        return KindsTicket(consumer)

    # What happens by itself

    def _outage_of(self, gap_ms: int, now_ms: int) -> None:
        for path in self.kinds.values():
            for ticket in path.people:
                if ticket.active and (gap_ms > 5_000 or self._closes(path, ticket) < now_ms + 5_000):
                    ticket.ends += gap_ms
                open_offer = ticket.state == "offered" and not ticket.claim
                if open_offer and (gap_ms > 5_000 or ticket.offered_until < now_ms + 5_000):
                    ticket.offered_until += gap_ms

    def _conclude(self) -> None:
        for path in self.kinds.values():
            self._keep_schedule(path)
            for ticket in path.people:
                if ticket.active and self._closes(path, ticket) <= self.now_ms:
                    self._end(path, ticket, "expired")
            for ticket in path.people:
                if ticket.state == "offered" and not ticket.claim and ticket.offered_until <= self.now_ms:
                    self._end(path, ticket, "expired")
        self._serve_own_lines()
        self._make_offers()
        for path in self._ordered():
            while self._can_serve(path) and path.bucket.gives and self.bucket.gives:
                self._admit(path, by_hand=False)
        self._make_offers()
        for path in sorted(self.kinds.values(), key=lambda one: one.settings.attached_to is not None):
            self._settle(path)

    def _keep_schedule(self, path: KindsPath) -> None:
        opens, lobby = path.settings.opens_at, path.settings.lobby_opens_at
        if path.phase == "scheduled" and lobby is not None and lobby <= self.now_ms:
            path.phase = "lobby"
        if path.phase in {"scheduled", "lobby"} and (opens is None or opens <= self.now_ms):
            path.phase = "open"
            path.sold = self._is_sold(path)
        if path.phase == "open" and path.closes_at <= self.now_ms:
            self._begin_settling(path)

    def _begin_settling(self, path: KindsPath) -> None:
        path.phase = "settling"
        for ticket in path.people if path.kind == "timed_release" else []:
            if ticket.state == "waiting" and not ticket.claim:
                ticket.state = "lost"

    def _ordered(self) -> list[KindsPath]:
        return sorted(self.kinds.values(), key=lambda one: -one.settings.priority)

    def _serve_own_lines(self) -> None:
        back = sum(path.back for path in self.kinds.values())
        for path in self._ordered():
            mine, path.back = path.back, 0
            scarce = path.variants and sum(map(self._left, path.variants)) <= back
            for _ in range(mine if scarce else 0):
                if self._can_serve(path) and path.bucket.gives and self.bucket.gives:
                    self._admit(path, by_hand=False)

    def _settle(self, path: KindsPath) -> None:
        if path.phase not in SERVING:
            return
        if path.kind == "queue":
            path.gone = self.supply(path) == NONE_LEFT
            if path.gone:
                self._lose(path)
        elif path.kind == "timed_release":
            path.sold = self._is_sold(path)
            if path.sold:
                self._lose(path)
                path.phase = "settling"
        elif self._source_ended(path) and self._has_nothing_left(path):
            path.phase = "settling"
        if path.phase == "settling" and self._is_over(path):
            path.phase = "ended"
            if path.kind == "waitlist":
                self._lose(path)

    def _is_over(self, path: KindsPath) -> bool:
        if path.kind == "waitlist" and self._source_ended(path):
            return self._has_nothing_left(path)
        return not any(ticket.live for ticket in path.people)

    def _source_ended(self, path: KindsPath) -> bool:
        source = self._source(path)
        return source is not None and source.phase == "ended"

    def _has_nothing_left(self, path: KindsPath) -> bool:
        busy = any(ticket.active or ticket.state == "offered" for ticket in path.people)
        return not busy and not (path.units and path.count("waiting"))

    # What there is

    def _source(self, path: KindsPath) -> KindsPath | None:
        return self.kinds.get(path.settings.attached_to or "")

    def _left(self, variant: str) -> float:
        held = sum(one.variant == variant for path in self.kinds.values() for one in path.people if one.counts)
        return cap(self.stock[variant]) - held - self.sold[variant]

    def supply(self, path: ModelPath) -> str:
        if not path.variants or any(self._left(variant) > 0 for variant in path.variants):
            return ""
        held = [one for other in self.kinds.values() for one in other.people if one.counts]
        return MAY_RETURN if any(one.variant in path.variants for one in held) else NONE_LEFT

    def _is_sold(self, path: KindsPath) -> bool:
        if path.kind != "timed_release":
            return False
        if path.sold and path.phase != "open":
            return True
        return bool(self.supply(path)) or self._room(path, active=False) <= 0

    def _room(self, path: KindsPath, *, active: bool = True) -> float:
        """How many more the caps of one path allow, with what its waitlist has."""
        among = [path, *(one for one in self.kinds.values() if self._source(one) is path)]
        terms = path.settings.distribution
        most = min(path.max_admissions, cap(terms.limit if isinstance(terms, TimedRelease) else None))
        counted, done = sum(one.counted() for one in among), sum(one.count("completed") for one in among)
        return min(path.max_active - counted if active else inf, most - counted - done)

    def _caps(self, path: KindsPath) -> float:
        source = self._source(path)
        counted = sum(one.counted() for one in self.kinds.values())
        done = sum(one.count("completed") for one in self.kinds.values())
        over_all = min(self.max_active - counted, self.max_admissions - counted - done)
        return max(0, min(self._room(path), over_all, inf if source is None else self._room(source)))

    def _free(self, path: KindsPath) -> float:
        return sum(map(self._left, path.variants)) if path.variants else inf

    def _spare(self, path: KindsPath) -> float:
        source = self._source(path)
        wanted = 0 if source is None else len(source.in_line())
        return max(0, min(self._free(path), self._caps(path)) - wanted)

    # Turns and offers

    def _can_serve(self, path: KindsPath) -> bool:
        line = path.in_line()
        if path.paused or path.phase not in SERVING or not line:
            return False
        return path.kind == "waitlist" or (self._caps(path) > 0 and self._free(path) > 0)

    def _admit(self, path: ModelPath, *, by_hand: bool) -> None:
        assert isinstance(path, KindsPath), "all paths here are"
        if not by_hand:
            path.bucket.spend()
            self.bucket.spend()
        ticket = path.in_line()[0]
        if not ticket.kept:
            self._keep_unit(path, ticket)
        ticket.ends = self.now_ms + path.settings.distribution.checkout_window_seconds * 1_000
        ticket.state, ticket.kept, ticket.claim = "admitted", False, 0
        ticket.redeemed, ticket.extended = False, False
        number = next(number for number, one in enumerate(path.people) if one is ticket)
        self.served.append(Served(self.now_ms, path.settings.id, number, by_hand))

    def _keep_unit(self, path: KindsPath, ticket: KindsTicket) -> None:
        most = max((self._left(variant) for variant in path.variants), default=0)
        ticket.variant = next((variant for variant in path.variants if self._left(variant) == most), "")

    def _end(self, path: KindsPath, ticket: KindsTicket, state: str) -> None:
        """A window or an offer ends without an order."""
        if ticket.counts:
            path.back += 1
            for one in self.kinds.values():
                one.fresh += one.kind == "waitlist" and (one is path or self._source(one) is path)
        ticket.state, ticket.kept, ticket.claim = state, False, 0

    def _make_offers(self) -> None:
        for path in self._ordered():
            terms = path.settings.distribution
            if not isinstance(terms, Waitlist) or path.paused or path.phase not in SERVING:
                continue
            self._collect(path)
            if terms.strategy == "all":
                for ticket in self._offerable(path) if min(path.units, self._spare(path)) > 0 else []:
                    self._offer(path, ticket, kept=False)
                continue
            while self._unclaimed(path) < (terms.batch or 1) and min(path.units, self._spare(path)) > 0:
                others = self._offerable(path)
                if not others:
                    break
                self._offer(path, others[0], kept=True)
                path.units -= 1

    def _collect(self, path: KindsPath) -> None:
        path.units, path.fresh = int(min(path.units + path.fresh, self._spare(path))), 0

    def _unclaimed(self, path: KindsPath) -> int:
        return sum(one.state == "offered" and not one.claim for one in path.people)

    def _offerable(self, path: KindsPath) -> list[KindsTicket]:
        source = self._source(path)
        found = []
        for ticket in path.people:
            number = None if source is None else source.latest(ticket.consumer)
            there = source is not None and number is not None and source.people[number].active
            if ticket.state == "waiting" and not there:
                found.append(ticket)
        return found

    def _offer(self, path: KindsPath, ticket: KindsTicket, *, kept: bool) -> None:
        terms = path.settings.distribution
        assert isinstance(terms, Waitlist), "a waitlist offers"
        if kept:
            self._keep_unit(path, ticket)
        ticket.state, ticket.kept = "offered", kept
        ticket.offered_until = self.now_ms + terms.claim_window_seconds * 1_000
