"""The audit of who may take a ticket, as far as a log shows it: each promise, broken on purpose, is found and named."""

from __future__ import annotations

from typing import Any

import pytest

from engine.audits.promises import Broken
from protocol import commands as c
from protocol.events import Joined, Returned
from tests.engine.stage import ACTOR, SHOP, Stage
from tests.support.samples import consumer, document, raw_path

CODE = {"code": "OPEN", "max_uses": 2}


def _stage(**fields: Any) -> Stage:
    """Two paths that let everybody in by hand alone."""
    terms = {"release_rate_per_minute": 0, "checkout_window_seconds": 10}
    over_all = {name: fields.pop(name) for name in ("one_path",) if name in fields}
    paths = [raw_path(distribution=terms, **fields), raw_path("vip", distribution=terms)]
    return Stage(document(paths=paths, **over_all))


def _joined(ticket: int, who: int, path: str = "general") -> Joined:
    return Joined(path, ticket, consumer(who), bytes([1]))


def test_whoever_has_bought_cannot_join_again() -> None:
    stage = _stage()
    stage.later(0, c.Join(consumer(1), "general"), c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(0, c.Complete(SHOP, "", stage.admission(0)))
    with pytest.raises(Broken, match="all that one can have"):
        stage.write(stage.now_ms, _joined(1, 1))


def test_whoever_may_buy_twice_can() -> None:
    stage = _stage(joins_per_consumer=2)
    for ticket in range(2):
        stage.later(0, c.Join(consumer(1), "general"), c.AdmitNow(ACTOR, "", "general", 1))
        stage.later(0, c.Complete(SHOP, "", stage.admission(ticket)))
    with pytest.raises(Broken, match="all that one can have"):
        stage.write(stage.now_ms, _joined(2, 1))


def test_an_access_code_is_used_no_more_often_than_it_says() -> None:
    stage = _stage(access_code=CODE)
    brought = c.Credentials(code="OPEN")
    stage.later(0, *(c.Join(consumer(who), "general", credentials=brought) for who in (1, 2)))
    with pytest.raises(Broken, match="3 use the access code, which may be used 2 times"):
        stage.write(stage.now_ms, _joined(2, 3))


def test_a_missed_turn_is_a_use_of_the_code_when_it_is_taken_back() -> None:
    stage = _stage(access_code=CODE)
    brought = c.Credentials(code="OPEN")
    stage.later(0, c.Join(consumer(1), "general", credentials=brought), c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(10_000, *(c.Join(consumer(who), "general", credentials=brought) for who in (2, 3)))
    with pytest.raises(Broken, match="3 use the access code"):
        stage.write(stage.now_ms, Returned("general", 0))


def test_one_person_has_one_path() -> None:
    stage = _stage(one_path=True)
    stage.later(0, c.Join(consumer(1), "general"), c.AdmitNow(ACTOR, "", "general", 1))
    with pytest.raises(Broken, match="tickets in general and vip"):
        stage.write(stage.now_ms, _joined(0, 1, "vip"))
    stage = _stage(one_path=True)
    stage.later(0, c.Join(consumer(1), "general"), c.AdmitNow(ACTOR, "", "general", 1))
    stage.later(10_000, c.Join(consumer(1), "vip"))
    with pytest.raises(Broken, match="tickets in vip and general"):
        stage.write(stage.now_ms, Returned("general", 0))
