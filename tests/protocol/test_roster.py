"""The roster beside plain lists: whatever is done to both, they agree on who waits and on every position."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol.lottery import packed
from protocol.roster import NO_PLACE, Roster


class RosterBesideAList(RuleBasedStateMachine):
    """The slow obvious model: whether each ticket waits, and the tickets in order of their places."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.model: list[bool] = []
        self.line: list[int] = []
        self.is_arranged = False

    def _ticket(self, data: st.DataObject) -> int:
        return data.draw(st.integers(-1, len(self.model)))

    def _ahead(self, ticket: int) -> int:
        if ticket < self.roster.unplaced:
            return NO_PLACE
        return sum(self.model[other] for other in self.line[: self.line.index(ticket)])

    @rule(count=st.one_of(st.integers(0, 3), st.sampled_from([1_023, 1_024, 5_000])))
    @precondition(lambda self: len(self.model) < 20_000)
    def append(self, count: int) -> None:
        self.roster.append(count)
        self.line += range(len(self.model), len(self.model) + count)
        self.model += [True] * count

    @rule()
    @precondition(lambda self: not self.is_arranged and not self.roster.unplaced)
    def gather(self) -> None:
        self.roster.unplaced = len(self.model)

    @rule(data=st.data())
    @precondition(lambda self: self.roster.unplaced)
    def arrange(self, data: st.DataObject) -> None:
        order = data.draw(st.permutations(range(min(self.roster.unplaced, 50))))
        order = [*order, *range(len(order), self.roster.unplaced)]
        self.roster.arrange(packed(array("I", order)))
        self.line[: len(order)] = order
        self.is_arranged = True
        assert self.roster.order == packed(array("I", order))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        ticket = self._ticket(data)
        if 0 <= ticket < len(self.model) and self.model[ticket]:
            self.roster.remove(ticket)
            self.model[ticket] = False
        else:
            with pytest.raises(ValueError, match="does not wait"):
                self.roster.remove(ticket)

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        ticket = self._ticket(data)
        if 0 <= ticket < len(self.model) and not self.model[ticket]:
            self.roster.restore(ticket)
            self.model[ticket] = True
        else:
            with pytest.raises(ValueError, match="cannot wait again"):
                self.roster.restore(ticket)

    @rule()
    def clear(self) -> None:
        self.roster.clear()
        self.model = [False] * len(self.model)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def ahead(self, data: st.DataObject) -> None:
        ticket = data.draw(st.integers(0, len(self.model) - 1))
        assert self.roster.ahead(ticket) == self._ahead(ticket)
        assert self.roster.waits(ticket) == self.model[ticket]
        assert not self.roster.waits(len(self.model))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def ranks(self, data: st.DataObject) -> None:
        tickets = data.draw(st.lists(st.integers(0, len(self.model) - 1), max_size=20))
        expected = [self._ahead(ticket) for ticket in tickets]
        numbers = np.array(tickets, dtype=np.int64)
        assert self.roster.ranks(numbers).tolist() == expected
        assert self.roster.places_of(numbers).tolist() == [self.line.index(ticket) for ticket in tickets]

    @invariant()
    def they_agree(self) -> None:
        waiting = [ticket for ticket in self.line if self.model[ticket]]
        assert (self.roster.places, self.roster.waiting) == (len(self.model), len(waiting))
        assert self.roster.waiting_tickets().tolist() == waiting
        assert self.roster.first() == (waiting[0] if waiting else None)


TestRosterBesideAList = RosterBesideAList.TestCase
TestRosterBesideAList.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_roster_is_made_of_who_waits() -> None:
    waits = np.array([1, 0, 0, 1, 1] * 500, dtype=np.uint8)
    roster = Roster.of(waits)
    assert (roster.places, roster.waiting, roster.first(), roster.ahead(4)) == (2_500, 1_500, 0, 2)
    roster.append(1)
    assert roster.ahead(2_500) == 1_500
    assert Roster.of(np.zeros(0, dtype=np.uint8)).first() is None
