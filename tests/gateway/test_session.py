"""A client's frame in, what it asks for out; and how often it may ask."""

from __future__ import annotations

import json

import pytest

from gateway.budgets import Budgets
from gateway.session import Ask, Close, Say, Watch, Wish, hear, hear_too_much
from protocol.commands import Decline, Join, Leave, Rejoin
from tests.support.samples import consumer

ME = consumer(7)


def heard(data: str | bytes) -> Wish:
    return hear(ME, 1, data, 5)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ('{"type":"join"}', Ask(Join(ME, "", level=1), "", None)),
        ('{"type":"join","path":"a","ref":"r","new":1}', Ask(Join(ME, "a", level=1), "a", "r")),
        ('{"type":"leave","path":"a"}', Ask(Leave(ME, "a"), "a", None)),
        ('{"type":"decline","path":"a","ref":0}', Ask(Decline(ME, "a"), "a", 0)),
        ('{"type":"rejoin","path":"a"}', Ask(Rejoin(ME, "a", level=1), "a", None)),
        ('{"type":"watch","path":"a"}', Watch("a", True, None)),
        ('{"type":"unwatch","path":"a"}', Watch("a", False, None)),
        ('{"type":"ping","ref":"p"}', Say(b'{"type":"ok","now":5,"ref":"p"}')),
    ],
)
def test_every_frame_asks_for_one_thing(text: str, wish: Wish) -> None:
    assert heard(text) == wish


@pytest.mark.parametrize(
    ("data", "ref"),
    [
        ("", None),
        ("[]", None),
        ('{"type":"dance","ref":"r"}', "r"),
        ('{"type":"leave","ref":4}', 4),
        ('{"type":"join","ref":{}}', None),
        ("[" * 100_000, None),
        ("\ud800", None),
        (b"{}", None),
    ],
)
def test_anything_else_is_a_bad_frame(data: str | bytes, ref: str | int | None) -> None:
    wish = heard(data)
    assert isinstance(wish, Say)
    frame = json.loads(wish.frame)
    assert (frame["type"], frame["reason"], frame.get("ref")) == ("error", "bad_frame", ref)


def test_two_seconds_of_talk_at_once_and_no_more() -> None:
    budgets = Budgets()
    assert all(budgets.take(1, 0, 20) for _ in range(40))
    assert not budgets.take(1, 0, 20)
    assert budgets.take(2, 0, 20)
    assert budgets.take(1, 50, 20)
    assert not budgets.take(1, 50, 20)
    said, closed = hear_too_much(20)
    assert isinstance(said, Say)
    assert json.loads(said.frame)["reason"] == "too_many"
    assert closed == Close(4529)


def test_budgets_that_are_full_again_are_forgotten() -> None:
    budgets = Budgets()
    budgets.take(1, 0, 20)
    budgets.take(2, 1_000, 20)
    budgets.sweep(2_500)
    assert len(budgets) == 1
    budgets.forget(2)
    assert len(budgets) == 0
