"""What is remembered so that repeats are harmless, and how it is forgotten; and the journal's order."""

from __future__ import annotations

import pytest

from engine.core import senders
from engine.core.journal import Journal
from engine.core.limits import ANSWER_AGE_MS_MAX, SENDER_SILENT_MS_MAX
from engine.core.senders import Answers, Senders
from protocol.commands import AdmitNow, Configure, Redeem
from protocol.events import Joined, Left
from tests.support.samples import consumer, document

ONE, OTHER = b"sender-1", b"sender-2"
ADMIT = AdmitNow("control", "key", "general", 2)


def test_only_the_next_number_of_a_sender_is_accepted() -> None:
    memory = Senders()
    numbers = [2, 0, 1, 1, 3, 2, 2, 3]
    assert [memory.accept(ONE, number, 0) for number in numbers] == [
        False,
        False,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert (memory.last(ONE), memory.last(OTHER)) == (3, 0)
    assert memory.accept(OTHER, 1, 0)


def test_a_sender_is_closed_when_it_was_silent_for_longer_than_allowed() -> None:
    memory = Senders()
    memory.accept(ONE, 1, 0)
    memory.accept(OTHER, 1, 10)
    memory.accept(ONE, 2, 20)
    memory.forget(SENDER_SILENT_MS_MAX + 10)
    assert (memory.last(ONE), memory.last(OTHER)) == (2, 1)
    memory.forget(SENDER_SILENT_MS_MAX + 11)
    assert (memory.last(ONE), memory.last(OTHER)) == (2, 0)
    memory.forget(10 * SENDER_SILENT_MS_MAX)
    assert memory.snapshot() == []


def test_senders_come_back_from_a_snapshot_in_their_order() -> None:
    memory, restored = Senders(), Senders()
    memory.accept(ONE, 1, 0)
    memory.accept(OTHER, 1, 10)
    memory.accept(ONE, 2, 20)
    restored.restore(memory.snapshot())
    assert restored.snapshot() == memory.snapshot() == [(OTHER, (1, 10)), (ONE, (2, 20))]


def test_a_key_is_answered_again_whoever_asks_and_refused_for_another_content() -> None:
    memory = Answers()
    assert memory.find(ADMIT) is None
    memory.keep(ADMIT, {"admitted": 2}, 0)
    assert memory.find(ADMIT) == {"admitted": 2}
    assert memory.find(AdmitNow("another actor", "key", "general", 2)) == {"admitted": 2}
    assert memory.find(AdmitNow("control", "another key", "general", 2)) is None
    for changed in (AdmitNow("control", "key", "general", 3), Redeem("control", "key", bytes(16))):
        with pytest.raises(KeyError):
            memory.find(changed)


def test_a_document_put_again_is_the_same_although_its_secret_is_new() -> None:
    memory = Answers()
    memory.keep(Configure("control", "key", document(), bytes(32), "k1"), {"revision": 1}, 0)
    assert memory.find(Configure("control", "key", document(), bytes([1]) * 32, "k2")) == {"revision": 1}
    with pytest.raises(KeyError):
        memory.find(Configure("control", "key", document(name="Other"), bytes(32), "k1"))


def test_without_a_key_nothing_is_kept() -> None:
    memory = Answers()
    keyless = AdmitNow("control", "", "general", 2)
    memory.keep(keyless, {"admitted": 2}, 0)
    assert (memory.find(keyless), memory.snapshot()) == (None, [])


def test_answers_are_forgotten_by_age_and_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "ANSWERS_MAX", 3)
    memory, restored = Answers(), Answers()
    for number in range(5):
        memory.keep(AdmitNow("control", f"key {number}", "general", 1), {"admitted": number}, number)
    memory.forget(5)
    assert [key for key, _ in memory.snapshot()] == ["key 2", "key 3", "key 4"]
    memory.forget(ANSWER_AGE_MS_MAX + 3)
    assert [key for key, _ in memory.snapshot()] == ["key 3", "key 4"]
    restored.restore(memory.snapshot())
    assert restored.snapshot() == memory.snapshot()
    memory.forget(2 * ANSWER_AGE_MS_MAX)
    assert memory.snapshot() == []


def test_joins_that_follow_one_another_are_one_event_in_their_place() -> None:
    journal = Journal()
    left = Left("general", 5, 0, "left")
    journal.joined("general", 0, consumer(1), 1)
    journal.joined("general", 1, consumer(2), 3)
    journal.joined("vip", 0, consumer(1), 1)
    journal.add(left)
    journal.add(left)
    journal.joined("vip", 1, consumer(3), 1)
    assert journal.take() == [
        Joined("general", 0, consumer(1) + consumer(2), b"\x01\x03"),
        Joined("vip", 0, consumer(1), b"\x01"),
        left,
        left,
        Joined("vip", 1, consumer(3), b"\x01"),
    ]
    assert journal.take() == []
