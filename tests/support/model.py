"""The slow, obvious model of a queue experience: it lives through every single millisecond.

It shares no line with the engine and none of its ideas: no deadlines, no heap, no integer bucket, no counters. The
bucket is an exact fraction that earns every ms; the next admission is found by looking at every ticket from the first;
windows, caps and stock are counted anew at every question. Its rules are those of the documentation, in this order,
for each ms: buckets earn, schedules are kept, windows end, whoever can be admitted is; then the commands of that ms;
then whoever can be admitted is, again.

It understands the commands that the properties draw, knows nothing of senders, keys or refusals: what is refused
changes nothing, and that is what is compared.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from msgspec import UnsetType

from protocol import commands as c
from protocol.distributions import capacity_of
from protocol.documents import Experience as Document
from tests.support.model_path import ModelBucket, ModelPath, ModelTicket

NONE_LEFT, MAY_RETURN = "none left", "may return"


class Served(NamedTuple):
    """One admission."""

    at: int
    path: str
    ticket: int
    by_hand: bool


def _cap(value: int | None) -> float:
    return inf if value is None else value


class Model:
    """An experience, configured with ``document`` at ``start_ms``. Paths open at once; all times are integers of ms."""

    def __init__(self, document: Document, start_ms: int) -> None:
        self.now_ms = start_ms
        self.bucket = ModelBucket(document.release_rate_per_minute, 1_000)
        self.max_active, self.max_admissions = _cap(document.max_active), _cap(document.max_admissions)
        self.stock = {one.id: one.stock for product in document.products for one in product.variants}
        self.sold = dict.fromkeys(self.stock, 0)
        self.served: list[Served] = []
        self.paths: dict[str, ModelPath] = {}
        self.make(document)
        self._conclude()

    def make(self, document: Document) -> None:
        """Make the paths of ``document``."""
        for settings in document.paths:
            terms = settings.distribution
            bucket = ModelBucket(terms.release_rate_per_minute, terms.burst_ms)
            limits = _cap(terms.max_active), _cap(terms.max_admissions), _cap(settings.closes_at)
            self.paths[settings.id] = ModelPath(settings, document.variants_of(settings), bucket, *limits)

    def new_ticket(self, consumer: bytes) -> ModelTicket:
        """A ticket for ``consumer``."""
        return ModelTicket(consumer)

    def live_until(self, now_ms: int) -> None:
        """Let every ms up to ``now_ms`` happen."""
        while self.now_ms < now_ms:
            self._earn_ms()
            self._conclude()

    def outage(self, now_ms: int) -> None:
        """No writer from now until ``now_ms``: up to a second is only late, more is made good for."""
        gap_ms = now_ms - self.now_ms
        if gap_ms <= 1_000:
            return self.live_until(now_ms)
        while self.now_ms < now_ms:
            self._earn_ms()
        self._outage_of(gap_ms, now_ms)
        return self._conclude()

    def _outage_of(self, gap_ms: int, now_ms: int) -> None:
        """What an outage until ``now_ms`` moves."""
        for path in self.paths.values():
            for ticket in path.tickets:
                if ticket.active and (gap_ms > 5_000 or self._closes(path, ticket) < now_ms + 5_000):
                    ticket.ends += gap_ms

    def apply(self, *commands: c.Command) -> None:
        """Commands of this very ms."""
        for command in commands:
            name = type(command).__name__.lower()
            getattr(self, {"end": "_end_path", "offer": "_offer_by_hand"}.get(name, f"_{name}"))(command)
        self._conclude()

    # What happens by itself

    def _earn_ms(self) -> None:
        self.now_ms += 1
        self.bucket.earn_ms()
        for path in self.paths.values():
            path.bucket.earn_ms()

    def _conclude(self) -> None:
        for path in self.paths.values():
            if path.phase == "scheduled" and (path.settings.opens_at or 0) <= self.now_ms:
                path.phase = "open"
            if path.phase == "open" and path.closes_at <= self.now_ms:
                path.phase = "settling"
            for ticket in path.tickets:
                if ticket.active and self._closes(path, ticket) <= self.now_ms:
                    ticket.state = "expired"
        self._serve_own_lines()
        for path in self._by_priority():
            while self._serves(path) and path.bucket.gives and self.bucket.gives:
                path.bucket.spend()
                self.bucket.spend()
                self._admit(path, by_hand=False)
        for path in self.paths.values():
            if path.phase in {"open", "settling"}:
                path.gone = self.supply(path) == NONE_LEFT
            if path.gone:
                self._lose(path)
            if path.phase == "settling" and not any(ticket.live for ticket in path.tickets):
                path.phase = "ended"
            path.concluded = [ticket.active for ticket in path.tickets]

    def _by_priority(self) -> list[ModelPath]:
        return sorted(self.paths.values(), key=lambda one: -one.settings.priority)

    def _serve_own_lines(self) -> None:
        """Units that paths gave back go to their own lines first, where no others are free."""
        lapsed = {path.settings.id: path.lapsed() for path in self.paths.values()}
        for path in self._by_priority():
            scarce = path.variants and sum(map(self._left, path.variants)) <= sum(lapsed.values())
            for _ in range(lapsed[path.settings.id] if scarce else 0):
                if self._serves(path) and path.bucket.gives and self.bucket.gives:
                    path.bucket.spend()
                    self.bucket.spend()
                    self._admit(path, by_hand=False)

    def _closes(self, path: ModelPath, ticket: ModelTicket) -> int:
        grace_ms = path.settings.distribution.payment_grace_seconds * 1_000
        return ticket.ends + (grace_ms if ticket.redeemed else 0)

    def _left(self, variant: str) -> float:
        reserved = sum(one.variant == variant for path in self.paths.values() for one in path.tickets if one.active)
        return _cap(self.stock[variant]) - reserved - self.sold[variant]

    def supply(self, path: ModelPath) -> str:
        """Empty while something that ``path`` sells is free, else whether it may still come back."""
        if not path.variants or any(self._left(variant) > 0 for variant in path.variants):
            return ""
        active = [one for other in self.paths.values() for one in other.tickets if one.active]
        return MAY_RETURN if any(one.variant in path.variants for one in active) else NONE_LEFT

    def _serves(self, path: ModelPath) -> bool:
        everyone = list(self.paths.values())
        active = sum(one.count("admitted", "redeemed") for one in everyone)
        sold = sum(one.count("completed") for one in everyone)
        over_all = active < self.max_active and active + sold < self.max_admissions
        steered = path.phase in {"open", "settling"} and not path.paused
        return steered and over_all and path.caps_hold() and not self.supply(path) and path.count("waiting") > 0

    def _admit(self, path: ModelPath, *, by_hand: bool) -> None:
        number = next(number for number, ticket in enumerate(path.tickets) if ticket.state == "waiting")
        ticket = path.tickets[number]
        ticket.ends = self.now_ms + path.settings.distribution.checkout_window_seconds * 1_000
        most = max((self._left(variant) for variant in path.variants), default=0)
        ticket.variant = next((variant for variant in path.variants if self._left(variant) == most), "")
        ticket.state, ticket.redeemed, ticket.extended = "admitted", False, False
        self.served.append(Served(self.now_ms, path.settings.id, number, by_hand))

    def _lose(self, path: ModelPath) -> None:
        for ticket in path.tickets:
            if ticket.state == "waiting":
                ticket.state = "lost"

    # Commands

    def _held(self, command: c.Leave | c.Decline | c.Rejoin | c.Join) -> tuple[ModelPath, ModelTicket | None]:
        path = self.paths[command.path]
        number = path.latest(command.consumer)
        return path, None if number is None else path.tickets[number]

    def _returns(self, path: ModelPath, ticket: ModelTicket) -> bool:
        forgiven = ticket.forgiven or not path.settings.keep_place_once or path.by_hand_ended
        return ticket.state == "expired" and not forgiven and path.phase in {"open", "settling"}

    def _join(self, command: c.Join) -> None:
        path, ticket = self._held(command)
        if ticket is not None and (ticket.live or (command.implicit and self._returns(path, ticket))):
            return
        spent = sum(one.consumer == command.consumer and one.state in {"completed", "refused"} for one in path.tickets)
        capacity = _cap(capacity_of(path.settings.distribution))
        takes = path.phase == "open" and not path.gone and path.count("waiting") < capacity
        if takes and spent < path.settings.joins_per_consumer:
            path.tickets.append(self.new_ticket(command.consumer))

    def _leave(self, command: c.Leave) -> None:
        _, ticket = self._held(command)
        if ticket is not None and ticket.state == "waiting":
            ticket.state = "left"

    def _decline(self, command: c.Decline) -> None:
        _, ticket = self._held(command)
        if ticket is not None and ticket.state == "admitted":
            ticket.state = "left"

    def _rejoin(self, command: c.Rejoin) -> None:
        path, ticket = self._held(command)
        if ticket is not None and self._returns(path, ticket):
            ticket.state, ticket.forgiven = "waiting", True
        elif ticket is not None and ticket.state == "expired":
            self._join(c.Join(command.consumer, command.path))

    def _admitnow(self, command: c.AdmitNow) -> None:
        for _ in range(command.count):
            if self._serves(self.paths[command.path]):
                self._admit(self.paths[command.path], by_hand=True)

    def _refuseticket(self, command: c.RefuseTicket) -> None:
        tickets = self.paths[command.path].tickets
        if command.ticket < len(tickets) and tickets[command.ticket].state == "waiting":
            tickets[command.ticket].state = "refused"

    def _setreleaserate(self, command: c.SetReleaseRate) -> None:
        limits, target = command.limits, self.paths.get(command.path, self)
        if not isinstance(limits.release_rate_per_minute, UnsetType):
            target.bucket.change(limits.release_rate_per_minute)
        if not isinstance(limits.max_active, UnsetType):
            target.max_active = _cap(limits.max_active)
        if not isinstance(limits.max_admissions, UnsetType):
            target.max_admissions = _cap(limits.max_admissions)

    def _setstock(self, command: c.SetStock) -> None:
        total = self.stock.get(command.variant)
        if total is not None and command.add is not None and self._left(command.variant) + command.add >= 0:
            self.stock[command.variant] = total + command.add

    def _pause(self, command: c.Pause) -> None:
        self.paths[command.path].paused = True

    def _resume(self, command: c.Resume) -> None:
        self.paths[command.path].paused = False

    def _close(self, command: c.Close) -> None:
        path = self.paths[command.path]
        if path.phase in {"scheduled", "open"}:
            path.phase, path.closes_at = "settling", self.now_ms

    def _open(self, command: c.Open) -> None:
        path = self.paths[command.path]
        if path.phase in {"scheduled", "settling"} and not path.by_hand_ended:
            planned = _cap(path.settings.closes_at)
            path.phase, path.closes_at = "open", planned if planned > self.now_ms else inf

    def _end_path(self, command: c.End) -> None:
        path = self.paths[command.path]
        if path.phase != "ended":
            self._close(c.Close(command.actor, "", command.path))
            path.by_hand_ended = True
            self._lose(path)

    # The checkout names a ticket by (path, number) here: its window must be open.

    def checkout(self, path_id: str, number: int, word: str) -> None:
        """Do ``word`` (redeem, complete, release, extend) to the open window of a ticket."""
        path = self.paths[path_id]
        ticket = path.tickets[number]
        assert ticket.active, "the properties ask for open windows only"
        if word == "redeem":
            ticket.state, ticket.redeemed = "redeemed", True
        elif word == "release":
            ticket.state = "left"
        elif word == "complete":
            ticket.state = "completed"
            if ticket.variant:
                self.sold[ticket.variant] += 1
        elif not ticket.extended and ticket.ends > self.now_ms:
            ticket.ends += path.settings.distribution.checkout_window_seconds * 1_000
            ticket.extended = True
