"""A standby that is still looking where to begin when it takes over: what it has found by then may be trimmed away, or
of a history that a failover has lost. The failovers are real: the store's keys are put back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import pytest
import redis

from engine.beginning import Beginning, begin
from engine.duties import Duties
from engine.io.append import Appender, append_of
from engine.io.clock import NS_PER_MS
from engine.io.lease import LeaseDesk
from engine.io.store import Store, run
from engine.metrics import Metrics
from engine.settings import EngineSettings
from engine.shadows import Shadows
from engine.standby import Standby
from engine.succession import Succession
from engine.takeover import read_log_end
from engine.writer import Writer
from protocol.events import Entry
from protocol.streams import TIP_WRITER, lease_key, parse_entry_id, shard_of, tip_key
from tests.support.engine import RunningEngine, restored
from tests.support.line import EAGER, Line

pytestmark = pytest.mark.usefixtures("no_rest")

SLICES = 50


class Decoding(Store):
    """What a search has found is there when ``found`` is told, once; the searches after it are ordinary ones."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.found: Future[Beginning] = Future()
        self._asked = False

    def beginning(self, experience: str, until: str | None) -> Future[Beginning]:
        if self._asked:
            return super().beginning(experience, until)
        self._asked = True
        return self.found


class Successor:
    """A standby of ``drop``, up to its succession, driven by hand. It has begun to look where to begin."""

    def __init__(self, source: Decoding) -> None:
        self.source = source
        self.duties = Duties(Metrics())
        self._leases = LeaseDesk(source, "engine-7", 600, 200)
        shadows = Shadows(source, warm=True)
        settings = EngineSettings(lease_ms=600, beat_ms=200)
        self._succession = Succession(settings, Metrics(), source, self.duties, self._leases, Standby(), shadows)
        self.duties.know(["drop"])
        self._leases.add([shard_of("drop")])
        shadows.keep(["drop"], self._now_ms())
        shadows.advance(self._now_ms())
        assert shadows.beginning

    def _now_ms(self) -> int:
        return self.source.clocks().steady_ns // NS_PER_MS

    def take_over(self) -> str:
        """Answers the ID of the entry by which it took over."""
        run(self._leases.tend(self._now_ms()))
        run(self._succession.take_over("drop"))
        return self.duties.restoring["drop"][2].end.entry_id

    def restore(self) -> Writer:
        for _ in range(SLICES):
            run(self._succession.restore_some())
        assert self.duties.stopped == {}
        return self.duties.writers["drop"]


@pytest.fixture
def successor(redis_url: str) -> Iterator[Successor]:
    with closing(Decoding(redis_url)) as source:
        yield Successor(source)


def kept(client: Any) -> dict[bytes, bytes]:
    """The store as it is now, but for the leases, which would run out."""
    return {key: client.dump(key) for key in client.keys("*") if key != lease_key(shard_of("drop")).encode()}


def fail_over(client: Any, to: dict[bytes, bytes]) -> None:
    """Everything behind ``to`` is lost."""
    client.flushall()
    for key, value in to.items():
        client.restore(key, 0, value)


def test_a_beginning_that_was_trimmed_away_meanwhile_is_looked_for_again(
    client: redis.Redis, redis_url: str, successor: Successor
) -> None:
    with RunningEngine(redis_url, **EAGER) as engine:
        line = Line(client)
        line.snapshots(engine, 1)
        found = begin(client, "drop", None)
        line.snapshots(engine, 4)
    successor.source.found.set_result(found)
    successor.take_over()
    writer = successor.restore()
    assert writer.digest() == restored(redis_url, "drop", None).experience.digest()


def test_a_beginning_of_a_history_that_was_lost_is_looked_for_again(
    client: redis.Redis, redis_url: str, successor: Successor
) -> None:
    with RunningEngine(redis_url, **EAGER) as engine:
        line = Line(client)
        line.snapshots(engine, 1)
        before = kept(client)
        line.snapshots(engine, 3)
    successor.source.found.set_result(begin(client, "drop", None))
    fail_over(client, before)
    successor.take_over()
    writer = successor.restore()
    assert writer.digest() == restored(redis_url, "drop", None).experience.digest()


def test_a_beginning_at_another_entry_of_our_own_id_is_not_believed(
    client: Any, redis_url: str, successor: Successor
) -> None:
    """A take-over is lost with its epoch, and a pair behind it; whoever wrote before it writes on, up to where the next
    take-over gets the ID at which that pair stood."""
    with RunningEngine(redis_url):
        Line(client).come()
    before, end = kept(client), run(read_log_end(successor.source, "drop"))
    with RunningEngine(redis_url, **EAGER) as engine:
        Line(client).snapshots(engine, 1)
    found = begin(client, "drop", None)
    assert found.manifest is not None
    fail_over(client, before)
    state, writer = restored(redis_url, "drop", None).experience, client.hget(tip_key("drop"), TIP_WRITER)
    while end.next_seq < parse_entry_id(found.manifest.entry_id)[1]:
        now_ms = end.now_ms + 100
        events, applied = state.step(now_ms, [])
        entry = Entry(1, now_ms, end.command_id, applied, "", events)
        append = append_of("drop", writer, end.epoch, end, entry)
        assert Appender(client).commit([append])[0].committed
        end = append.end
    successor.source.found.set_result(found)
    assert successor.take_over() == found.manifest.entry_id
    assert successor.restore().digest() == restored(redis_url, "drop", None).experience.digest()
