"""``stanchion replay EXPERIENCE``: what the log says, read once more from its first byte.

Where the log was trimmed it begins at the oldest snapshot that still verifies, and says so.

Every entry must follow the one before it by its chain, and every step must come out byte for byte as it stands there.
What is left at the end is the state that the writer had at that entry: the digest is the one that the engine logs when
it ends in order.

Hands over to: ``engine.restoration``, which does the work; here it is only shown. ``engine.explaining`` (one ticket).
"""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime

import redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from engine.beginning import begin_early
from engine.explaining import UnknownPathError, Wanted, explain
from engine.io.nodes import Nodes
from engine.io.store import Store
from engine.io.streams import StreamError, log_length, read_log
from engine.restoration import Restoration
from engine.takeover import LogError
from protocol import codec
from protocol.codec import DecodeError
from protocol.manifest import Manifest
from protocol.path_replica import PathReplica
from protocol.replica import Replica, ReplicaError
from protocol.states import TicketState
from protocol.streams import START_ID, parse_entry_id, shard_of

OK = 0
FAILURE = 1
USAGE = 2
SLICE_MS = 200
MS_PER_SECOND = 1_000


class UntilError(ValueError):
    """What is named is neither an entry nor an instant."""


def main(experience: str, redis_url: str, until: str | None, wanted: Wanted | None = None) -> int:
    """Replay up to and with ``until`` (an entry, an instant, None: to the end) and print what was found, or the story
    of the ``wanted`` ticket; the exit code."""
    console, complaints = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with closing(Nodes(redis_url)) as nodes:
            client = nodes.of(shard_of(experience))
            last = None if until is None else entry_of(client, experience, until)
            restoration, seconds = _replayed(client, experience, redis_url, last)
            if restoration.replica.entry_id == START_ID:
                raise LogError("there is no log of this experience")
            story = [] if wanted is None else explain(client, restoration.replica, wanted)
    except (UntilError, UnknownPathError) as error:
        complaints.print(str(error), markup=False)
        return USAGE
    except (LogError, StreamError, DecodeError, ReplicaError, RedisError) as error:
        complaints.print(f"{experience}: {error}", markup=False)
        return FAILURE
    if wanted is None:
        console.print(_report(restoration, seconds), soft_wrap=True)
    for sentence in story:
        console.print(sentence, soft_wrap=True, markup=False)
    return OK


def entry_of(client: redis.Redis, experience: str, until: str) -> str:
    """The entry that ``until`` names: itself, or the last one at or before an instant. Raises UntilError, LogError."""
    with suppress(ValueError):
        parse_entry_id(until)
        return until
    last, until_ms = None, _instant_ms(until)
    for found in read_log(client, experience):
        if codec.decode_entry(found.payload).now_ms > until_ms:
            break
        last = found.entry_id
    if last is None:
        raise LogError(f"the log has no entry at or before {until}")
    return last


def _instant_ms(until: str) -> int:
    try:
        at = datetime.fromisoformat(until)
    except ValueError as error:
        raise UntilError(f"{until!r} is neither an entry, as 7-42, nor an instant, as 2026-11-27T10:00:00Z") from error
    return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * MS_PER_SECOND)


def _replayed(client: redis.Redis, experience: str, redis_url: str, until: str | None) -> tuple[Restoration, float]:
    """The restoration, at its end, and how many seconds it took."""
    with closing(Store(redis_url, begin_early)) as store:
        restoration = Restoration(store, experience, until)
        started_ns = time.monotonic_ns()
        _replay(restoration, log_length(client, experience))
        return restoration, (time.monotonic_ns() - started_ns) / 1e9


def _replay(restoration: Restoration, entries: int) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("entries", total=entries)
        while not restoration.done:
            restoration.advance(SLICE_MS)
            progress.update(task, completed=restoration.entries)


def _report(restoration: Restoration, seconds: float) -> Table:
    replica = restoration.replica
    table = Table.grid(padding=(0, 2))
    table.add_row("experience", replica.experience)
    for fault in restoration.faults:
        table.add_row("not used", fault)
    table.add_row("from", beginning_of(restoration.manifest))
    table.add_row("entry", replica.entry_id)
    table.add_row("time", f"{replica.now_ms} ms")
    table.add_row("entries", f"{restoration.entries}")
    table.add_row("commands", f"{restoration.commands}")
    table.add_row("tickets", f"{sum(path.tickets for path in replica.paths.values())}")
    for line in _paths(replica):
        table.add_row("", line)
    table.add_row(
        "speed", f"{restoration.commands / seconds:,.0f} commands/s, {restoration.entries / seconds:,.0f} entries/s"
    )
    table.add_row("chain", replica.chain.hex())
    table.add_row("digest", restoration.experience.digest())
    return table


def beginning_of(manifest: Manifest | None) -> str:
    """Where a reading of the log began, in words."""
    if manifest is None:
        return "the first entry"
    return f"the snapshot at entry {manifest.entry_id}: what came before is trimmed and was not looked at"


def _paths(replica: Replica) -> Iterator[str]:
    for path_id, path in replica.paths.items():
        states = ", ".join(f"{count} {word}" for word, count in _states(path))
        yield f"{path_id}: {path.phase}, {states or 'no tickets'}"


def _states(path: PathReplica) -> Iterator[tuple[str, int]]:
    for state in TicketState:
        count = path.states.count(state)
        if count:
            yield state.word, count
