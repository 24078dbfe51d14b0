"""The contract of all distributions: one shape, and what holds of each whatever it does."""

from __future__ import annotations

import inspect

import pytest

from engine.core.admission import Bucket, Meter
from engine.core.journal import Journal
from engine.core.path import Path
from engine.core.stock import Stock
from engine.distributions.base import Distribution
from engine.distributions.kinds import KINDS
from protocol.distributions import RUNNING
from protocol.kinds import REPLICAS
from tests.support.samples import document

SHAPE = [name for name, member in vars(Distribution).items() if inspect.isfunction(member) and name[0] != "_"]


def test_what_a_document_may_ask_for_is_what_runs() -> None:
    assert set(KINDS) == RUNNING | {"dutch"}, "an auction has two styles"
    assert RUNNING <= set(REPLICAS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_methods_of_the_shape_in_its_order_and_no_other(kind: str) -> None:
    own = [name for name, member in vars(KINDS[kind]).items() if inspect.isfunction(member) and name[0] != "_"]
    assert own == [name for name in SHAPE if name in own]
    assert {"next_ticket", "in_line"} <= set(own)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_halted_by_a_pause_is_taken(kind: str) -> None:
    assert set(KINDS[kind].HALTED) <= set(KINDS[kind].TAKES)


def test_what_a_kind_does_not_say_otherwise_does_nothing() -> None:
    path = Path(document().paths[0], 1, Stock(), Meter(Bucket(None, 1_000), None, None))
    kind, journal = Distribution(path), Journal()
    assert (kind.act_refusal(None, None, 0), kind.act(None, None, 0, journal)) == (None, None)
    kind.restore(kind.snapshot())
    assert (kind.next_deadline_ms(), kind.closes(), kind.is_over(), kind.snapshot()) == (None, False, True, [])
    with pytest.raises(NotImplementedError):
        kind.next_ticket()
    with pytest.raises(NotImplementedError):
        kind.in_line()
    assert journal.take() == []
