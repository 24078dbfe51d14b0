"""Snapshots at a real store: made while the writer goes on, believed only when whole, the log trimmed below them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from threading import Event
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from engine.audit_beginning import audit_from
from engine.audit_log import main as audit
from engine.audits.promises import Broken
from engine.beginning import begin
from engine.core.experience import Experience
from engine.io.append import Appender, LogEnd, Outcome
from engine.io.snapshots import announce, discard, fenced, fetch
from engine.io.store import Store, run
from engine.making import Order, OvertakenError
from engine.making import store as make
from engine.replay import FAILURE, OK
from engine.replay import main as replay
from engine.takeover import LogError, read_log_end, writer_changed
from protocol import codec
from protocol.commands import Attach, Join
from protocol.events import Admitted, Entry, Joined, WriterChanged
from protocol.manifest import part_of, whole
from protocol.replica import Replica
from protocol.replica_codec import encode_replica
from protocol.streams import (
    FIELD_CHAIN,
    FIELD_ENTRY,
    TIP_CHAIN,
    TIP_WRITER,
    commands_key,
    events_key,
    parse_entry_id,
    readers_key,
    replica_chunks_key,
    snapshot_chunks_key,
    snapshot_key,
    tip_key,
)
from tests.support.engine import LEASE_MS, RunningEngine, restored
from tests.support.line import EAGER, Line, made_by
from tests.support.samples import consumer, document
from tests.support.stream import Follower, Sender

pytestmark = pytest.mark.usefixtures("no_rest")


@pytest.fixture
def engine(redis_url: str) -> Iterator[RunningEngine]:
    with RunningEngine(redis_url, **EAGER) as engine:
        yield engine


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    with closing(Store(redis_url)) as store:
        yield store


@pytest.fixture
def line(client: redis.Redis, engine: RunningEngine) -> Line:
    return Line(client)


def test_the_first_snapshot_leaves_the_log_whole_and_the_second_trims_below_the_first(
    line: Line, engine: RunningEngine
) -> None:
    (first,) = line.snapshots(engine, 1)
    assert (line.pairs.first(), line.pairs.announced()) == ("1-0", [])
    newest, previous = line.snapshots(engine, 2)
    assert previous == first
    assert line.pairs.first() == first
    entry = line.log.entries[line.log.ids.index(first)]
    assert line.pairs.first(events=False) == entry.command_id
    line.snapshots(engine, 3)
    engine.stop()
    keys = [make("drop", one) for make in (snapshot_chunks_key, replica_chunks_key) for one in line.pairs.ids()]
    assert line.pairs.chunk_keys() == sorted(keys)
    assert newest in line.pairs.ids()


def test_a_pair_that_a_failover_has_lost_again_makes_no_other_go(line: Line, engine: RunningEngine) -> None:
    newest, previous = line.snapshots(engine, 2)
    line.client.hdel(snapshot_key("drop"), newest)
    next_one, before = line.snapshots(engine, 3)
    assert before == previous
    assert next_one != newest
    assert line.pairs.first() == previous


def test_what_is_restored_from_a_snapshot_is_what_the_whole_log_says(
    line: Line, engine: RunningEngine, redis_url: str
) -> None:
    line.client.hset(readers_key("drop"), "archive", "0-0")  # so the whole log stays
    line.snapshots(engine, 3)
    end = line.log.ids[-1]
    short, whole = restored(redis_url, "drop", end), restored(redis_url, "drop", end, _from_the_first)
    assert short.manifest is not None and whole.manifest is None
    assert short.entries < whole.entries
    assert short.experience.digest() == whole.experience.digest()
    assert encode_replica(short.replica) == encode_replica(whole.replica) == encode_replica(line.log.replica)


def _from_the_first(client: redis.Redis, experience: str, until: str | None) -> Any:
    return begin(client, experience, "0-0")


def test_an_engine_starts_from_a_snapshot_and_loses_nobody(line: Line, engine: RunningEngine, redis_url: str) -> None:
    line.snapshots(engine, 2)
    engine.stop()
    with RunningEngine(redis_url, **EAGER) as other:
        sent = line.sender.send(Join(consumer(3)), Join(consumer(1_000_000)))
        line.sender.send_again(1)
        line.wait(sent)
        assert line.tickets == line.come(0) + 1
        line.snapshots(other, 2)
        line.log.wait(lambda: not line.log.replica.paths["general"].roster.waiting)
    assert len(line.log.of(WriterChanged)) == 2
    admissions = b"".join(event.admissions for event in line.log.of(Admitted))
    assert len(admissions) == 16 * line.tickets
    assert replay("drop", redis_url, None) == OK


@pytest.mark.parametrize("part", [snapshot_chunks_key, replica_chunks_key])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "manifest", "manifest gone"])
def test_a_broken_snapshot_is_said_and_the_one_before_is_taken(
    line: Line, engine: RunningEngine, redis_url: str, part: Any, how: str
) -> None:
    newest, previous = line.snapshots(engine, 2)
    engine.stop()
    line.log.read()
    broken = _break(line, part("drop", newest), newest, how)
    with RunningEngine(redis_url) as other:
        line.come()
        assert other.figure("snapshots_unusable_total") == broken
    found = begin(line.client, "drop", None)
    assert found.manifest is not None and found.manifest.entry_id == previous
    assert replay("drop", redis_url, None) == OK


def _break(line: Line, key: str, entry_id: str, how: str) -> int:
    """Break one of two pairs; how many are to be found broken."""
    if how == "flipped":
        line.pairs.flip(key)
    elif how == "cut":
        line.client.hset(key, "0", line.client.hget(key, "0")[:-1])
    elif how == "gone":
        line.client.delete(key)
    elif how == "manifest":
        line.pairs.flip(snapshot_key("drop"), entry_id)
    else:
        line.client.hdel(snapshot_key("drop"), entry_id)
    return int(how != "manifest gone")


def test_without_any_snapshot_that_holds_the_whole_log_is_replayed(
    line: Line, engine: RunningEngine, redis_url: str
) -> None:
    (only,) = line.snapshots(engine, 1)
    engine.stop()
    line.pairs.flip(snapshot_chunks_key("drop", only))
    with RunningEngine(redis_url) as other:
        line.come()
        assert other.figure("snapshots_unusable_total") == 1
    assert replay("drop", redis_url, None) == OK


def test_without_snapshot_and_log_an_experience_stops_alone(
    line: Line, engine: RunningEngine, redis_url: str, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in line.snapshots(engine, 2):
        line.pairs.flip(replica_chunks_key("drop", one))
    engine.stop()
    with RunningEngine(redis_url) as other:
        other.wait(lambda: other.figure("experiences", state="degraded") == 1)
        sender, log = Sender(client, "sound"), Follower(client, "sound")
        log.wait_applied(sender, sender.create(document(id="sound")))
    assert replay("drop", redis_url, None) == FAILURE
    assert "no snapshot can be used" in capsys.readouterr().err


def test_a_snapshot_of_another_log_is_not_believed(line: Line, engine: RunningEngine, client: redis.Redis) -> None:
    newest, _ = line.snapshots(engine, 2)
    engine.stop()
    fields = line.client.xrange(events_key("drop"), newest, newest)[0][1]
    later = line.client.xrange(events_key("drop"), f"({newest}")
    line.client.xtrim(events_key("drop"), minid=newest, approximate=False)
    line.client.delete(events_key("drop"))
    line.client.xadd(events_key("drop"), fields | {b"chain": bytes(32)}, id=newest)
    for entry_id, entry in later:
        line.client.xadd(events_key("drop"), entry, id=entry_id)
    with pytest.raises(LogError, match=r"its chain is not that of the log; .*the log has no such entry"):
        begin(client, "drop", None)


def test_a_reader_holds_the_trimming_up_until_it_is_struck_out(
    line: Line, engine: RunningEngine, redis_url: str
) -> None:
    key = readers_key("drop")
    place = line.log.ids[1]
    line.client.hset(key, mapping={"archive": place, "worker": "9-999999999", "broken": "yesterday"})
    line.snapshots(engine, 3)
    assert line.pairs.first() == place
    assert line.pairs.first(events=False) == line.log.entries[1].command_id
    assert sorted(line.client.hkeys(key)) == [b"archive", b"worker"]
    assert engine.figure("readers_struck_out_total") == 1
    engine.stop()
    with RunningEngine(redis_url, **EAGER, reader_behind_entries=5) as other:
        line.snapshots(other, 2)
        assert line.client.hkeys(key) == [b"worker"]
        assert other.figure("readers_struck_out_total") == 1
    assert parse_entry_id(line.pairs.first()) > parse_entry_id(place)


def assert_lets_nothing_count(line: Line, end: LogEnd) -> None:
    """Whoever last wrote at ``end`` announces nothing, and changes nothing."""
    before = line.client.hgetall(snapshot_key("drop"))
    assert not announce(line.client, "drop", end)
    assert not fenced(line.client, "drop", end.chain, lambda _: lambda pipeline: pipeline.flushall())
    assert line.client.hgetall(snapshot_key("drop")) == before


def test_who_was_replaced_lets_nothing_count_and_trims_nothing(line: Line, engine: RunningEngine, store: Store) -> None:
    line.snapshots(engine, 2)
    engine.stop()
    line.log.read()
    end = run(read_log_end(store, "drop"))
    rival = run(writer_changed(store, "drop", end, end.now_ms))
    assert Appender(line.client).commit([rival]) == [Outcome.APPENDED]
    assert_lets_nothing_count(line, end)


def test_who_lost_their_last_entry_lets_nothing_count(line: Line, engine: RunningEngine, store: Store) -> None:
    """A failover: the log still names the writer, but as the one of an entry before."""
    line.come()
    earlier = line.client.hgetall(tip_key("drop"))
    line.come()
    engine.stop()
    end = run(read_log_end(store, "drop"))
    line.client.hset(tip_key("drop"), mapping=earlier)
    assert_lets_nothing_count(line, end)


def test_a_take_over_in_the_last_instant_is_noticed(line: Line, engine: RunningEngine, store: Store) -> None:
    line.come()
    engine.stop()
    end = run(read_log_end(store, "drop"))

    def late(_: Any) -> Any:
        rival = run(writer_changed(store, "drop", end, end.now_ms))
        assert Appender(line.client).commit([rival]) == [Outcome.APPENDED]
        return lambda pipeline: pipeline.flushall()

    assert not fenced(line.client, "drop", end.chain, late)
    assert line.client.exists(events_key("drop"))


def test_a_reader_that_moves_meanwhile_is_heard(line: Line, engine: RunningEngine) -> None:
    line.come()
    engine.stop()
    chain = line.client.hget(tip_key("drop"), TIP_CHAIN)
    seen: list[Any] = []

    def plan(watching: Any) -> Any:
        seen.append(watching.hget(readers_key("drop"), "archive"))
        if len(seen) < 3:
            line.client.hset(readers_key("drop"), "archive", f"1-{len(seen)}")
        return lambda pipeline: pipeline.hset(readers_key("drop"), "last", "1-0")

    assert fenced(line.client, "drop", chain, plan)
    assert seen == [None, b"1-1", b"1-2"]


def test_what_a_dead_child_left_is_removed_by_the_next(line: Line, engine: RunningEngine, store: Store) -> None:
    end = run(read_log_end(store, "drop"))
    left = end.entry_id
    assert announce(line.client, "drop", end)
    line.client.hset(snapshot_chunks_key("drop", left), "0", b"half of it")
    line.client.hset(snapshot_key("drop"), "nonsense", b"")
    line.snapshots(engine, 1)
    assert (line.pairs.announced(), len(line.pairs.chunk_keys())) == ([], 2)


def test_what_a_child_stored_for_a_writer_that_was_replaced_is_removed(
    line: Line, engine: RunningEngine, store: Store, redis_url: str
) -> None:
    """Its announcement is gone with the next writer's pair, and then it goes on."""
    writer, end = line.client.hget(tip_key("drop"), TIP_WRITER), run(read_log_end(store, "drop"))
    left = end.entry_id
    assert announce(line.client, "drop", end)
    engine.stop()
    with RunningEngine(redis_url, **EAGER) as other:
        line.snapshots(other, 1)
        line.client.hset(snapshot_chunks_key("drop", left), "0", b"half of it")
        discard(line.client, "drop", writer, left)
        assert (line.pairs.announced(), len(line.pairs.chunk_keys())) == ([], 2)


def test_what_another_writer_has_at_an_entry_of_the_same_id_is_left_alone(
    line: Line, engine: RunningEngine, redis_url: str
) -> None:
    line.snapshots(engine, 1)
    (counts,) = line.pairs.ids()
    keys = line.pairs.chunk_keys()
    engine.stop()
    discard(line.client, "drop", b"of a lost history", counts)
    assert (line.pairs.ids(), line.pairs.chunk_keys()) == ([counts], keys)
    end = LogEnd(counts, b"of a lost history")
    order = Order(redis_url, b"of a lost history", Experience("drop"), Replica("drop"), end, 0)
    before = [line.client.hgetall(key) for key in keys]
    with pytest.raises(OvertakenError, match="somebody else writes by now"):
        make(order, os.getppid())
    assert [line.client.hgetall(key) for key in keys] == before


def test_many_restarts_among_many_snapshots_lose_and_repeat_nobody(
    line: Line, engine: RunningEngine, redis_url: str
) -> None:
    engine.stop()
    chance = random.Random(3)
    for number in range(8):
        with RunningEngine(redis_url, number % 2, **EAGER):
            for _ in range(chance.randrange(1, 6)):
                line.sender.send_again(chance.randrange(1, 3))
                come = line.come()
            line.wait(line.sender.send(Attach(consumer(0))))
        assert line.tickets == come
        line.log.read()
        found = restored(redis_url, "drop", None)
        assert encode_replica(found.replica) == encode_replica(line.log.replica)
    assert replay("drop", redis_url, None) == OK
    assert line.client.xlen(commands_key("drop")) < 200


def test_replay_and_audit_of_a_trimmed_log_begin_at_the_oldest_snapshot_and_say_so(
    line: Line, engine: RunningEngine, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (OK, OK)
    assert capsys.readouterr().out.count("the first entry") == 2
    newest, oldest = line.snapshots(engine, 3)
    line.come(5)
    engine.stop()
    line.log.read()
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (OK, OK)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count(f"the snapshot at entry {oldest}: what came before is trimmed and was not looked at") == 2
    assert f"{line.tickets} tickets" in shown
    assert replay("drop", redis_url, newest) == OK
    assert replay("drop", redis_url, "1-1") == FAILURE
    line.pairs.flip(snapshot_chunks_key("drop", oldest))
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (OK, OK)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count(f"the snapshot at {oldest}: the stored bytes are not those that were written") == 2
    assert shown.count(f"the snapshot at entry {newest}:") == 2
    line.pairs.flip(snapshot_chunks_key("drop", newest))
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (FAILURE, FAILURE)
    assert (replay("none", redis_url, None), audit("none", redis_url)) == (FAILURE, FAILURE)


def test_an_audit_that_begins_at_a_snapshot_finds_what_is_broken_behind_it(
    line: Line, engine: RunningEngine, client: redis.Redis
) -> None:
    line.snapshots(engine, 2)
    engine.stop()
    line.log.read()
    auditing = audit_from(begin(client, "drop", None))
    for entry_id, fields in line.client.xrange(events_key("drop"), f"({auditing.entry_id}"):
        auditing.entry(entry_id.decode(), fields[FIELD_ENTRY], fields[FIELD_CHAIN])
    twice = Joined("general", line.tickets, consumer(1), b"\1")
    payload = codec.encode_entry(Entry(1, auditing.now_ms, "0-0", {}, "", [twice]))
    chain, seq = codec.next_chain(auditing.chain, payload), parse_entry_id(auditing.entry_id)[1] + 1
    with pytest.raises(Broken, match="are both live and of one consumer"):
        auditing.entry(f"1-{seq}", payload, chain)


def test_a_lease_is_kept_while_a_big_snapshot_is_restored(
    line: Line, engine: RunningEngine, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.snapshots(engine, 1)
    engine.stop()
    restore = Experience.restore

    def slowly(experience: str, snapshot: bytes) -> Experience:
        Event().wait(3 * LEASE_MS / 1_000)
        return restore(experience, snapshot)

    monkeypatch.setattr(Experience, "restore", slowly)
    with RunningEngine(redis_url, 1), RunningEngine(redis_url, 2):
        line.come()
    assert len(line.log.of(WriterChanged)) == 2


def test_a_child_that_fails_or_hangs_costs_one_snapshot(
    line: Line, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed() -> float:
        return engine.figure("snapshots_total", outcome="failed")

    def away(*_: object) -> None:
        raise redis.ConnectionError("the store is away")

    monkeypatch.setattr("engine.making.fetch", lambda *_: whole(part_of(b"all"), [None]))
    line.come()
    engine.wait(lambda: failed() >= 1)
    monkeypatch.setattr("engine.making.fetch", lambda *_: os._exit(7))
    before = failed()
    line.come()
    engine.wait(lambda: failed() >= before + 2)
    monkeypatch.setattr("engine.making.fetch", away)
    with capture_logs() as said:
        line.come()
        engine.wait(lambda: any("the store is away" in one.get("why", "") for one in said))
    assert {one["log_level"] for one in said if "the store is away" in one.get("why", "")} == {"warning"}
    monkeypatch.setattr("engine.making.fetch", lambda *_: Event().wait(30))
    monkeypatch.setattr("engine.snapshots.MAKING_MS_MAX", 100)
    before = failed()
    engine.wait(lambda: failed() >= before + 2)
    assert (line.pairs.ids(), made_by(engine)) == ([], 0)
    monkeypatch.setattr("engine.making.fetch", fetch)
    engine.wait(lambda: made_by(engine) >= 1)
    line.come()
    assert line.pairs.ids()


def test_an_engine_that_ends_gives_up_what_is_being_made(
    line: Line, engine: RunningEngine, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.making.fetch", lambda *_: Event().wait(30))
    line.come()
    engine.wait(lambda: bool(line.pairs.announced()))
    engine.stop()
    assert line.pairs.ids() == []
    assert replay("drop", redis_url, None) == OK
