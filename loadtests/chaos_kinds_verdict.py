"""What the chaos run has shown of the kinds beside the queue: for each, whatever a guest was told stands in the log,
nothing was given twice or beyond what there is, and everybody was told how it ended.

Hands over to: ``chaos_kinds_log``, which reads the log; ``chaos_verdict``, which judges what is common to all kinds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from loadtests.appointment_log import Place
from loadtests.chaos_day import AUCTION, DRAW, KINDS
from loadtests.chaos_guests import LOST, WON, GuestTold
from loadtests.chaos_kinds_log import KindsLog
from loadtests.parts import Audited
from loadtests.report import Report
from protocol.money import minor_units
from protocol.states import LIVE, TicketState

CURRENCY = "EUR"
EXAMPLES = 5
_LIVE_WORDS = {state.word for state in LIVE}
_BOOKED, _LEFT = TicketState.BOOKED.word, TicketState.LEFT.word


class KindsVerdict:
    """Reports on what the ``guests`` were told, by the log ``entries``, of which the auditor says ``audited``."""

    def __init__(
        self, guests: list[GuestTold], entries: Sequence[tuple[str, bytes, bytes]], audited: Audited, report: Report
    ) -> None:
        self._guests, self._audited, self._report = guests, audited, report
        self._log = KindsLog(entries)

    def judge(self) -> None:
        """All of it, kind by kind."""
        none = []
        for kind, path in KINDS.items():
            guests = [one for one in self._guests if one.path == path]
            good = _good_news(guests)
            self._judge_told(kind, guests, good)
            faults = self._log.faults[path]
            self._check(f"{kind}: given twice, or more than there is", faults.total(), dict(faults))
            self._judge_ends(kind, guests)
            none += [] if any(good[what] for what in ("won", "bids", "held", "bookings", "admitted")) else [kind]
        self._check("kinds in which nobody was told anything good", len(none), {"kinds": none})

    def _judge_told(self, kind: str, guests: list[GuestTold], good: dict[str, int]) -> None:
        wrong: Counter[str] = Counter()
        for one in guests:
            wrong += Counter(self._wrong(one))
        tickets = [one.ticket for one in guests if one.ticket is not None]
        wrong["shared"] = len(tickets) - len(set(tickets))
        detail = {"wrong": dict(wrong), "guests": len(guests), **good}
        self._check(f"{kind}: what guests were told and the log does not show", wrong.total(), detail)

    def _judge_ends(self, kind: str, guests: list[GuestTold]) -> None:
        untold = Counter(why for one in guests if (why := self._untold(one)))
        ends = Counter(one.end or (one.booked and _BOOKED) or one.refused for one in guests)
        detail = {"untold": dict(untold), "ends": dict(ends)}
        self._check(f"{kind}: guests who were not told how it ended", untold.total(), detail)

    # What is wrong with what one was told

    def _wrong(self, one: GuestTold) -> dict[str, int]:
        """How often something that this guest was told is not so, by what it is."""
        consumers = self._audited.consumers.get(one.path, [])
        consumer = bytes.fromhex(one.consumer)
        wrong: dict[str, int] = {"strayed": one.strayed, "denied": one.denied}
        wrong["refused"] = bool(one.refused) and consumer in consumers
        if one.ticket is None:
            return wrong
        wrong["ticket"] = consumers[one.ticket : one.ticket + 1] != [consumer]
        if wrong["ticket"]:
            return wrong
        return wrong | self._wrong_access(one, one.ticket) | self._wrong_of_kind(one, one.ticket)

    def _wrong_access(self, one: GuestTold, ticket: int) -> dict[str, int]:
        holder, audited = (one.path, ticket), self._audited
        admission = audited.admissions.get(bytes.fromhex(one.admission)) if one.admission else holder
        return {
            "admission": admission != holder,
            "completed": one.completed and holder not in audited.completed,
            "end": one.end not in ("", audited.states[one.path][ticket]),
        }

    def _wrong_of_kind(self, one: GuestTold, ticket: int) -> dict[str, int]:
        holder, log = (one.path, ticket), self._log
        bids = log.bids.get(holder, {})
        return {
            "bids": sum(bids.get(bid) != minor_units(maximum, CURRENCY) for bid, maximum in one.bids.items()),
            "low": sum(bid in bids for bid in one.low),
            "result": bool(one.result) and not self._is_result(one, ticket),
            "holds": len(set(one.holds) - log.holds.get(holder, set())),
            "bookings": len(set(one.bookings) - log.bookings.get(holder, set())),
            "booked": bool(one.booked) and log.slots.has.get(ticket) != Place(one.booked, None),
            "offers": len(set(one.offers) - set(log.offers.get(holder, []))),
        }

    def _is_result(self, one: GuestTold, ticket: int) -> bool:
        """Whether the log has the result that was told. Who moves up in a draw has won and is none of the winners."""
        winners = self._log.winners.get(one.path, [])
        if one.path == AUCTION:
            price = self._log.prices.get(one.path)
            is_price = one.result == LOST or (price is not None and minor_units(one.price, CURRENCY) == price)
            return (one.result == WON) == (ticket in winners) and is_price
        if one.place:
            return one.result == WON and winners[one.place - 1 : one.place] == [ticket]
        moved_up = ticket not in winners and (one.path, ticket) in self._audited.admissions.values()
        return (one.result == WON) == moved_up and ticket not in winners

    # What one was not told

    def _untold(self, one: GuestTold) -> str:
        """What this guest should have been told of the end and was not; "" if nothing."""
        if one.ticket is None:
            return "" if one.refused else "no ticket"
        states = self._audited.states.get(one.path, [])
        if one.ticket >= len(states):
            return ""  # it is nobody's, and told as such
        state = states[one.ticket]
        if state == _BOOKED:
            return "" if one.booked else "booked"
        if state in _LIVE_WORDS:
            return f"still {state}"
        if not one.end:
            return state
        return "result" if self._has_result(one, one.ticket, state) and not one.result else ""

    def _has_result(self, one: GuestTold, ticket: int, state: str) -> bool:
        if one.path == DRAW:
            return state != _LEFT and ticket < self._log.entrants.get(one.path, 0)
        return bool(self._log.bids.get((one.path, ticket)))

    def _check(self, what: str, wrong: int, detail: dict[str, Any]) -> None:
        self._report.check(f"chaos: {what}", "count", "0", wrong, holds=wrong == 0, detail=detail)


def _good_news(guests: list[GuestTold]) -> dict[str, int]:
    return {
        "admitted": sum(bool(one.admission) for one in guests),
        "completed": sum(one.completed for one in guests),
        "won": sum(one.result == WON for one in guests),
        "bids": sum(len(one.bids) for one in guests),
        "held": sum(len(one.holds) for one in guests),
        "bookings": sum(len(one.bookings) for one in guests),
        "offers": sum(len(one.offers) for one in guests),
    }
