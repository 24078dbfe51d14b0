"""A warm standby at a real store: it follows what another engine writes, takes over with that, and begins anew where
it cannot go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from engine.io.clock import NS_PER_MS
from engine.io.store import Store
from engine.io.streams import connect
from engine.shadows import ANEW_MS, Shadows
from engine.takeover import LogError
from protocol.events import WriterChanged
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, events_key
from tests.support.engine import RunningEngine, restored
from tests.support.line import EAGER, Line
from tests.support.valkey import ValkeyProcess

pytestmark = pytest.mark.usefixtures("no_rest")


@pytest.fixture
def source(redis_url: str) -> Iterator[Store]:
    with closing(Store(redis_url)) as source:
        yield source


def warm(source: Store) -> Shadows:
    """What follows ``drop`` and stands at the end of its log."""
    shadows = Shadows(source, warm=True)
    shadows.keep(["drop"], now_ms(source))
    catch_up(shadows, source)
    return shadows


def now_ms(source: Store) -> int:
    return source.clocks().steady_ns // NS_PER_MS


def catch_up(shadows: Shadows, source: Store) -> None:
    """Go on until there is nothing to do, without its rests."""
    while (due_ms := shadows.due_ms) is not None:
        shadows.advance(max(due_ms, now_ms(source)))


@pytest.mark.parametrize("standby", ["warm", "cold"])
def test_a_standby_takes_over_with_what_stands_ready(client: redis.Redis, redis_url: str, standby: str) -> None:
    with RunningEngine(redis_url, 0) as first:
        line = Line(client)
        with RunningEngine(redis_url, 1, standby=standby) as second:
            line.come()
            if standby == "warm":
                second.wait(lambda: second.figure("experiences", state="warm") == 1)
            line.come()
            first.stop()
            line.come()
            assert second.figure("restorations_total", standby=standby) == 1
            assert second.figure("experiences", state="warm") <= 1
    assert line.tickets == 60
    assert len(line.log.of(WriterChanged)) == 2


def test_it_follows_the_writer_entry_by_entry(client: redis.Redis, redis_url: str, source: Store) -> None:
    with RunningEngine(redis_url):
        line = Line(client)
        line.come()
        shadows = warm(source)
        (shadow,) = shadows.kept
        before = shadow.entries
        assert (shadows.ready, shadow.done) == (1, True)
        for _ in range(3):
            line.come()
            shadows.stir("drop")
            assert shadows.ready == 0
            catch_up(shadows, source)
    assert shadow.entries >= before + 3
    assert shadow.experience.digest() == restored(redis_url, "drop", shadow.replica.entry_id).experience.digest()


def test_what_is_taken_goes_up_to_the_entry_and_knows_the_newest_snapshot(
    client: redis.Redis, redis_url: str, source: Store
) -> None:
    with RunningEngine(redis_url, **EAGER) as engine:
        line = Line(client)
        line.come()
        shadows = warm(source)
        line.snapshots(engine, 1)
        shadows.stir("drop")
        catch_up(shadows, source)
        line.come()
    (newest, *_), end = line.pairs.ids(), line.log.ids[-1]
    taken = shadows.take("drop", end)
    while not taken.done:
        taken.advance(1_000)
    fresh = restored(redis_url, "drop", end)
    assert (taken.resumed, taken.replica.entry_id) == (True, end)
    assert taken.experience.digest() == fresh.experience.digest()
    assert taken.manifest is not None and taken.manifest.entry_id == newest
    assert taken.entries == fresh.entries, "counted from that snapshot on"
    assert shadows.kept == [], "it is the writer's now"


def test_one_that_is_behind_the_trimming_begins_anew(client: redis.Redis, redis_url: str, source: Store) -> None:
    with RunningEngine(redis_url, **EAGER) as engine:
        line = Line(client)
        shadows = warm(source)
        line.snapshots(engine, 3)
        begun_ms = now_ms(source)
        shadows.stir("drop")
        catch_up(shadows, source)
        assert (shadows.kept, shadows.due_ms) == ([], None)
        shadows.keep(["drop"], begun_ms + ANEW_MS - 1)
        assert shadows.kept == [], "a while later"
        shadows.keep(["drop"], now_ms(source) + 2 * ANEW_MS)
        catch_up(shadows, source)
    (shadow,) = shadows.kept
    assert shadow.manifest is not None
    assert shadow.experience.digest() == restored(redis_url, "drop", shadow.replica.entry_id).experience.digest()


def test_what_does_not_fit_the_log_is_restored_from_the_store(
    client: redis.Redis, redis_url: str, source: Store
) -> None:
    """The store lost the last entries that the standby had read, as a failover may."""
    with RunningEngine(redis_url, 0) as engine:
        line = Line(client)
        line.come()
        with RunningEngine(redis_url, 1) as standby:
            standby.wait(lambda: standby.figure("experiences", state="warm") == 1)
            (shadow,) = standby.runner._shadows.kept
            shadow.replica.chain = bytes(32)
            engine.stop()
            line.come()
            standby.wait(lambda: standby.figure("restorations_total", standby="cold") == 1)
    assert line.tickets == 40


def test_a_log_that_nobody_can_follow_is_left_alone_for_a_while(
    client: redis.Redis, redis_url: str, source: Store
) -> None:
    with RunningEngine(redis_url):
        line = Line(client)
        line.come()
    flawed: Any = client.xrevrange(events_key("drop"), count=1)
    ((entry_id, fields),) = flawed
    client.xdel(events_key("drop"), entry_id)
    epoch, seq = entry_id.decode().split("-")
    client.xadd(
        events_key("drop"), {FIELD_ENTRY: fields[FIELD_ENTRY], FIELD_CHAIN: bytes(32)}, id=f"{epoch}-{int(seq) + 1}"
    )
    shadows = Shadows(source, warm=True)
    shadows.keep(["drop"], now_ms(source))
    catch_up(shadows, source)
    assert (shadows.kept, shadows.ready) == ([], 0)
    with pytest.raises(LogError):
        restored(redis_url, "drop", None)


def test_one_that_is_cut_off_is_given_up_and_begun_anew_at_once(tmp_path: Path) -> None:
    store = ValkeyProcess(tmp_path / "data")
    store.start()
    try:
        with connect(store.url) as client, closing(Store(store.url)) as source:
            with RunningEngine(store.url):
                line = Line(client)
                shadows = warm(source)
                line.come()
            store.kill()
            shadows.stir_all()
            with pytest.raises(redis.RedisError):
                catch_up(shadows, source)
            assert shadows.kept == []
            store.start()
            shadows.keep(["drop"], now_ms(source))
            catch_up(shadows, source)
            (shadow,) = shadows.kept
            assert shadow.replica.entry_id == line.log.ids[-1]
            shadows.keep([], now_ms(source))
            assert shadows.kept == [], "somebody else's"
    finally:
        store.stop()
