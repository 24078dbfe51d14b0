"""The numbers of an experience, counted in the replica that this process has anyway: no question to engine or store."""

from gateway.control.content import Counts, PathStats, StatsAnswer, StockLine, Waits
from gateway.hub import Room
from protocol.path_replica import RATE_SPAN_MS, PathReplica


def of_room(room: Room, worker: int) -> StatsAnswer:
    """All numbers of ``room`` as this process, number ``worker``, knows them."""
    replica = room.replica
    assert replica.document is not None, "only a configured experience has numbers"
    paths = [_path(path, room.now_ms()) for path in replica.paths.values()]
    stock = {name: StockLine(one.total, one.reserved, one.completed) for name, one in replica.stock.items()}
    return StatsAnswer(
        experience=room.experience,
        phase=replica.phase,
        revision=replica.revision,
        total=_total(paths, replica.document.release_rate_per_minute),
        paths=paths,
        stock=stock,
        sockets=room.sockets,
        worker=worker,
        now=room.now_ms(),
        lag_ms=room.lag_ms(),
        entry=replica.entry_id,
    )


def _path(path: PathReplica, now_ms: int) -> PathStats:
    since_ms = now_ms - RATE_SPAN_MS
    return PathStats(
        id=path.settings.id,
        phase=path.phase,
        paused=path.paused,
        sold_out=path.sold_out,
        joined=path.tickets,
        waiting=path.roster.waiting,
        admitted=path.admitted,
        active=len(path.windows),
        completed=path.completed,
        expired=path.expired,
        release_rate_per_minute=path.settings.distribution.release_rate_per_minute,
        measured_per_minute=path.admissions_since(since_ms),
        waits=_waits(path, since_ms, now_ms),
    )


def _waits(path: PathReplica, since_ms: int, now_ms: int) -> Waits:
    """p50 and p90 of those admitted in the last minute, and how long the first who waits has done so."""
    percentiles = path.waits.percentiles(since_ms, (50, 90)) or (None, None)
    first = path.roster.first()
    longest_ms = None if first is None else max(0, now_ms - path.waits.joined_ms(first))
    return Waits(*(None if ms is None else ms / 1000 for ms in (*percentiles, longest_ms)))


def _total(paths: list[PathStats], asked: int | None) -> Counts:
    return Counts(
        joined=sum(path.joined for path in paths),
        waiting=sum(path.waiting for path in paths),
        admitted=sum(path.admitted for path in paths),
        active=sum(path.active for path in paths),
        completed=sum(path.completed for path in paths),
        expired=sum(path.expired for path in paths),
        release_rate_per_minute=asked,
        measured_per_minute=sum(path.measured_per_minute for path in paths),
    )
