"""The slow, obvious model of timed releases and waitlists: what people and merchants ask for, and what comes of it.

What is refused changes nothing, and is no more than that here.

Hands over to: ``tests.support.model_kinds_time``, which lives through the milliseconds.
"""

from __future__ import annotations

from protocol import commands as c
from protocol.distributions import Waitlist, capacity_of
from tests.support.model_kinds_time import SERVING, KindsPath, KindsTicket, KindsTime, cap
from tests.support.model_path import ModelPath, ModelTicket


class KindsModel(KindsTime):
    """An experience with queues, timed releases and waitlists."""

    def _live(self, path: KindsPath, consumer: bytes) -> KindsTicket | None:
        number = path.latest(consumer)
        return path.people[number] if number is not None and path.people[number].live else None

    def _returns(self, path: ModelPath, ticket: ModelTicket) -> bool:
        assert isinstance(path, KindsPath), "all paths here are"
        return path.kind != "waitlist" and super()._returns(path, ticket)

    def _join(self, command: c.Join) -> None:
        path = self.kinds[command.path]
        number = path.latest(command.consumer)
        last = None if number is None else path.people[number]
        if last is not None and (last.live or (command.implicit and self._returns(path, last))):
            return
        if self._takes(path, command.consumer):
            path.people.append(self.new_ticket(command.consumer))

    def _takes(self, path: KindsPath, consumer: bytes) -> bool:
        spent = sum(one.consumer == consumer and one.state in {"completed", "refused"} for one in path.people)
        room = path.count("waiting") < cap(capacity_of(path.settings.distribution))
        closed = path.gone or path.sold or path.phase not in {"lobby", "open"}
        return not closed and room and spent < path.settings.joins_per_consumer

    def _claim(self, command: c.Claim) -> None:
        path = self.kinds[command.path]
        ticket = self._live(path, command.consumer)
        if path.kind == "queue" or path.paused:
            return
        if path.kind == "waitlist":
            if ticket is None or ticket.state != "offered" or ticket.claim:
                return
            if not ticket.kept:
                if min(path.units, self._spare(path)) <= 0:
                    return
                path.units -= 1
                self._keep_unit(path, ticket)
                ticket.kept = True
        else:
            if path.phase != "open" or (ticket is None and not self._takes(path, command.consumer)):
                return
            if ticket is None:
                ticket = self.new_ticket(command.consumer)
                path.people.append(ticket)
            if ticket.state != "waiting" or ticket.claim:
                return
        self.claims += 1
        ticket.claim = self.claims

    def _offer_by_hand(self, command: c.Offer) -> None:
        path = self.kinds[command.path]
        terms = path.settings.distribution
        if not isinstance(terms, Waitlist) or path.paused or path.phase not in SERVING or command.count < 1:
            return
        self._collect(path)
        if terms.strategy == "all":
            path.fresh += command.count
            return
        for _ in range(int(min(command.count, self._spare(path)))):
            for ticket in self._offerable(path)[:1]:
                self._offer(path, ticket, kept=True)

    def _decline(self, command: c.Decline) -> None:
        path = self.kinds[command.path]
        ticket = self._live(path, command.consumer)
        if ticket is not None and ticket.state in {"admitted", "offered"}:
            self._end(path, ticket, "left")

    def _rejoin(self, command: c.Rejoin) -> None:
        path = self.kinds[command.path]
        number = path.latest(command.consumer)
        ticket = None if number is None else path.people[number]
        if ticket is not None and self._returns(path, ticket):
            ticket.state, ticket.forgiven = "waiting", True
            if path.kind == "timed_release":
                ticket.claim = min((one.claim for one in path.in_line()), default=self.claims + 1) - 1 or -1
                self.claims += 1
        elif ticket is not None and ticket.state == "expired":
            self._join(c.Join(command.consumer, command.path))

    def _admitnow(self, command: c.AdmitNow) -> None:
        for _ in range(command.count):
            if self._can_serve(self.kinds[command.path]):
                self._admit(self.kinds[command.path], by_hand=True)

    def _setstock(self, command: c.SetStock) -> None:
        before = self.stock.get(command.variant)
        super()._setstock(command)
        after = self.stock.get(command.variant)
        for path in self.kinds.values():
            if (
                before is not None
                and after is not None
                and path.kind == "waitlist"
                and command.variant in path.variants
            ):
                path.fresh += max(0, after - before)

    def _close(self, command: c.Close) -> None:
        path = self.kinds[command.path]
        if path.phase in {"scheduled", "lobby", "open"}:
            path.closes_at = self.now_ms
            self._begin_settling(path)

    def _open(self, command: c.Open) -> None:
        path = self.kinds[command.path]
        before = path.phase
        if before == "lobby":
            path.phase = "scheduled"
        super()._open(command)
        if path.phase == "open" != before:
            path.sold = self._is_sold(path)

    def _end_path(self, command: c.End) -> None:
        path = self.kinds[command.path]
        if path.phase == "ended" or path.by_hand_ended:
            return
        self._close(c.Close(command.actor, "", command.path))
        path.by_hand_ended = True
        self._lose(path)
        for ticket in path.people:
            if ticket.state == "offered":
                self._end(path, ticket, "lost")
        path.fresh = path.units = 0

    def checkout(self, path_id: str, number: int, word: str) -> None:
        path = self.kinds[path_id]
        if word == "release":
            self._end(path, path.people[number], "left")
        else:
            super().checkout(path_id, number, word)
