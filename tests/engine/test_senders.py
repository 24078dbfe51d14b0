"""At least once in, exactly once in effect: numbers of senders, and answers to keys."""

from __future__ import annotations

import pytest

from engine.core import senders
from engine.core.limits import ANSWER_AGE_MS_MAX, SENDER_SILENT_MS_MAX
from engine.core.senders import Answers, Senders
from protocol import commands as c
from tests.support.samples import document

ONE, TWO = b"sender-1", b"sender-2"


def test_only_the_next_number_is_accepted() -> None:
    heard = Senders()
    assert [heard.accept(ONE, number, 0) for number in (2, 0, 1, 1, 3, 2, 3)] == [
        *(False, False, True, False, False, True, True)
    ]
    assert (heard.last(ONE), heard.last(TWO)) == (3, 0)
    assert heard.accept(TWO, 1, 0)
    assert len(heard) == 2


def test_a_sender_silent_for_too_long_is_closed_and_others_are_not() -> None:
    heard = Senders()
    heard.accept(ONE, 1, 0)
    heard.accept(TWO, 1, 1)
    heard.accept(ONE, 2, 2)
    heard.forget(SENDER_SILENT_MS_MAX + 1)
    assert (heard.last(ONE), heard.last(TWO)) == (2, 1)
    heard.forget(SENDER_SILENT_MS_MAX + 2)
    assert (heard.last(ONE), heard.last(TWO)) == (2, 0)
    heard.forget(SENDER_SILENT_MS_MAX + 3)
    assert heard.snapshot() == []


def test_a_batch_that_is_dropped_keeps_no_sender_alive() -> None:
    heard = Senders()
    heard.accept(ONE, 1, 0)
    heard.accept(ONE, 1, SENDER_SILENT_MS_MAX)
    heard.forget(SENDER_SILENT_MS_MAX + 1)
    assert heard.last(ONE) == 0


def test_restored_senders_are_forgotten_in_the_same_order() -> None:
    heard, restored = Senders(), Senders()
    heard.accept(ONE, 1, 0)
    heard.accept(TWO, 1, 5)
    heard.accept(ONE, 2, 9)
    restored.restore([[sender, list(kept)] for sender, kept in heard.snapshot()])
    for one in (heard, restored):
        one.forget(SENDER_SILENT_MS_MAX + 6)
        assert one.snapshot() == [(ONE, (2, 9))]


def _admit(key: str, count: int = 1, actor: str = "a") -> c.AdmitNow:
    return c.AdmitNow(actor, key, "general", count)


def test_the_same_key_with_the_same_content_gets_the_same_answer() -> None:
    answers = Answers()
    assert answers.find(_admit("k")) is None
    answers.keep(_admit("k"), {"admitted": 1}, 0)
    assert answers.find(_admit("k")) == {"admitted": 1}
    assert answers.find(_admit("k", actor="another")) == {"admitted": 1}
    assert answers.find(_admit("other")) is None


def test_an_answer_that_says_nothing_is_an_answer() -> None:
    answers = Answers()
    answers.keep(c.Pause("a", "k", "general"), {}, 0)
    assert answers.find(c.Pause("a", "k", "general")) == {}


@pytest.mark.parametrize("other", [_admit("k", 2), c.Pause("a", "k", "general")])
def test_the_same_key_with_another_content_is_an_error(other: c.MerchantCommand) -> None:
    answers = Answers()
    answers.keep(_admit("k"), {}, 0)
    with pytest.raises(KeyError, match="k"):
        answers.find(other)


def test_what_a_gateway_makes_anew_each_time_is_not_content() -> None:
    answers = Answers()
    answers.keep(c.Configure("a", "k", document(), bytes(32), "k1"), {"revision": 1}, 0)
    assert answers.find(c.Configure("a", "k", document(), bytes([1] * 32), "k2")) == {"revision": 1}
    with pytest.raises(KeyError):
        answers.find(c.Configure("a", "k", document(name="Other"), bytes(32), "k1"))


def test_answers_are_forgotten_after_a_day_oldest_first() -> None:
    answers = Answers()
    answers.keep(_admit("k1"), {}, 0)
    answers.keep(_admit("k2"), {}, 1)
    answers.forget(ANSWER_AGE_MS_MAX)
    assert len(answers.snapshot()) == 2
    answers.forget(ANSWER_AGE_MS_MAX + 1)
    assert [key for key, _ in answers.snapshot()] == ["k2"]
    answers.forget(ANSWER_AGE_MS_MAX + 2)
    assert answers.snapshot() == []


def test_no_more_answers_are_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "ANSWERS_MAX", 3)
    answers = Answers()
    for number in range(5):
        answers.keep(_admit(f"k{number}"), {}, 0)
    answers.forget(0)
    assert [key for key, _ in answers.snapshot()] == ["k2", "k3", "k4"]


def test_restored_answers_are_the_same() -> None:
    answers, restored = Answers(), Answers()
    answers.keep(_admit("k"), {"admitted": 1}, 5)
    restored.restore([[key, list(kept)] for key, kept in answers.snapshot()])
    assert restored.snapshot() == answers.snapshot()
    assert restored.find(_admit("k")) == {"admitted": 1}
