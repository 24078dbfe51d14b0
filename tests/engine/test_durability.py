"""When a writer says how far its log is safe, and what makes it write for nothing else."""

from __future__ import annotations

import pytest

from engine.durability import ASK_AGAIN_MS, CONFIRM_MS, Durability
from engine.io.append import LogEnd, Outcome

NOW_MS = 1_000_000


def end(seq: int, durable: str) -> LogEnd:
    return LogEnd(f"2-{seq}", now_ms=NOW_MS, durable=durable)


def test_without_replicas_every_entry_speaks_for_itself() -> None:
    durability = Durability(end(4, "2-4"), waits=False)
    durability.appended("2-5", Outcome.APPENDED, tells=True)
    assert (durability.said, durability.due_ms(end(5, "2-5"))) == ("", None)


def test_an_entry_that_replicas_have_is_followed_by_one_that_says_so() -> None:
    durability = Durability(end(4, "1-3"), waits=True)
    assert (durability.said, durability.due_ms(end(4, "1-3"))) == ("1-3", NOW_MS + CONFIRM_MS)
    durability.appended("2-5", Outcome.CONFIRMED, tells=True)
    assert (durability.said, durability.due_ms(end(5, "1-3"))) == ("2-5", NOW_MS + CONFIRM_MS)
    durability.appended("2-6", Outcome.CONFIRMED, tells=False)
    assert durability.due_ms(end(6, "2-5")) is None


@pytest.mark.parametrize("outcome", [Outcome.APPENDED, Outcome.DONE])
def test_what_replicas_do_not_have_is_asked_for_again_but_not_at_once(outcome: Outcome) -> None:
    durability = Durability(end(4, "2-4"), waits=True)
    durability.appended("2-5", outcome, tells=True)
    assert (durability.said, durability.due_ms(end(5, "2-4"))) == ("2-4", NOW_MS + ASK_AGAIN_MS)
    durability.appended("2-6", Outcome.CONFIRMED, tells=False)
    assert (durability.said, durability.due_ms(end(6, "2-4"))) == ("2-6", NOW_MS + CONFIRM_MS)
