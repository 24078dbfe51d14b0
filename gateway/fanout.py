"""Who is told their position, when. Pure: numpy arrays in, a list of what is due out.

A frame is sent when it tells something new. Far from the front that is a change by 2 % of what was told last, near the
front every change; at most once a second, at least every 45 s (that one is also the keep-alive that proxies want), and
at once when there is a reason that everybody wants to know (`why`). One pass over the roster ranks all that wait here.

Hands over to: `gateway.rooms`, which makes the frames.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocol.roster import Roster

NEAR_AHEAD_MAX = 100
FAR_CHANGE_PARTS = 50
"""A fiftieth of what was told last, 2 %, is a change that is worth a frame."""
PACE_MS_MIN = 1_000
KEEPALIVE_MS = 44_000
"""Less than the 45 s that are promised by at least the time between two passes."""
RETURNED: Final = "returned"

_SLOTS_MIN = 64


class Due(NamedTuple):
    """Tell the owner of ``ticket`` that ``ahead`` wait before it; ``why``: what the page should say about it."""

    ticket: int
    ahead: int
    why: str | None


class Pacing:
    """The waiting tickets of one path whose consumers are here. Instants are our monotonic clock's milliseconds."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._tickets = np.zeros(_SLOTS_MIN, dtype=np.int64)
        self._ahead = np.zeros(_SLOTS_MIN, dtype=np.int64)
        self._told = np.zeros(_SLOTS_MIN, dtype=np.int64)
        self._told_ms = np.zeros(_SLOTS_MIN, dtype=np.int64)
        self._heard = np.zeros(_SLOTS_MIN, dtype=np.int64)
        self._moved = False
        self._why: str | None = None
        self._stirs = 0

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, ticket: int) -> bool:
        return ticket in self._slots

    def tickets(self) -> list[int]:
        """All of them, in no order."""
        return list(self._slots)

    def add(self, ticket: int, ahead: int, now_ms: int) -> None:
        """``ticket`` waits, and was just told ``ahead``."""
        slot = self._slots.setdefault(ticket, len(self._slots))
        if slot == len(self._tickets):
            self._grow()
        self._tickets[slot] = ticket
        self._ahead[slot] = self._told[slot] = ahead
        self._told_ms[slot] = now_ms
        self._heard[slot] = self._stirs

    def drop(self, ticket: int) -> None:
        """``ticket`` waits no more, or nobody of its consumer is here; unknown ones are fine."""
        slot = self._slots.pop(ticket, None)
        last = len(self._slots)
        if slot is None or slot == last:
            return
        for column in (self._tickets, self._ahead, self._told, self._told_ms, self._heard):
            column[slot] = column[last]
        self._slots[int(self._tickets[slot])] = slot

    def move(self) -> None:
        """Somebody left the line or came back to it: ranks are to be computed anew."""
        self._moved = True

    def stir(self, why: str) -> None:
        """Everybody is to be told at once, with this reason."""
        self._why = why
        self._stirs += 1

    def due(self, roster: Roster, now_ms: int) -> list[Due]:
        """Who is to be told what now; counts as told."""
        count = len(self._slots)
        if count == 0:
            return []
        if self._moved:
            self._ahead[:count] = roster.ranks(self._tickets[:count])
            self._moved = False
        chosen = np.flatnonzero(self._is_due(count, now_ms))
        found = [self._due(slot) for slot in chosen.tolist()]
        self._told[chosen] = self._ahead[chosen]
        self._told_ms[chosen] = now_ms
        self._heard[chosen] = self._stirs
        return found

    def _is_due(self, count: int, now_ms: int) -> NDArray[np.bool_]:
        ahead, told = self._ahead[:count], self._told[:count]
        age_ms = now_ms - self._told_ms[:count]
        near = (ahead <= NEAR_AHEAD_MAX) & (ahead != told)
        far = ((told - ahead) * FAR_CHANGE_PARTS >= np.maximum(told, 1)) | (ahead > told)
        new = near | far | (self._heard[:count] != self._stirs)
        result: NDArray[np.bool_] = (new & (age_ms >= PACE_MS_MIN)) | (age_ms >= KEEPALIVE_MS)
        return result

    def _due(self, slot: int) -> Due:
        rose = self._ahead[slot] > self._told[slot]
        stirred = self._why if self._heard[slot] != self._stirs else None
        return Due(int(self._tickets[slot]), int(self._ahead[slot]), RETURNED if rose else stirred)

    def _grow(self) -> None:
        for name in ("_tickets", "_ahead", "_told", "_told_ms", "_heard"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros_like(column)]))


def aheads(roster: Roster, tickets: list[int]) -> list[int]:
    """How many wait before each of ``tickets``: by single ranks where few ask, in one pass where many do."""
    if len(tickets) <= 8:
        return [roster.ahead(ticket) for ticket in tickets]
    ranks: list[int] = roster.ranks(np.array(tickets, dtype=np.int64)).tolist()
    return ranks
