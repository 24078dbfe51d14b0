"""The append script, condition by condition, against the real store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
import redis

from engine.io.append import NOTHING, Append, Appender, LogEnd, Outcome, append_of
from engine.io.store import Store, run
from engine.io.streams import connect
from engine.takeover import LogError, read_log_end, writer_changed
from protocol.events import Entry, WriterChanged
from protocol.replica import Replica
from protocol.streams import (
    FIELD_BATCH,
    FIELD_CHAIN,
    FIELD_ENTRY,
    FIELD_NUMBER,
    FIELD_SENDER,
    START_ID,
    TIP_WRITER,
    commands_key,
    epoch_key,
    events_key,
    shard_of,
    tip_key,
)
from tests.support.samples import EXPERIENCE

NO_FIELDS: Mapping[bytes, bytes] = {FIELD_BATCH: b""}


class Log:
    """One experience's log in the store, and what a writer does to it."""

    def __init__(self, client: redis.Redis, store: Store) -> None:
        self.client: Any = client
        self.store = store
        self.appender = Appender(client)

    def take_over(self, previous: LogEnd) -> Append:
        return run(writer_changed(self.store, EXPERIENCE, previous, previous.now_ms + 1))

    def end(self) -> LogEnd:
        return run(read_log_end(self.store, EXPERIENCE))

    def try_one(self, append: Append) -> Outcome:
        return self.appender.commit([append])[0]

    def taken(self, previous: LogEnd | None = None) -> Append:
        """A take-over that succeeded."""
        append = self.take_over(previous or LogEnd())
        assert self.try_one(append) is Outcome.APPENDED
        return append

    def command(self, fields: Mapping[bytes, bytes] = NO_FIELDS) -> str:
        return str(self.client.xadd(commands_key(EXPERIENCE), dict(fields)).decode())

    def ids(self) -> list[str]:
        return [entry_id.decode() for entry_id, _ in self.client.xrange(events_key(EXPERIENCE))]


@pytest.fixture
def log(redis_url: str) -> Iterator[Log]:
    with connect(redis_url) as client, closing(Store(redis_url)) as store:
        yield Log(client, store)


def next_of(before: Append, command_id: str = START_ID, named: Mapping[bytes, bytes] = NOTHING) -> Append:
    """The entry of the same writer behind ``before``."""
    entry = Entry(1, before.end.now_ms + 1, command_id, {}, "", [])
    return append_of(EXPERIENCE, before.writer, before.end.epoch, before.end, entry, named)


def test_the_first_writer_begins_the_log(log: Log) -> None:
    first = log.taken()
    second = next_of(first)
    assert log.try_one(second) is Outcome.APPENDED
    assert log.ids() == ["1-0", "1-1"]
    assert log.client.get(epoch_key(shard_of(EXPERIENCE))) == b"1"


def test_what_was_appended_can_be_followed(log: Log) -> None:
    first = log.taken()
    log.try_one(next_of(first))
    replica = Replica(EXPERIENCE)
    for entry_id, fields in log.client.xrange(events_key(EXPERIENCE)):
        replica.follow(entry_id.decode(), fields[FIELD_ENTRY], fields[FIELD_CHAIN])
    assert replica.entry_id == "1-1"


def test_a_retry_is_done_and_changes_nothing(log: Log) -> None:
    first = log.take_over(LogEnd())
    assert log.try_one(first) is Outcome.APPENDED
    assert log.try_one(first) is Outcome.DONE
    second = next_of(first)
    assert [log.try_one(second), log.try_one(second)] == [Outcome.APPENDED, Outcome.DONE]
    assert log.ids() == ["1-0", "1-1"]


def test_a_retry_that_comes_too_late_is_refused(log: Log) -> None:
    first = log.taken()
    second = next_of(first)
    log.try_one(second)
    log.try_one(next_of(second))
    assert log.try_one(second) is Outcome.FENCED


def test_an_entry_that_is_not_the_next_is_refused(log: Log) -> None:
    first = log.taken()
    second = next_of(first)
    assert log.try_one(next_of(second)) is Outcome.FENCED
    assert log.ids() == ["1-0"]


def test_who_was_replaced_cannot_write(log: Log) -> None:
    first = log.taken()
    rival = log.taken(first.end)
    assert rival.end.entry_id == "2-1"
    assert log.try_one(next_of(first)) is Outcome.FENCED
    assert log.try_one(next_of(rival)) is Outcome.APPENDED


def test_a_rivals_entry_of_the_same_id_is_not_taken_for_ours(log: Log) -> None:
    ours, rivals = log.take_over(LogEnd()), log.take_over(LogEnd())
    assert ours.end.entry_id == rivals.end.entry_id
    assert log.try_one(rivals) is Outcome.APPENDED
    assert log.try_one(ours) is Outcome.FENCED


def test_an_entry_is_not_followed_by_its_id_alone(log: Log) -> None:
    """A failover loses a take-over with its epoch; a rival's has the same ID."""
    ours = log.taken()
    log.client.flushall()
    rivals = log.taken()
    assert ours.end.entry_id == rivals.end.entry_id
    assert log.try_one(log.take_over(ours.end)) is Outcome.FENCED
    assert log.try_one(next_of(ours)) is Outcome.FENCED
    assert log.try_one(next_of(rivals)) is Outcome.APPENDED


def test_nobody_writes_without_having_taken_over(log: Log) -> None:
    stranger = next_of(log.taken())._replace(writer=bytes(16))
    assert log.try_one(stranger) is Outcome.FENCED


def test_of_two_who_take_over_at_once_one_does(log: Log) -> None:
    first = log.taken()
    one, other = log.take_over(first.end), log.take_over(first.end)
    assert [log.try_one(one), log.try_one(other)] == [Outcome.APPENDED, Outcome.FENCED]


def test_a_counter_that_was_lost_is_made_good_from_the_log(log: Log) -> None:
    first = log.taken()
    second = log.taken(first.end)
    log.client.delete(epoch_key(shard_of(EXPERIENCE)))
    third = log.taken(second.end)
    assert third.end.entry_id == "3-2"
    assert log.client.get(epoch_key(shard_of(EXPERIENCE))) == b"3"


def test_an_epoch_that_another_experience_of_the_shard_took_is_not_used_twice(log: Log) -> None:
    append = log.take_over(LogEnd())
    log.client.set(epoch_key(shard_of(EXPERIENCE)), 9)
    assert log.try_one(append) is Outcome.EPOCH_TAKEN
    assert log.taken().end.entry_id == "10-0"


def test_commands_that_a_failover_lost_are_noticed(log: Log) -> None:
    first = log.taken()
    kept, lost = log.command(), log.command()
    log.client.xdel(commands_key(EXPERIENCE), lost)
    assert log.try_one(next_of(first, lost)) is Outcome.COMMANDS_LOST
    assert log.try_one(next_of(first, kept)) is Outcome.APPENDED


def test_another_command_of_the_same_id_is_noticed(log: Log) -> None:
    """The clock of the new primary is behind, so it gives the ID of a command that was lost to another one."""
    first = log.taken()
    named = {FIELD_SENDER: b"sender-1", FIELD_NUMBER: b"7", FIELD_BATCH: b""}
    key, command = commands_key(EXPERIENCE), log.command(named)
    other = named | {FIELD_SENDER: b"sender-2"}
    log.client.delete(key)
    log.client.xadd(key, other, id=command)
    assert log.try_one(next_of(first, command, named)) is Outcome.COMMANDS_LOST
    assert (
        log.try_one(next_of(first, command, named | {FIELD_SENDER: b"sender-2", FIELD_NUMBER: b"8"}))
        is Outcome.COMMANDS_LOST
    )
    assert log.try_one(next_of(first, command, other)) is Outcome.APPENDED


def test_appends_of_one_round_trip_stand_for_themselves(log: Log) -> None:
    first = log.taken()
    wrong = append_of("other", first.writer, 1, first.end, Entry(1, 2, START_ID, {}, "", []))
    assert log.appender.commit([wrong, next_of(first)]) == [Outcome.FENCED, Outcome.APPENDED]


def test_a_store_that_forgot_the_script_is_given_it_again(log: Log) -> None:
    first = log.taken()
    log.client.script_flush()
    assert log.try_one(next_of(first)) is Outcome.APPENDED


def test_an_error_of_the_store_is_raised_without_the_payload(log: Log) -> None:
    append = log.take_over(LogEnd())
    log.client.set(events_key(EXPERIENCE), "not a stream")
    with pytest.raises(redis.ResponseError) as caught:
        log.try_one(append)
    assert "WRONGTYPE" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_end_of_a_log_is_read_back(log: Log) -> None:
    assert log.end() == LogEnd()
    second = next_of(log.taken(), START_ID)
    log.try_one(second)
    assert log.end() == second.end
    assert log.client.hget(tip_key(EXPERIENCE), TIP_WRITER) == second.writer


def test_a_log_of_unknown_rules_is_left_alone(log: Log) -> None:
    first = log.taken()
    entry = Entry(99, 2, START_ID, {}, "", [])
    log.try_one(append_of(EXPERIENCE, first.writer, 1, first.end, entry))
    with pytest.raises(LogError, match=r"1-1 follows the rules 99"):
        log.end()


def test_a_last_entry_that_cannot_be_read_is_said_so(log: Log) -> None:
    log.client.xadd(events_key(EXPERIENCE), {FIELD_ENTRY: b"\xc1", FIELD_CHAIN: b""}, id="1-0")
    with pytest.raises(LogError, match="cannot be read"):
        log.end()
    log.client.xadd(events_key(EXPERIENCE), {"other": b""}, id="1-1")
    with pytest.raises(LogError, match="malformed"):
        log.end()


def test_a_take_over_names_what_it_follows(log: Log) -> None:
    first = log.taken()
    event = WriterChanged(2, b"", first.end.entry_id, first.end.chain)
    append = log.take_over(first.end)
    replica = Replica(EXPERIENCE)
    replica.follow("1-0", first.payload, first.end.chain)
    told = replica.follow(append.end.entry_id, append.payload, append.end.chain).events[0]
    assert isinstance(told, WriterChanged)
    assert (told.epoch, told.previous, told.previous_chain) == (event.epoch, event.previous, event.previous_chain)
