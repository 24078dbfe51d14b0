"""The journal: events in their order, joins that follow one another as one."""

from __future__ import annotations

from engine.core.journal import Journal
from protocol.events import Joined, PauseChanged, Returned
from tests.support.samples import consumer


def test_joins_that_follow_one_another_become_one_event() -> None:
    journal = Journal()
    journal.joined("general", 4, consumer(1), bytes((1,)))
    journal.joined("general", 5, consumer(2), bytes((3,)))
    assert journal.take() == [Joined("general", 4, consumer(1) + consumer(2), b"\x01\x03")]
    assert journal.take() == []


def test_joins_of_another_path_and_other_events_end_them() -> None:
    journal = Journal()
    pause = PauseChanged("vip", True, 5, "control")
    journal.joined("general", 0, consumer(1), bytes((1,)))
    journal.joined("vip", 0, consumer(1), bytes((1,)))
    journal.add(pause)
    journal.add(Returned("vip", 0))
    journal.joined("vip", 1, consumer(2), bytes((1,)))
    assert journal.take() == [
        Joined("general", 0, consumer(1), b"\x01"),
        Joined("vip", 0, consumer(1), b"\x01"),
        pause,
        Returned("vip", 0),
        Joined("vip", 1, consumer(2), b"\x01"),
    ]


def test_what_was_taken_does_not_change_afterwards() -> None:
    journal = Journal()
    journal.joined("general", 0, consumer(1), bytes((1,)))
    taken = journal.take()
    journal.joined("general", 1, consumer(2), bytes((1,)))
    assert taken == [Joined("general", 0, consumer(1), b"\x01")]
    assert journal.take() == [Joined("general", 1, consumer(2), b"\x01")]
