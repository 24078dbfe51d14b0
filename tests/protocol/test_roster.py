"""The roster beside a list of booleans: whatever is done to both, they agree on who waits and on every position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol.roster import Roster


class RosterBesideAList(RuleBasedStateMachine):
    """The slow obvious model: one boolean a place."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.model: list[bool] = []

    def _place(self, data: st.DataObject) -> int:
        return data.draw(st.integers(-1, len(self.model)))

    @rule(count=st.one_of(st.integers(0, 3), st.sampled_from([1_023, 1_024, 5_000])))
    @precondition(lambda self: len(self.model) < 20_000)
    def append(self, count: int) -> None:
        self.roster.append(count)
        self.model += [True] * count

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        place = self._place(data)
        if 0 <= place < len(self.model) and self.model[place]:
            self.roster.remove(place)
            self.model[place] = False
        else:
            with pytest.raises(ValueError, match="does not wait"):
                self.roster.remove(place)

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        place = self._place(data)
        if 0 <= place < len(self.model) and not self.model[place]:
            self.roster.restore(place)
            self.model[place] = True
        else:
            with pytest.raises(ValueError, match="cannot wait again"):
                self.roster.restore(place)

    @rule()
    def clear(self) -> None:
        self.roster.clear()
        self.model = [False] * len(self.model)

    @rule(data=st.data())
    def ahead(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.model)))
        assert self.roster.ahead(place) == sum(self.model[:place])
        assert self.roster.waits(place) == (place < len(self.model) and self.model[place])

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def ranks(self, data: st.DataObject) -> None:
        places = data.draw(st.lists(st.integers(0, len(self.model) - 1), max_size=20))
        expected = [sum(self.model[:place]) for place in places]
        assert self.roster.ranks(np.array(places, dtype=np.int64)).tolist() == expected

    @invariant()
    def they_agree(self) -> None:
        waiting = [place for place, waits in enumerate(self.model) if waits]
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
