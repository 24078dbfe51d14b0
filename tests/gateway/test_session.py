"""A client's frame in, what it asks for out; and how often it may ask."""

from __future__ import annotations

import pytest

from gateway.budgets import Budgets
from gateway.session import Ask, Close, Deny, Say, Watch, Wish, hear, hear_too_much
from protocol.commands import (
    Book,
    Cancel,
    Choose,
    Claim,
    Credentials,
    Decline,
    EnterCode,
    Hold,
    Join,
    Leave,
    PlaceBid,
    Rejoin,
    Reschedule,
)
from protocol.distributions import Auction
from protocol.documents import Path
from protocol.path_replica import PathReplica
from protocol.refusals import Reason, Refusal
from protocol.replica import Replica
from tests.support.samples import consumer

ME = consumer(7)
AUCTION = Replica("e")
AUCTION.paths["sale"] = PathReplica(Path(id="sale", distribution=Auction(currency="EUR", ends_at=1)))


def heard(data: str | bytes) -> Wish:
    return hear(ME, 1, data, AUCTION, 5)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ('{"type":"join"}', Ask(Join(ME, "", level=1), "", None)),
        ('{"type":"join","path":"a","ref":"r","new":1}', Ask(Join(ME, "a", level=1), "a", "r")),
        (
            '{"type":"join","code":"spring","variant":"42"}',
            Ask(Join(ME, level=1, credentials=Credentials(code="spring", variant="42")), "", None),
        ),
        (
            '{"type":"code","code":"spring"}',
            Ask(EnterCode(ME, level=1, credentials=Credentials(code="spring")), "", None),
        ),
        ('{"type":"choose","path":"a","variant":"43"}', Ask(Choose(ME, "a", "43"), "a", None)),
        (
            '{"type":"bid","path":"sale","max":"12.5","id":"b1","ref":3}',
            Ask(PlaceBid(ME, "sale", level=1, maximum=1_250, id="b1"), "sale", 3),
        ),
        ('{"type":"bid","path":"a","max":"12.5","id":"b"}', Ask(PlaceBid(ME, "a", level=1, id="b"), "a", None)),
        ('{"type":"claim","path":"a"}', Ask(Claim(ME, "a", level=1), "a", None)),
        (
            '{"type":"claim","path":"a","variant":"42"}',
            Ask(Claim(ME, "a", level=1, credentials=Credentials(variant="42")), "a", None),
        ),
        (
            f'{{"type":"claim","path":"sale","offer":"{"0a" * 16}","price":"3"}}',
            Ask(Claim(ME, "sale", level=1, offer=b"\n" * 16, price=300), "sale", None),
        ),
        ('{"type":"hold","path":"a","slot":"s"}', Ask(Hold(ME, "a", level=1, slot="s"), "a", None)),
        ('{"type":"book","path":"a"}', Ask(Book(ME, "a", level=1), "a", None)),
        ('{"type":"reschedule","path":"a","slot":"s"}', Ask(Reschedule(ME, "a", "s"), "a", None)),
        ('{"type":"cancel","path":"a"}', Ask(Cancel(ME, "a"), "a", None)),
        ('{"type":"cancel","path":"a","slot":"s"}', Ask(Cancel(ME, "a", "s"), "a", None)),
        ('{"type":"leave","path":"a"}', Ask(Leave(ME, "a"), "a", None)),
        ('{"type":"decline","path":"a","ref":0}', Ask(Decline(ME, "a"), "a", 0)),
        (
            f'{{"type":"decline","path":"a","offer":"{"0a" * 16}"}}',
            Ask(Decline(ME, "a", b"\n" * 16), "a", None),
        ),
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
    assert isinstance(wish, Deny)
    assert (wish.refusal.reason, wish.ref) == ("bad_frame", ref)


@pytest.mark.parametrize(
    ("text", "names_types"),
    [
        ('{"type":"dance"}', True),
        ('{"type":7}', True),
        ('{"ref":"r"}', True),
        ('{"type":"leave"}', False),
        ('{"type":"leave","path":7}', False),
        ("{", False),
    ],
)
def test_who_names_another_type_is_told_which_there_are(text: str, names_types: bool) -> None:
    wish = heard(text)
    assert isinstance(wish, Deny)
    assert ("allowed" in wish.refusal.detail) is names_types
    if names_types:
        assert wish.refusal.detail["field"] == "type"
        assert {"bid", "join", "ping", "watch"} <= set(wish.refusal.detail["allowed"].split(", "))


def test_money_that_the_currency_does_not_have_is_refused_with_what_is_wrong() -> None:
    wish = heard('{"type":"bid","path":"sale","max":"12.505","id":"b1","ref":3}')
    assert wish == Deny(
        Refusal(Reason.INVALID, {"detail": "12.505 has more decimals than EUR, which has 2"}), "sale", 3
    )


def test_two_seconds_of_talk_at_once_and_no_more() -> None:
    budgets = Budgets()
    assert all(budgets.take(1, 0, 20) for _ in range(40))
    assert not budgets.take(1, 0, 20)
    assert budgets.take(2, 0, 20)
    assert budgets.take(1, 50, 20)
    assert not budgets.take(1, 50, 20)
    said, closed = hear_too_much(20)
    assert isinstance(said, Deny)
    assert said.refusal.reason == "too_many"
    assert closed == Close(4529)


def test_budgets_that_are_full_again_are_forgotten() -> None:
    budgets = Budgets()
    budgets.take(1, 0, 20)
    budgets.take(2, 1_000, 20)
    budgets.sweep(2_500)
    assert len(budgets) == 1
    budgets.forget(2)
    assert len(budgets) == 0
