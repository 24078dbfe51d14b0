"""A log in a real store that is not what was written: found at the next restoration, never built upon, one alone stops.

Where a snapshot holds that stands behind the damage it is begun there, and the damage is not even read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from engine.replay import FAILURE
from engine.replay import main as replay
from protocol.commands import Join
from protocol.streams import FIELD_BATCH, FIELD_CHAIN, FIELD_ENTRY, commands_key, events_key
from tests.support.engine import RunningEngine
from tests.support.pairs import flipped
from tests.support.samples import consumer, document, raw_path
from tests.support.stream import Follower, Sender

Entries = list[tuple[bytes, dict[bytes, bytes]]]
PEOPLE = 6
MIDDLE = 3


def served(client: redis.Redis, experience: str) -> tuple[Sender, Follower]:
    """An experience in which nobody is admitted, and its log."""
    sender, log = Sender(client, experience), Follower(client, experience)
    terms = {"release_rate_per_minute": 0}
    log.wait_applied(sender, sender.create(document(id=experience, paths=[raw_path(distribution=terms)])))
    return sender, log


def rewrite(client: redis.Redis, key: str, change: Callable[[Entries], Entries]) -> None:
    """Let the stream hold what ``change`` makes of its entries, under their old IDs."""
    store: Any = client
    entries: Entries = store.xrange(key)
    client.delete(key)
    for entry_id, fields in change(entries):
        store.xadd(key, fields, id=entry_id)


def flip(number: int, field: bytes) -> Callable[[Entries], Entries]:
    """One bit of one field of one entry."""

    def change(entries: Entries) -> Entries:
        entry_id, fields = entries[number]
        entries[number] = (entry_id, fields | {field: flipped(fields[field])})
        return entries

    return change


DAMAGES: dict[str, tuple[Callable[[str], str], Callable[[Entries], Entries]]] = {
    "a flipped bit in an event": (events_key, flip(MIDDLE, FIELD_ENTRY)),
    "a flipped bit in a chain": (events_key, flip(MIDDLE, FIELD_CHAIN)),
    "a flipped bit in the last entry": (events_key, flip(-1, FIELD_ENTRY)),
    "an entry that is gone": (events_key, lambda entries: entries[:MIDDLE] + entries[MIDDLE + 1 :]),
    "a head that is gone": (events_key, lambda entries: entries[MIDDLE:]),
    "a flipped bit in a command": (commands_key, flip(MIDDLE, FIELD_BATCH)),
    "a command that is gone": (commands_key, lambda entries: entries[:MIDDLE] + entries[MIDDLE + 1 :]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_found_and_stops_its_experience_alone(
    client: redis.Redis, redis_url: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunningEngine(redis_url):
        sender, log = served(client, "drop")
        for number in range(PEOPLE):
            log.wait_applied(sender, sender.send(Join(consumer(number))))
    log.read()
    key_of, change = DAMAGES[damage]
    rewrite(client, key_of("drop"), change)
    assert replay("drop", redis_url, None) == FAILURE
    assert "drop: " in capsys.readouterr().err
    with RunningEngine(redis_url, 1) as engine:
        engine.wait(lambda: engine.figure("experiences", state="stopped") == 1)
        assert engine.figure("experiences", state="degraded") == 1
        other, sound = served(client, "sound")
        sound.wait_applied(other, other.send(Join(consumer(1))))
        joins = sender.send(Join(consumer(PEOPLE)))
        sound.wait_applied(other, other.send(Join(consumer(2))))
    entries: Any = client.xrange(events_key("drop"), min=f"({log.ids[-1]}")
    assert all(b"joined" not in fields[FIELD_ENTRY] for _, fields in entries), f"batch {joins} must not be applied"


def test_a_snapshot_behind_the_damage_is_begun_at(client: redis.Redis, redis_url: str) -> None:
    with RunningEngine(redis_url, snapshot_commands=PEOPLE, snapshot_pause_ms=0) as engine:
        sender, log = served(client, "drop")
        for number in range(PEOPLE):
            log.wait_applied(sender, sender.send(Join(consumer(number))))
        engine.wait(lambda: engine.figure("snapshots_total", outcome="made") == 1)
    log.read()
    rewrite(client, events_key("drop"), flip(MIDDLE, FIELD_ENTRY))
    with RunningEngine(redis_url, 1):
        log.wait_applied(sender, sender.send(Join(consumer(PEOPLE))))
    assert log.replica.paths["general"].tickets == PEOPLE + 1
