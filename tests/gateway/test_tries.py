"""Access codes are tried ten times a minute, by one consumer and from one address."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest

from gateway import conversations
from gateway.tries import MINUTE_MS, TRIES_PER_MINUTE, Tries
from tests.support.rooms import Stage, line
from tests.support.samples import consumer

HERE = "192.0.2.7"


def used_up(tries: Tries, address: str, *, each: bool) -> Tries:
    """All tries of a minute were made at the instants 0, 1, …: by another consumer each, or by one."""
    for number in range(TRIES_PER_MINUTE):
        assert tries.take(consumer(number if each else 0), address, number) == 0
    return tries


def test_one_consumer_has_ten_in_any_minute() -> None:
    tries = used_up(Tries(), "", each=False)
    assert tries.take(consumer(0), "", 100) == MINUTE_MS - 100
    assert tries.take(consumer(1), "", 100) == 0
    assert tries.take(consumer(0), "", MINUTE_MS) == 0
    assert tries.take(consumer(0), "", MINUTE_MS) == 1


def test_one_address_has_ten_whoever_comes_from_it() -> None:
    tries = used_up(Tries(), HERE, each=True)
    assert tries.take(consumer(99), HERE, 100) == MINUTE_MS - 100
    assert tries.take(consumer(99), "192.0.2.8", 100) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "fe80::1%eth0"])
def test_who_stands_for_many_is_not_counted(address: str) -> None:
    tries = used_up(Tries([ip_network("10.0.0.0/8"), ip_network("fe80::/10")]), address, each=True)
    assert tries.take(consumer(99), address, 100) == 0


def test_what_is_a_minute_ago_is_forgotten() -> None:
    tries = used_up(Tries(), HERE, each=True)
    tries.sweep(MINUTE_MS + 4)
    assert len(tries) == TRIES_PER_MINUTE - 5 + 1
    tries.sweep(2 * MINUTE_MS)
    assert len(tries) == 0


@pytest.mark.parametrize("frame", [{"type": "code"}, {"type": "join", "path": "general"}])
def test_the_eleventh_code_is_not_sent_to_the_engine(frame: dict[str, str]) -> None:
    stage = Stage()
    socket = stage.enter(1)
    line(socket).take()
    for number in range(TRIES_PER_MINUTE + 1):
        said = json.dumps(frame | {"code": f"guess-{number}", "ref": str(number)})
        conversations.receive(stage.room, socket, said, 20)
    (refused,) = line(socket).take()
    assert (refused["reason"], refused["temporary"], refused["ref"]) == ("too_many", True, str(TRIES_PER_MINUTE))
    assert 0 < refused["retry_after_ms"] <= MINUTE_MS
    assert stage.room.outgoing.backlog == TRIES_PER_MINUTE
    conversations.receive(stage.room, socket, '{"type":"join","path":"general"}', 20)
    assert stage.room.outgoing.backlog == TRIES_PER_MINUTE + 1
