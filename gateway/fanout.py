"""Who is told their position, when. Pure: columns in, what is due out.

A frame is sent when it tells something new. Far from the front that is a change by 2 % of what was told last, near the
front every change; at most once a second, at least every 45 s (that one is also the keep-alive that proxies want), and
at once when there is a reason that everybody wants to know (`why`). One pass over the roster ranks all that wait here.
Where there are some who have no place yet, all are told anew when their number has changed by as much, in its own time.

Whoever is passed over is told so with a frame of their own. Then every other frame says it too, until there is one
before which nobody has gone ahead of them again.

Hands over to: `gateway.rounds`, which has the frames made and told.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.columns import Column
from protocol.roster import NO_PLACE, Roster

NEAR_AHEAD_MAX = 100
FAR_CHANGE_PARTS = 50
"""A fiftieth of what was told last, 2 %, is a change that is worth a frame."""
PACE_MS_MIN = 1_000
LOOK_MS_MIN = 500
"""So often is looked for who is due, unless there is a reason to tell everybody at once."""
RANK_MS_MIN = 1_000
"""Nobody is told more often, so nobody need be ranked more often."""
KEEPALIVE_MS = 40_000
"""So that whoever waits is told a position, and needs no other sign of life within the 45 s that are promised."""
CROWD_MS_MIN = 5_000
"""Those who have no place, as in a lobby, are told at most so often how many they are."""
RETURNED: Final = "returned"
PASSED_OVER: Final = "passed_over"

_PASSED, _SAID = 1, 2
"""Of one who waits: others went ahead since they were told a position last; that one said so."""

Persons = NDArray[np.int64]


class Due(NamedTuple):
    """Tell each of ``persons`` that so many are ahead; ``why``: what the page should say about it. One for each why.

    ``tickets``: those that they held when this was found, which tell after a wait whether it still holds."""

    why: str | None
    persons: Persons
    tickets: NDArray[np.int32]
    aheads: NDArray[np.int32]


class Pacing:
    """The waiting consumers of one path who are here, by person; ``tickets`` has the ticket of each. Instants are our
    monotonic clock's milliseconds."""

    def __init__(self, tickets: Column) -> None:
        self._tickets = tickets
        self._waits = Column("B")
        self._ahead = Column("i")
        self._told = Column("i")
        self._told_ms = Column("q")
        self._heard = Column("I")
        self._passed = Column("B")
        self._count = 0
        self._moved = False
        self._ranked_ms: int | None = None
        self._looked: tuple[int, int] | None = None
        self._why: str | None = None
        self._stirs = 0
        self._crowd = 0
        self._crowd_ms: int | None = None

    def __len__(self) -> int:
        return self._count

    def __contains__(self, person: int) -> bool:
        return person < len(self._waits.one) and bool(self._waits.one[person])

    def persons(self) -> Persons:
        """All of them."""
        return np.flatnonzero(self._waits.all)

    def add(self, person: int, ahead: int, now_ms: int) -> None:
        """``person`` waits, and was just told ``ahead``."""
        if person >= len(self._waits.one):
            for column in (self._waits, self._ahead, self._told, self._told_ms, self._heard, self._passed):
                column.reach(person)
        self._count += not self._waits.one[person]
        self._waits.one[person] = 1
        self._ahead.one[person] = self._told.one[person] = ahead
        self._told_ms.one[person] = now_ms
        self._heard.one[person] = self._stirs
        self._passed.one[person] = 0

    def drop(self, person: int) -> None:
        """``person`` waits no more, or is gone; others are fine."""
        if person in self:
            self._waits.one[person] = 0
            self._count -= 1

    def move(self) -> None:
        """Somebody left the line or came back to it: ranks are to be computed anew."""
        self._moved = True

    def stir(self, why: str | None) -> None:
        """Everybody is to be told at once, with this reason, if there is one to tell."""
        self._why = why
        self._stirs += 1

    def serve(self, roster: Roster, tickets: list[int]) -> None:
        """``tickets`` were let in: whoever waits before one of them has been passed over."""
        last, persons = roster.places_of(np.array(tickets, dtype=np.int64)).max(), self.persons()
        places = roster.places_of(self._tickets.all[persons].astype(np.int64))
        self._passed.all[persons[places < last]] |= _PASSED

    def pass_over(self, person: int) -> None:
        """Others went ahead of ``person``, if they wait."""
        if person in self:
            self._passed.one[person] |= _PASSED

    def choose(self, person: int) -> None:
        """``person`` wants something else from now on, so it says nothing any more that others went ahead."""
        if person in self:
            self._passed.one[person] = 0

    def still(self, due: Due) -> NDArray[np.bool_]:
        """Which of ``due`` wait still, and with the same ticket."""
        waits: NDArray[np.bool_] = self._waits.all[due.persons] != 0
        waits &= self._tickets.all[due.persons] == due.tickets
        return waits

    def due(self, roster: Roster, now_ms: int) -> list[Due]:
        """Who is to be told what now; counts as told."""
        if not self._count or self._looked_just_now(now_ms):
            return []
        if roster.unplaced:
            self._watch_crowd(roster.waiting, now_ms)
        self._looked = now_ms, self._stirs
        persons = self.persons()
        if self._moved and (self._ranked_ms is None or now_ms - self._ranked_ms >= RANK_MS_MIN):
            self._ahead.all[persons] = roster.ranks(self._tickets.all[persons])
            self._moved, self._ranked_ms = False, now_ms
        chosen = persons[self._is_due(persons, now_ms)]
        found = self._by_reason(chosen)
        self._told.all[chosen] = self._ahead.all[chosen]
        self._told_ms.all[chosen] = now_ms
        self._heard.all[chosen] = self._stirs
        return found

    def _looked_just_now(self, now_ms: int) -> bool:
        if self._looked is None:
            return False
        at_ms, stirs = self._looked
        return stirs == self._stirs and now_ms - at_ms < LOOK_MS_MIN

    def _watch_crowd(self, waiting: int, now_ms: int) -> None:
        """Some have no place: everybody is told how many wait, when that is news."""
        is_news = abs(waiting - self._crowd) * FAR_CHANGE_PARTS >= max(self._crowd, 1)
        if is_news and (self._crowd_ms is None or now_ms - self._crowd_ms >= CROWD_MS_MIN):
            self._crowd, self._crowd_ms = waiting, now_ms
            self.stir(None)

    def _is_due(self, persons: Persons, now_ms: int) -> NDArray[np.bool_]:
        ahead, told = self._ahead.all[persons], self._told.all[persons]
        age_ms = now_ms - self._told_ms.all[persons]
        near = (ahead <= NEAR_AHEAD_MAX) & (ahead != told)
        far = ((told - ahead) * FAR_CHANGE_PARTS >= np.maximum(told, 1)) | (ahead > told)
        new = near | far | (self._heard.all[persons] != self._stirs) | (self._passed.all[persons] == _PASSED)
        result: NDArray[np.bool_] = (new & (age_ms >= PACE_MS_MIN)) | (age_ms >= KEEPALIVE_MS)
        return result

    def _by_reason(self, chosen: Persons) -> list[Due]:
        """Everybody is told one reason, the first that there is for them; that they were passed over can wait."""
        told, passed = self._told.all[chosen], self._passed.all[chosen]
        rose = (self._ahead.all[chosen] > told) & (told != NO_PLACE)
        stirred = ~rose & (self._heard.all[chosen] != self._stirs)
        over = ~rose & ~stirred & ((passed & _PASSED) != 0)
        self._passed.all[chosen] = np.where(over, _SAID, passed & _PASSED)
        groups = ((RETURNED, rose), (self._why, stirred), (PASSED_OVER, over), (None, ~rose & ~stirred & ~over))
        return [self._due(why, chosen[mask]) for why, mask in groups if mask.any()]

    def _due(self, why: str | None, persons: Persons) -> Due:
        return Due(why, persons, self._tickets.all[persons], self._ahead.all[persons])


def aheads(roster: Roster, tickets: list[int]) -> list[int]:
    """How many wait before each of ``tickets``: by single ranks where few ask, in one pass where many do."""
    if len(tickets) <= 8:
        return [roster.ahead(ticket) for ticket in tickets]
    ranks: list[int] = roster.ranks(np.array(tickets, dtype=np.int64)).tolist()
    return ranks
