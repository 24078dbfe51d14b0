"""The writer's side of snapshots: when one is due a child makes it, and when it is stored its manifest is let count.

All of the log that a stored snapshot makes superfluous is trimmed in the same transaction, which happens only while
this engine still is the writer. The writer's commits go on meanwhile: the loop is held for the announcement and a fork
(5 ms at a million tickets) and, later, for the transaction by which it counts.

What goes wrong with a snapshot costs nobody anything but the next one: it is said, counted, and tried again after a
rest. Hands over to: ``engine.making`` (the child), ``engine.io.snapshots`` (the store), ``engine.trimming``.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
import structlog

from engine.beginning import newest_manifest
from engine.io.snapshots import Change, announce, discard, fenced, replace, stored_manifests
from engine.io.streams import StreamError
from engine.making import Fork, Making, MakingAwayError, MakingError, Order, OvertakenError
from engine.metrics import Metrics
from engine.settings import EngineSettings
from engine.snapshot_pace import REST_MS_FAILED, Since, is_due, rest_until_ms
from engine.trimming import Readers, bound_of, look_at, trim
from engine.writer import Writer
from protocol.codec import DecodeError
from protocol.manifest import Manifest, ManifestError
from protocol.streams import START_ID, parse_entry_id, readers_key

MAKING_MS_MAX = 300_000
"""A child that takes longer hangs: it is killed."""

ClientOf = Callable[[str], redis.Redis]
"""The client of the server that has an experience."""

log = structlog.get_logger()


class Snapshots:
    """The snapshots that this engine makes, one at a time. Times are of its steady clock, in ms."""

    def __init__(self, client_of: ClientOf, settings: EngineSettings, metrics: Metrics, fork: Fork) -> None:
        self._client_of = client_of
        self._settings = settings
        self._metrics = metrics
        self._fork = fork
        self._child: Making | None = None
        self._counted = Since()
        self._not_before_ms = 0

    def tend(self, writers: Mapping[str, Writer], now_ms: int, *, may_begin: bool) -> None:
        """See how far the child is, or begin what is due. While another thread is at work nothing is begun: a child
        would be without that thread, but with whatever it had locked. Raises RedisError."""
        for writer in writers.values():
            if writer.since.at_ms is None:
                writer.since.at_ms = now_ms
        if self._child is not None:
            self._look(self._child, writers, now_ms)
        elif may_begin and now_ms >= self._not_before_ms:
            self._begin(writers, now_ms)

    def end(self) -> None:
        """The engine ends: what is being made is given up."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _begin(self, writers: Mapping[str, Writer], now_ms: int) -> None:
        due = [one for one in writers.values() if one.at_rest and is_due(one.since, self._settings, now_ms)]
        if not due:
            return
        writer = max(due, key=lambda one: one.since.commands)
        settings = self._settings
        order = Order(
            settings.redis_url, writer.writer, writer.state, writer.replica, writer.end, settings.snapshot_pause_ms
        )
        if not announce(self._client_of(writer.id), writer.id, writer.end):
            return  # somebody else writes: the next append will tell
        begun_ns = time.monotonic_ns()
        self._child = self._fork(order, now_ms)
        self._metrics.fork_seconds.observe((time.monotonic_ns() - begun_ns) / 1e9)
        self._counted = writer.since.copy()

    def _look(self, child: Making, writers: Mapping[str, Writer], now_ms: int) -> None:
        try:
            manifest = child.poll()
            if manifest is None and now_ms - child.began_ms > MAKING_MS_MAX:
                child.kill()
                raise MakingError(f"it was not made within {MAKING_MS_MAX} ms")
        except OvertakenError:
            self._ended(child, now_ms)
            self._overtaken(child)
            return
        except (MakingError, ManifestError) as error:
            self._ended(child, now_ms)
            self._not_before_ms = now_ms + REST_MS_FAILED
            self._failed(child, error)
            return
        if manifest is not None:
            self._ended(child, now_ms)
            self._stored(child, manifest, writers.get(child.experience))

    def _ended(self, child: Making, now_ms: int) -> None:
        self._child = None
        self._not_before_ms = rest_until_ms(child.began_ms, now_ms)
        self._metrics.snapshot_seconds.observe((now_ms - child.began_ms) / 1_000)

    def _failed(self, child: Making, error: Exception) -> None:
        """A store that is away is no fault of ours, and said as such elsewhere too."""
        self._metrics.snapshots.labels("failed").inc()
        say = log.warning if isinstance(error, MakingAwayError) else log.error
        say("snapshot failed", experience=child.experience, entry=child.entry_id, why=str(error))
        self._discard(child)

    def _overtaken(self, child: Making) -> None:
        """Another writer has taken over meanwhile, as it should when this one was away: what was made is nobody's."""
        self._metrics.snapshots.labels("overtaken").inc()
        log.warning("snapshot given up", experience=child.experience, entry=child.entry_id)
        self._discard(child)

    def _discard(self, child: Making) -> None:
        discard(self._client_of(child.experience), child.experience, child.writer, child.entry_id)

    def _stored(self, child: Making, manifest: Manifest, writer: Writer | None) -> None:
        if writer is None or writer.writer != child.writer:
            self._overtaken(child)
        elif self._let_count(writer, manifest):
            writer.base = manifest
            writer.since = writer.since.less(self._counted, child.began_ms)
            self._metrics.snapshots.labels("made").inc()
            self._metrics.snapshot_bytes.set(manifest.snapshot.size_bytes)
            log.info("snapshot", experience=writer.id, entry=manifest.entry_id, bytes=manifest.snapshot.size_bytes)
        else:
            self._overtaken(child)

    def _let_count(self, writer: Writer, manifest: Manifest) -> bool:
        readers = Readers(None, [])

        def plan(watching: Any) -> Change:
            nonlocal readers
            last_seq = parse_entry_id(writer.end.entry_id)[1]
            registered = watching.hgetall(readers_key(writer.id))
            readers = look_at(registered, last_seq, self._settings.reader_behind_entries)
            return self._change(watching, writer, manifest, readers)

        done = fenced(self._client_of(writer.id), writer.id, writer.end.chain, plan)
        if done:
            self._tell_struck(writer, readers.struck)
        return done

    def _change(self, watching: Any, writer: Writer, manifest: Manifest, readers: Readers) -> Change:
        """What lets ``manifest`` count: with it older pairs and readers too far behind go, and what nobody needs."""
        stored = stored_manifests(watching, writer.id)
        previous = self._previous(watching, writer, stored)
        try:
            bound = None if previous is None else bound_of(watching, writer.id, previous, readers.least)
        except (StreamError, DecodeError) as error:
            log.error("log not trimmed", experience=writer.id, why=str(error))
            bound = None

        def change(pipeline: Any) -> None:
            replace(pipeline, writer.id, manifest, START_ID if previous is None else previous.entry_id, stored)
            for name in readers.struck:
                pipeline.hdel(readers_key(writer.id), name)
            if bound is not None:
                trim(pipeline, writer.id, bound)

        return change

    def _previous(self, watching: Any, writer: Writer, stored: dict[bytes, bytes]) -> Manifest | None:
        """The pair that stays beside a new one: the last that is known to hold, or, where a failover has lost that one
        again, the newest that is left."""
        base = writer.base
        if base is None or stored.get(base.entry_id.encode()):
            return base
        return newest_manifest(watching, writer.id, writer.end.entry_id)

    def _tell_struck(self, writer: Writer, struck: list[str]) -> None:
        for name in struck:
            self._metrics.readers_struck_out.inc()
            log.error("reader struck out", experience=writer.id, reader=name, entry=writer.end.entry_id)
