"""What runs out, as it runs out: against a dict that is looked through."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.core.deadlines import Deadlines

INSTANTS = st.integers(0, 12)
TICKETS = st.integers(0, 6)


class DeadlinesBesideADict(RuleBasedStateMachine):
    """``standing``: when what each ticket has runs out."""

    def __init__(self) -> None:
        super().__init__()
        self.standing: dict[int, int] = {}
        self.deadlines = Deadlines(self._stands)

    def _stands(self, ticket: int, instant: int) -> bool:
        return self.standing.get(ticket) == instant

    @rule(ticket=TICKETS, instant=INSTANTS)
    def put_or_move(self, ticket: int, instant: int) -> None:
        self.standing[ticket] = instant
        self.deadlines.put(ticket, instant)

    @rule(ticket=TICKETS)
    def end(self, ticket: int) -> None:
        self.standing.pop(ticket, None)

    @rule(now_ms=INSTANTS)
    def take_what_is_due(self, now_ms: int) -> None:
        due = sorted((instant, ticket) for ticket, instant in self.standing.items() if instant <= now_ms)
        assert self.deadlines.due(now_ms) == [ticket for _, ticket in due]
        for _, ticket in due:
            del self.standing[ticket]

    @rule()
    def begin_anew(self) -> None:
        self.deadlines.begin(self.standing.items())

    @invariant()
    def the_next_is_the_earliest(self) -> None:
        assert self.deadlines.next_ms() == min(self.standing.values(), default=None)


TestDeadlinesBesideADict = DeadlinesBesideADict.TestCase
TestDeadlinesBesideADict.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_who_moved_to_the_same_instant_again_runs_out_once() -> None:
    deadlines = Deadlines(lambda ticket, instant: True)
    for ticket in (2, 1, 2):
        deadlines.put(ticket, 10)
    assert deadlines.due(10) == [1, 2]
    assert deadlines.next_ms() is None
