"""Snapshots at a real store: made while the writer goes on, believed only when whole, the log trimmed below them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from functools import partial
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
from engine.io.streams import connect
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
from tests.support.pairs import Pairs
from tests.support.samples import consumer, document, raw_path
from tests.support.stream import Follower, Sender

EAGER: dict[str, Any] = {"snapshot_commands": 20, "snapshot_pause_ms": 0}
"""A snapshot after every twenty commands."""


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot may follow on the heels of another."""
    monkeypatch.setattr("engine.snapshot_pace.REST_MS_MIN", 0)
    monkeypatch.setattr("engine.snapshot_pace.REST_TIMES", 0)
    monkeypatch.setattr("engine.snapshots.REST_MS_FAILED", 0)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def engine(redis_url: str) -> Iterator[RunningEngine]:
    with RunningEngine(redis_url, **EAGER) as engine:
        yield engine


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    with closing(Store(redis_url)) as store:
        yield store


def made_by(engine: RunningEngine) -> float:
    """How many snapshots it has made."""
    return engine.figure("snapshots_total", outcome="made")


class Crowd:
    """Consumers who come to the experience ``drop``, twenty at a time; what the log says is followed."""

    def __init__(self, client: redis.Redis) -> None:
        self.client: Any = client
        self.sender, self.log = Sender(client, "drop"), Follower(client, "drop")
        self.pairs = Pairs(client, "drop")
        terms = {"release_rate_per_minute": 60_000, "checkout_window_seconds": 600}
        self.wait(self.sender.create(document(id="drop", paths=[raw_path(distribution=terms)])))
        self._come = 0

    def wait(self, number: int) -> None:
        self.log.wait_applied(self.sender, number)

    def come(self, count: int = 20) -> int:
        """So many join; returns when the log has them."""
        sent = self.sender.send(*(Join(consumer(self._come + one)) for one in range(count)))
        self._come += count
        self.wait(sent)
        return self._come

    def snapshots(self, engine: RunningEngine, count: int) -> list[str]:
        """Have people come, a snapshot's worth at a time, until ``count`` are made; the entries where pairs stand."""
        for made in range(int(made_by(engine)) + 1, count + 1):
            self.come()
            engine.wait(partial(lambda made: made_by(engine) >= made, made))
        return self.pairs.ids()

    @property
    def tickets(self) -> int:
        return self.log.replica.paths["general"].tickets


@pytest.fixture
def crowd(client: redis.Redis, engine: RunningEngine) -> Crowd:
    return Crowd(client)


def test_the_first_snapshot_leaves_the_log_whole_and_the_second_trims_below_the_first(
    crowd: Crowd, engine: RunningEngine
) -> None:
    (first,) = crowd.snapshots(engine, 1)
    assert (crowd.pairs.first(), crowd.pairs.announced()) == ("1-0", [])
    newest, previous = crowd.snapshots(engine, 2)
    assert previous == first
    assert crowd.pairs.first() == first
    entry = crowd.log.entries[crowd.log.ids.index(first)]
    assert crowd.pairs.first(events=False) == entry.command_id
    crowd.snapshots(engine, 3)
    engine.stop()
    keys = [make("drop", one) for make in (snapshot_chunks_key, replica_chunks_key) for one in crowd.pairs.ids()]
    assert crowd.pairs.chunk_keys() == sorted(keys)
    assert newest in crowd.pairs.ids()


def test_a_pair_that_a_failover_has_lost_again_makes_no_other_go(crowd: Crowd, engine: RunningEngine) -> None:
    newest, previous = crowd.snapshots(engine, 2)
    crowd.client.hdel(snapshot_key("drop"), newest)
    next_one, before = crowd.snapshots(engine, 3)
    assert before == previous
    assert next_one != newest
    assert crowd.pairs.first() == previous


def test_what_is_restored_from_a_snapshot_is_what_the_whole_log_says(
    crowd: Crowd, engine: RunningEngine, redis_url: str
) -> None:
    crowd.client.hset(readers_key("drop"), "archive", "0-0")  # so the whole log stays
    crowd.snapshots(engine, 3)
    end = crowd.log.ids[-1]
    short, whole = restored(redis_url, "drop", end), restored(redis_url, "drop", end, _from_the_first)
    assert short.manifest is not None and whole.manifest is None
    assert short.entries < whole.entries
    assert short.experience.digest() == whole.experience.digest()
    assert encode_replica(short.replica) == encode_replica(whole.replica) == encode_replica(crowd.log.replica)


def _from_the_first(client: redis.Redis, experience: str, until: str | None) -> Any:
    return begin(client, experience, "0-0")


def test_an_engine_starts_from_a_snapshot_and_loses_nobody(crowd: Crowd, engine: RunningEngine, redis_url: str) -> None:
    crowd.snapshots(engine, 2)
    engine.stop()
    with RunningEngine(redis_url, **EAGER) as other:
        sent = crowd.sender.send(Join(consumer(3)), Join(consumer(1_000_000)))
        crowd.sender.send_again(1)
        crowd.wait(sent)
        assert crowd.tickets == crowd.come(0) + 1
        crowd.snapshots(other, 2)
        crowd.log.wait(lambda: not crowd.log.replica.paths["general"].roster.waiting)
    assert len(crowd.log.of(WriterChanged)) == 2
    admissions = b"".join(event.admissions for event in crowd.log.of(Admitted))
    assert len(admissions) == 16 * crowd.tickets
    assert replay("drop", redis_url, None) == OK


@pytest.mark.parametrize("part", [snapshot_chunks_key, replica_chunks_key])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "manifest", "manifest gone"])
def test_a_broken_snapshot_is_said_and_the_one_before_is_taken(
    crowd: Crowd, engine: RunningEngine, redis_url: str, part: Any, how: str
) -> None:
    newest, previous = crowd.snapshots(engine, 2)
    engine.stop()
    crowd.log.read()
    broken = _break(crowd, part("drop", newest), newest, how)
    with RunningEngine(redis_url) as other:
        crowd.come()
        assert other.figure("snapshots_unusable_total") == broken
    found = begin(crowd.client, "drop", None)
    assert found.manifest is not None and found.manifest.entry_id == previous
    assert replay("drop", redis_url, None) == OK


def _break(crowd: Crowd, key: str, entry_id: str, how: str) -> int:
    """Break one of two pairs; how many are to be found broken."""
    if how == "flipped":
        crowd.pairs.flip(key)
    elif how == "cut":
        crowd.client.hset(key, "0", crowd.client.hget(key, "0")[:-1])
    elif how == "gone":
        crowd.client.delete(key)
    elif how == "manifest":
        crowd.pairs.flip(snapshot_key("drop"), entry_id)
    else:
        crowd.client.hdel(snapshot_key("drop"), entry_id)
    return int(how != "manifest gone")


def test_without_any_snapshot_that_holds_the_whole_log_is_replayed(
    crowd: Crowd, engine: RunningEngine, redis_url: str
) -> None:
    (only,) = crowd.snapshots(engine, 1)
    engine.stop()
    crowd.pairs.flip(snapshot_chunks_key("drop", only))
    with RunningEngine(redis_url) as other:
        crowd.come()
        assert other.figure("snapshots_unusable_total") == 1
    assert replay("drop", redis_url, None) == OK


def test_without_snapshot_and_log_an_experience_stops_alone(
    crowd: Crowd, engine: RunningEngine, redis_url: str, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in crowd.snapshots(engine, 2):
        crowd.pairs.flip(replica_chunks_key("drop", one))
    engine.stop()
    with RunningEngine(redis_url) as other:
        other.wait(lambda: other.figure("experiences", state="degraded") == 1)
        sender, log = Sender(client, "sound"), Follower(client, "sound")
        log.wait_applied(sender, sender.create(document(id="sound")))
    assert replay("drop", redis_url, None) == FAILURE
    assert "no snapshot can be used" in capsys.readouterr().err


def test_a_snapshot_of_another_log_is_not_believed(crowd: Crowd, engine: RunningEngine, client: redis.Redis) -> None:
    newest, _ = crowd.snapshots(engine, 2)
    engine.stop()
    fields = crowd.client.xrange(events_key("drop"), newest, newest)[0][1]
    later = crowd.client.xrange(events_key("drop"), f"({newest}")
    crowd.client.xtrim(events_key("drop"), minid=newest, approximate=False)
    crowd.client.delete(events_key("drop"))
    crowd.client.xadd(events_key("drop"), fields | {b"chain": bytes(32)}, id=newest)
    for entry_id, entry in later:
        crowd.client.xadd(events_key("drop"), entry, id=entry_id)
    with pytest.raises(LogError, match=r"its chain is not that of the log; .*the log has no such entry"):
        begin(client, "drop", None)


def test_a_reader_holds_the_trimming_up_until_it_is_struck_out(
    crowd: Crowd, engine: RunningEngine, redis_url: str
) -> None:
    key = readers_key("drop")
    place = crowd.log.ids[1]
    crowd.client.hset(key, mapping={"archive": place, "worker": "9-999999999", "broken": "yesterday"})
    crowd.snapshots(engine, 3)
    assert crowd.pairs.first() == place
    assert crowd.pairs.first(events=False) == crowd.log.entries[1].command_id
    assert sorted(crowd.client.hkeys(key)) == [b"archive", b"worker"]
    assert engine.figure("readers_struck_out_total") == 1
    engine.stop()
    with RunningEngine(redis_url, **EAGER, reader_behind_entries=5) as other:
        crowd.snapshots(other, 2)
        assert crowd.client.hkeys(key) == [b"worker"]
        assert other.figure("readers_struck_out_total") == 1
    assert parse_entry_id(crowd.pairs.first()) > parse_entry_id(place)


def test_who_was_replaced_lets_nothing_count_and_trims_nothing(
    crowd: Crowd, engine: RunningEngine, store: Store
) -> None:
    crowd.snapshots(engine, 2)
    engine.stop()
    crowd.log.read()
    end = run(read_log_end(store, "drop"))
    rival = run(writer_changed(store, "drop", end, end.now_ms))
    assert Appender(crowd.client).commit([rival]) == [Outcome.APPENDED]
    before = crowd.client.hgetall(snapshot_key("drop"))
    assert not announce(crowd.client, "drop", end)
    assert not fenced(crowd.client, "drop", end.chain, lambda _: lambda pipeline: pipeline.flushall())
    assert crowd.client.hgetall(snapshot_key("drop")) == before


def test_a_take_over_in_the_last_instant_is_noticed(crowd: Crowd, engine: RunningEngine, store: Store) -> None:
    crowd.come()
    engine.stop()
    end = run(read_log_end(store, "drop"))

    def late(_: Any) -> Any:
        rival = run(writer_changed(store, "drop", end, end.now_ms))
        assert Appender(crowd.client).commit([rival]) == [Outcome.APPENDED]
        return lambda pipeline: pipeline.flushall()

    assert not fenced(crowd.client, "drop", end.chain, late)
    assert crowd.client.exists(events_key("drop"))


def test_a_reader_that_moves_meanwhile_is_heard(crowd: Crowd, engine: RunningEngine) -> None:
    crowd.come()
    engine.stop()
    chain = crowd.client.hget(tip_key("drop"), TIP_CHAIN)
    seen: list[Any] = []

    def plan(watching: Any) -> Any:
        seen.append(watching.hget(readers_key("drop"), "archive"))
        if len(seen) < 3:
            crowd.client.hset(readers_key("drop"), "archive", f"1-{len(seen)}")
        return lambda pipeline: pipeline.hset(readers_key("drop"), "last", "1-0")

    assert fenced(crowd.client, "drop", chain, plan)
    assert seen == [None, b"1-1", b"1-2"]


def test_what_a_dead_child_left_is_removed_by_the_next(crowd: Crowd, engine: RunningEngine, store: Store) -> None:
    end = run(read_log_end(store, "drop"))
    left = end.entry_id
    assert announce(crowd.client, "drop", end)
    crowd.client.hset(snapshot_chunks_key("drop", left), "0", b"half of it")
    crowd.client.hset(snapshot_key("drop"), "nonsense", b"")
    crowd.snapshots(engine, 1)
    assert (crowd.pairs.announced(), len(crowd.pairs.chunk_keys())) == ([], 2)


def test_what_a_child_stored_for_a_writer_that_was_replaced_is_removed(
    crowd: Crowd, engine: RunningEngine, store: Store, redis_url: str
) -> None:
    """Its announcement is gone with the next writer's pair, and then it goes on."""
    writer, end = crowd.client.hget(tip_key("drop"), TIP_WRITER), run(read_log_end(store, "drop"))
    left = end.entry_id
    assert announce(crowd.client, "drop", end)
    engine.stop()
    with RunningEngine(redis_url, **EAGER) as other:
        crowd.snapshots(other, 1)
        crowd.client.hset(snapshot_chunks_key("drop", left), "0", b"half of it")
        discard(crowd.client, "drop", writer, left)
        assert (crowd.pairs.announced(), len(crowd.pairs.chunk_keys())) == ([], 2)


def test_what_another_writer_has_at_an_entry_of_the_same_id_is_left_alone(
    crowd: Crowd, engine: RunningEngine, redis_url: str
) -> None:
    crowd.snapshots(engine, 1)
    (counts,) = crowd.pairs.ids()
    keys = crowd.pairs.chunk_keys()
    engine.stop()
    discard(crowd.client, "drop", b"of a lost history", counts)
    assert (crowd.pairs.ids(), crowd.pairs.chunk_keys()) == ([counts], keys)
    end = LogEnd(counts, b"of a lost history")
    order = Order(redis_url, b"of a lost history", Experience("drop"), Replica("drop"), end, 0)
    before = [crowd.client.hgetall(key) for key in keys]
    with pytest.raises(OvertakenError, match="somebody else writes by now"):
        make(order, os.getppid())
    assert [crowd.client.hgetall(key) for key in keys] == before


def test_many_restarts_among_many_snapshots_lose_and_repeat_nobody(
    crowd: Crowd, engine: RunningEngine, redis_url: str
) -> None:
    engine.stop()
    chance = random.Random(3)
    for number in range(8):
        with RunningEngine(redis_url, number % 2, **EAGER):
            for _ in range(chance.randrange(1, 6)):
                crowd.sender.send_again(chance.randrange(1, 3))
                come = crowd.come()
            crowd.wait(crowd.sender.send(Attach(consumer(0))))
        assert crowd.tickets == come
        crowd.log.read()
        found = restored(redis_url, "drop", None)
        assert encode_replica(found.replica) == encode_replica(crowd.log.replica)
    assert replay("drop", redis_url, None) == OK
    assert crowd.client.xlen(commands_key("drop")) < 200


def test_replay_and_audit_of_a_trimmed_log_begin_at_the_oldest_snapshot_and_say_so(
    crowd: Crowd, engine: RunningEngine, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (OK, OK)
    assert capsys.readouterr().out.count("the first entry") == 2
    newest, oldest = crowd.snapshots(engine, 3)
    crowd.come(5)
    engine.stop()
    crowd.log.read()
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (OK, OK)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count(f"the snapshot at entry {oldest}: what came before is trimmed and was not looked at") == 2
    assert f"{crowd.tickets} tickets" in shown
    assert replay("drop", redis_url, newest) == OK
    assert replay("drop", redis_url, "1-1") == FAILURE
    crowd.pairs.flip(snapshot_chunks_key("drop", oldest))
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (OK, OK)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count(f"the snapshot at {oldest}: the stored bytes are not those that were written") == 2
    assert shown.count(f"the snapshot at entry {newest}:") == 2
    crowd.pairs.flip(snapshot_chunks_key("drop", newest))
    assert (replay("drop", redis_url, None), audit("drop", redis_url)) == (FAILURE, FAILURE)
    assert (replay("none", redis_url, None), audit("none", redis_url)) == (FAILURE, FAILURE)


def test_an_audit_that_begins_at_a_snapshot_finds_what_is_broken_behind_it(
    crowd: Crowd, engine: RunningEngine, client: redis.Redis
) -> None:
    crowd.snapshots(engine, 2)
    engine.stop()
    crowd.log.read()
    auditing = audit_from(begin(client, "drop", None))
    for entry_id, fields in crowd.client.xrange(events_key("drop"), f"({auditing.entry_id}"):
        auditing.entry(entry_id.decode(), fields[FIELD_ENTRY], fields[FIELD_CHAIN])
    twice = Joined("general", crowd.tickets, consumer(1), b"\1")
    payload = codec.encode_entry(Entry(1, auditing.now_ms, "0-0", {}, "", [twice]))
    chain, seq = codec.next_chain(auditing.chain, payload), parse_entry_id(auditing.entry_id)[1] + 1
    with pytest.raises(Broken, match="are both live and of one consumer"):
        auditing.entry(f"1-{seq}", payload, chain)


def test_a_lease_is_kept_while_a_big_snapshot_is_restored(
    crowd: Crowd, engine: RunningEngine, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd.snapshots(engine, 1)
    engine.stop()
    restore = Experience.restore

    def slowly(experience: str, snapshot: bytes) -> Experience:
        Event().wait(3 * LEASE_MS / 1_000)
        return restore(experience, snapshot)

    monkeypatch.setattr(Experience, "restore", slowly)
    with RunningEngine(redis_url, 1), RunningEngine(redis_url, 2):
        crowd.come()
    assert len(crowd.log.of(WriterChanged)) == 2


def test_a_child_that_fails_or_hangs_costs_one_snapshot(
    crowd: Crowd, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed() -> float:
        return engine.figure("snapshots_total", outcome="failed")

    def away(*_: object) -> None:
        raise redis.ConnectionError("the store is away")

    monkeypatch.setattr("engine.making.fetch", lambda *_: whole(part_of(b"all"), [None]))
    crowd.come()
    engine.wait(lambda: failed() >= 1)
    monkeypatch.setattr("engine.making.fetch", lambda *_: os._exit(7))
    before = failed()
    crowd.come()
    engine.wait(lambda: failed() >= before + 2)
    monkeypatch.setattr("engine.making.fetch", away)
    with capture_logs() as said:
        crowd.come()
        engine.wait(lambda: any("the store is away" in one.get("why", "") for one in said))
    assert {one["log_level"] for one in said if "the store is away" in one.get("why", "")} == {"warning"}
    monkeypatch.setattr("engine.making.fetch", lambda *_: Event().wait(30))
    monkeypatch.setattr("engine.snapshots.MAKING_MS_MAX", 100)
    before = failed()
    engine.wait(lambda: failed() >= before + 2)
    assert (crowd.pairs.ids(), made_by(engine)) == ([], 0)
    monkeypatch.setattr("engine.making.fetch", fetch)
    engine.wait(lambda: made_by(engine) >= 1)
    crowd.come()
    assert crowd.pairs.ids()


def test_an_engine_that_ends_gives_up_what_is_being_made(
    crowd: Crowd, engine: RunningEngine, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.making.fetch", lambda *_: Event().wait(30))
    crowd.come()
    engine.wait(lambda: bool(crowd.pairs.announced()))
    engine.stop()
    assert crowd.pairs.ids() == []
    assert replay("drop", redis_url, None) == OK
