"""The engine against the real store: what is sent is applied once, what is due happens, what is broken stays alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from engine.io import store
from engine.io.append import Outcome
from engine.io.streams import connect
from engine.metrics import Metrics
from engine.replay import OK
from engine.replay import main as replay
from engine.takeover import read_log_end, writer_changed
from loadtests.ports import free_port
from protocol.commands import Attach, Join, Limits, PlaceBid, PostNotice, SetReleaseRate
from protocol.events import (
    Admitted,
    Attached,
    Configured,
    Entry,
    Expired,
    Joined,
    Refused,
    Skipped,
    WindowMoved,
    WriterChanged,
)
from protocol.streams import FIELD_BATCH, FIELD_NUMBER, FIELD_SENDER, commands_key, lease_key, shard_of
from tests.support.engine import RunningEngine
from tests.support.samples import consumer, document, raw_auction, raw_path
from tests.support.stream import Follower, Sender
from tests.support.valkey import ValkeyProcess

IN_2100_MS = 4_102_444_800_000


@pytest.fixture
def engine(redis_url: str) -> Iterator[RunningEngine]:
    with RunningEngine(redis_url) as engine:
        yield engine


def queue(experience: str, **distribution: Any) -> Any:
    return document(id=experience, paths=[raw_path(distribution=distribution)])


def served(client: redis.Redis, experience: str, **distribution: Any) -> tuple[Sender, Follower]:
    """An experience that an engine has configured."""
    sender, follower = Sender(client, experience), Follower(client, experience)
    follower.wait_applied(sender, sender.create(queue(experience, **distribution)))
    return sender, follower


def intrude(redis_url: str, experience: str) -> None:
    """Take over, as an engine would that nobody has heard of."""

    async def take_over(rival: store.Store) -> list[Outcome]:
        end = await read_log_end(rival, experience)
        return await rival.commit([await writer_changed(rival, experience, end, end.now_ms)])

    with closing(store.Store(redis_url)) as rival:
        assert store.run(take_over(rival)) == [Outcome.APPENDED]


def writing(*engines: RunningEngine) -> RunningEngine:
    """The engine that took over."""
    (found,) = [engine for engine in engines if engine.figure("take_overs_total")]
    return found


def test_a_new_experience_is_served(client: redis.Redis, engine: RunningEngine) -> None:
    _, log = served(client, "drop")
    assert isinstance(log.entries[0].events[0], WriterChanged)
    assert len(log.of(Configured)) == 1
    assert log.ids[:2] == ["1-0", "1-1"]


def test_an_experience_that_was_there_before_is_served(client: redis.Redis, redis_url: str) -> None:
    sender, log = Sender(client, "drop"), Follower(client, "drop")
    number = sender.create(queue("drop"))
    with RunningEngine(redis_url):
        log.wait_applied(sender, number)


def test_what_comes_twice_is_applied_once(client: redis.Redis, engine: RunningEngine) -> None:
    sender, log = served(client, "drop", release_rate_per_minute=0)
    for number in range(10):
        sent = sender.send(Join(consumer(number)))
        sender.send_again(sent)
        sender.send_again(1)
    log.wait_applied(sender, sent)
    sender.send(Attach(consumer(0)))
    log.wait(lambda: len(log.of(Attached)) == 1)
    assert log.replica.paths["general"].tickets == 10
    assert len(log.of(Configured)) == 1


def test_a_batch_whose_predecessor_is_missing_waits_for_it(client: redis.Redis, engine: RunningEngine) -> None:
    _, log = served(client, "drop", release_rate_per_minute=0)
    elsewhere, sender = Sender(client, "elsewhere"), Sender(client, "drop")
    elsewhere.id = sender.id
    one, two = elsewhere.send(Join(consumer(1))), elsewhere.send(Join(consumer(2)))
    found: Any = client.xrange(commands_key("elsewhere"))
    batches = [fields for _, fields in found]
    sender.send_raw(batches[two - 1])
    sender.send_raw(batches[one - 1])
    log.wait(lambda: log.applied(sender.id) == one)
    sender.send_raw(batches[two - 1])
    log.wait(lambda: log.applied(sender.id) == two)
    assert log.replica.paths["general"].tickets == 2


def test_deadlines_need_no_commands(client: redis.Redis, engine: RunningEngine) -> None:
    sender, log = served(client, "drop", release_rate_per_minute=600, checkout_window_seconds=1)
    log.wait_applied(sender, sender.send(*(Join(consumer(number)) for number in range(15))))
    log.wait(lambda: sum(len(event.tickets) for event in log.of(Expired)) == 15)
    assert sum(len(event.tickets) for event in log.of(Admitted)) == 15
    times = [entry.now_ms for entry in log.entries[2:]]
    assert max(later - sooner for sooner, later in pairwise(times)) <= 1_000


def test_while_nothing_is_pending_nothing_is_appended(client: redis.Redis, engine: RunningEngine) -> None:
    idle_sender, idle = served(client, "idle", release_rate_per_minute=0)
    idle.wait_applied(idle_sender, idle_sender.send(Join(consumer(1))))
    sender, busy = served(client, "busy", release_rate_per_minute=600)
    busy.wait_applied(sender, sender.send(Join(consumer(1))))
    beats = len(busy.entries) + 3
    busy.wait(lambda: len(busy.entries) >= beats)
    idle.read()
    assert len(idle.entries) == 3


def test_a_step_that_only_dropped_is_an_entry_too(client: redis.Redis, engine: RunningEngine) -> None:
    sender, log = served(client, "drop")
    repeated = sender.send_again(1)
    log.wait(lambda: log.entries[-1].command_id == repeated)
    assert log.entries[-1].applied == {}
    assert log.entries[-1].events == []


def test_refusals_name_the_command(client: redis.Redis, engine: RunningEngine) -> None:
    sender, log = served(client, "drop", capacity=1, release_rate_per_minute=0)
    number = sender.send(Join(consumer(1)), Join(consumer(2)), Join(consumer(3)))
    log.wait_applied(sender, number)
    refused = [(one.sender, one.number, one.index, one.reason) for one in log.of(Refused)]
    assert refused == [(sender.id, number, index, "full") for index in (1, 2)]


@pytest.mark.parametrize(
    "fields",
    [
        {FIELD_SENDER: b"12345678", FIELD_NUMBER: 1, FIELD_BATCH: b"\xc1"},
        {FIELD_SENDER: b"12345678", FIELD_NUMBER: "one", FIELD_BATCH: b"\x90"},
        {FIELD_SENDER: b"12345678", FIELD_BATCH: b"\x90"},
        {"something": "else"},
    ],
)
def test_what_cannot_be_read_is_set_aside_and_the_rest_goes_on(
    client: redis.Redis, redis_url: str, engine: RunningEngine, fields: dict[Any, Any]
) -> None:
    sound, sound_log = served(client, "sound")
    sender, log = served(client, "poisoned", release_rate_per_minute=0)
    sender.send(Join(consumer(1)))
    poison = sender.send_raw(fields)
    log.wait_applied(sender, sender.send(Join(consumer(2))))
    assert [event.entry for event in log.of(Skipped)] == [poison]
    assert log.replica.paths["general"].tickets == 2
    sound_log.wait_applied(sound, sound.send(Attach(consumer(2))))
    assert len(sound_log.of(WriterChanged)) == 1
    engine.wait(lambda: engine.figure("experiences", state="degraded") == 1)
    engine.wait(lambda: engine.figure("experiences", state="writing") == 2)
    assert engine.figure("experiences", state="stopped") == 0
    engine.stop()
    assert replay("poisoned", redis_url, None) == OK


def test_many_experiences_share_a_round_trip(client: redis.Redis, engine: RunningEngine) -> None:
    pairs = [served(client, f"drop-{number}", release_rate_per_minute=0) for number in range(20)]
    sent = [sender.send(Join(consumer(1)), Join(consumer(2))) for sender, _ in pairs]
    for (sender, log), number in zip(pairs, sent, strict=True):
        log.wait_applied(sender, number)
        assert [event.first for event in log.of(Joined)] == [0]


def test_a_long_backlog_is_worked_off_in_bounded_steps(client: redis.Redis, redis_url: str) -> None:
    sender, log = Sender(client, "drop"), Follower(client, "drop")
    sender.create(queue("drop", release_rate_per_minute=0))
    for number in range(300):
        last = sender.send(Join(consumer(number)))
    for first in range(1_000, 51_000, 10_000):
        last = sender.send(*(Join(consumer(number)) for number in range(first, first + 10_000)))
    with RunningEngine(redis_url) as engine:
        log.wait_applied(sender, last)
        assert engine.figure("commands_total") == 50_301
    assert log.replica.paths["general"].tickets == 50_300
    assert len([entry for entry in log.entries if entry.applied]) >= 5


def test_an_engine_that_ends_in_order_leaves_its_place_at_once(client: redis.Redis, redis_url: str) -> None:
    with RunningEngine(redis_url, 0) as first, RunningEngine(redis_url, 1) as second:
        sender, log = served(client, "drop", release_rate_per_minute=60, checkout_window_seconds=30)
        log.wait_applied(sender, sender.send(*(Join(consumer(number)) for number in range(5))))
        writing(first, second).stop()
        log.wait(lambda: len(log.of(WriterChanged)) == 2)
        log.wait_applied(sender, sender.send(Join(consumer(9))))
    assert log.replica.paths["general"].tickets == 6
    assert log.of(WindowMoved) == [], "so short a gap was no outage"


def test_a_standby_goes_on_with_the_time_of_the_log(client: redis.Redis, redis_url: str) -> None:
    with RunningEngine(redis_url, 0) as first, RunningEngine(redis_url, 1) as second:
        sender, log = served(client, "drop", release_rate_per_minute=60)
        for number in range(3):
            log.wait_applied(sender, sender.send(Join(consumer(number))))
        writing(first, second).stop()
        log.wait(lambda: len(log.of(WriterChanged)) == 2)
        times = [entry.now_ms for entry in log.entries]
    assert times == sorted(times)


def test_a_rival_that_took_over_is_left_alone_and_followed(
    client: redis.Redis, redis_url: str, engine: RunningEngine
) -> None:
    sender, log = served(client, "drop", release_rate_per_minute=0)
    intrude(redis_url, "drop")
    number = sender.send(Join(consumer(1)))
    log.wait_applied(sender, number)
    epochs = [event.epoch for event in log.of(WriterChanged)]
    assert epochs == [1, 2, 3]
    assert engine.figure("refused_appends_total", why="fenced") == 1
    assert log.replica.paths["general"].tickets == 1


@pytest.mark.parametrize("broken", [False, True])
def test_a_rival_in_the_whole_shard_is_left_alone(
    client: redis.Redis, redis_url: str, engine: RunningEngine, broken: bool
) -> None:
    names = [f"drop-{number}" for number in range(10_000) if shard_of(f"drop-{number}") == 7][:3]
    pairs = [served(client, name, release_rate_per_minute=600) for name in names]
    for _ in range(3):
        for name in names:
            intrude(redis_url, name)
        if broken:
            client.client_kill_filter(_type="normal", skipme=True)
        for sender, log in pairs:
            log.wait_applied(sender, sender.send(Attach(consumer(1))))
    assert engine.figure("refused_appends_total", why="fenced") >= 1


def test_commands_that_vanished_are_not_built_upon(client: redis.Redis, engine: RunningEngine) -> None:
    sender, log = served(client, "drop", release_rate_per_minute=60)
    log.wait_applied(sender, sender.send(Join(consumer(1))))
    client.xdel(commands_key("drop"), log.entries[-1].command_id)
    engine.wait(lambda: engine.figure("refused_appends_total", why="commands_lost") == 1)
    engine.wait(lambda: engine.figure("experiences", state="degraded") == 1)
    served(client, "other")


def test_a_store_that_was_killed_loses_nothing(tmp_path: Path) -> None:
    store = ValkeyProcess(tmp_path / "data")
    store.start()
    try:
        with connect(store.url) as client, RunningEngine(store.url) as engine:
            sender, log = served(client, "drop", release_rate_per_minute=60, checkout_window_seconds=60)
            number = sender.send(*(Join(consumer(number)) for number in range(50)))
            log.wait_applied(sender, number)
            store.kill()
            store.start()
            late = Sender(client, "drop")
            log.wait_applied(late, late.send(Join(consumer(7)), Join(consumer(99))))
            assert engine.figure("store_losses_total") >= 1
        assert len(log.of(WriterChanged)) >= 2
        assert log.replica.paths["general"].tickets == 51
    finally:
        store.stop()


def test_an_engine_that_finds_no_store_waits_for_it(tmp_path: Path) -> None:
    store = ValkeyProcess(tmp_path / "data")
    with RunningEngine(store.url) as engine:
        engine.wait(lambda: engine.figure("store_losses_total") > 0)
        store.start()
        try:
            with connect(store.url) as client:
                served(client, "drop")
        finally:
            engine.stop()
            store.stop()


def test_a_lease_is_gone_after_an_orderly_end(client: redis.Redis, redis_url: str) -> None:
    with RunningEngine(redis_url):
        served(client, "drop")
        assert client.get(lease_key(shard_of("drop"))) is not None
    assert client.get(lease_key(shard_of("drop"))) is None


def test_a_merchants_words_and_rate_go_through(client: redis.Redis, engine: RunningEngine) -> None:
    sender, log = served(client, "drop", release_rate_per_minute=0)
    sender.send(PostNotice("control", "", "Hello", "info", None))
    log.wait_applied(sender, sender.send(SetReleaseRate("control", "", "general", Limits(release_rate_per_minute=600))))
    assert log.replica.notice is not None
    settings = log.replica.paths["general"].settings
    assert settings.distribution.release_rate_per_minute == 600


def test_entries_say_what_was_applied(client: redis.Redis, engine: RunningEngine) -> None:
    sender, log = served(client, "drop", release_rate_per_minute=0)
    number = sender.send(Join(consumer(1)))
    log.wait_applied(sender, number)
    entry: Entry = log.entries[-1]
    assert entry.applied == {sender.id: number}
    assert (entry.rules, entry.durable) == (1, "")
    assert client.xrange(commands_key("drop"), entry.command_id, entry.command_id)


def test_connections_that_break_lose_nothing_and_repeat_nothing(
    client: redis.Redis, redis_url: str, engine: RunningEngine
) -> None:
    sender, log = served(client, "drop", release_rate_per_minute=6_000, checkout_window_seconds=60)
    for number in range(300):
        sent = sender.send(Join(consumer(2 * number)), Join(consumer(2 * number + 1)))
        if number % 10 == 0:
            client.client_kill_filter(_type="normal", skipme=True)
            log.wait_applied(sender, sent)
    log.wait_applied(sender, sent)
    log.wait(lambda: not log.replica.paths["general"].roster.waiting)
    assert log.replica.paths["general"].tickets == 600
    assert engine.figure("store_losses_total") >= 1
    engine.stop()
    assert replay("drop", redis_url, None) == OK


def test_the_figures_are_shown(redis_url: str) -> None:
    metrics, port = Metrics(), free_port()
    metrics.take_overs.inc()
    metrics.serve("127.0.0.1", port)
    shown = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert "stanchion_engine_take_overs_total 1.0" in shown


def test_the_figures_tell_the_kinds_apart(client: redis.Redis, engine: RunningEngine) -> None:
    auction = raw_auction(ends_at=IN_2100_MS, start_price="10.00")
    paths = [raw_path(distribution={"max_active": 1}), auction]
    sender, log = Sender(client, "drop"), Follower(client, "drop")
    sender.create(document(id="drop", paths=paths))
    sender.send(*(Join(consumer(number), "general") for number in range(3)))
    log.wait_applied(sender, sender.send(PlaceBid(consumer(3), "auction", maximum=2_000)))
    engine.wait(lambda: engine.figure("events_total", type="admitted") == 1)
    assert engine.figure("events_total", type="bid_placed") == 1
    shown = {kind: engine.figure("live_tickets", kind=kind) for kind in ("queue", "auction")}
    assert shown == {"queue": 3, "auction": 1}
    assert engine.figure("open_windows", kind="queue") == 1
    assert engine.figure("open_windows", kind="auction") == engine.figure("open_offers", kind="queue") == 0
