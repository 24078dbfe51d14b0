"""``stanchion audit EXPERIENCE``: was every promise kept? Asked of the log alone, with the model of ``engine.audit``.

Where the log was trimmed it begins at the oldest snapshot that still verifies, and says so.

Unlike a replay it does not run the engine's code again: an error in the core that replays faithfully is found here.
"""

import sys
from contextlib import closing

from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from engine.audit import Audit
from engine.audit_beginning import audit_from
from engine.audits.promises import Broken
from engine.beginning import Beginning, begin_early
from engine.io.nodes import Nodes
from engine.io.streams import StreamError, log_length, read_log
from engine.replay import beginning_of
from engine.takeover import LogError
from protocol.streams import START_ID, shard_of

OK = 0
FAILURE = 1


def main(experience: str, redis_url: str) -> int:
    """Audit the whole log and print what it holds; the exit code, 1 where a promise was broken."""
    console, complaints = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with closing(Nodes(redis_url)) as nodes:
            client = nodes.of(shard_of(experience))
            beginning = begin_early(client, experience, None)
            audit = audit_from(beginning)
            entries, length = read_log(client, experience, audit.entry_id), log_length(client, experience)
            for entry in track(
                entries,
                "entries",
                total=length,
                console=Console(stderr=True),
                transient=True,
                disable=not sys.stderr.isatty(),
            ):
                audit.entry(*entry)
    except (Broken, LogError, StreamError, RedisError) as error:
        complaints.print(f"{experience}: {error}", markup=False)
        return FAILURE
    if audit.entry_id == START_ID:
        complaints.print(f"{experience}: there is no log of this experience", markup=False)
        return FAILURE
    console.print(_report(experience, audit, beginning), soft_wrap=True)
    return OK


def _report(experience: str, audit: Audit, beginning: Beginning) -> Table:
    summary = audit.summary()
    table = Table.grid(padding=(0, 2))
    table.add_row("experience", experience)
    for fault in beginning.faults:
        table.add_row("not used", fault)
    table.add_row("from", beginning_of(beginning.manifest))
    table.add_row("entries", f"{summary['entries']}, the last is {summary['last']}")
    table.add_row("writers", f"{summary['writers']}")
    for path_id, path in summary["paths"].items():
        counted = ("tickets", "admitted", "completed", "by_hand")
        table.add_row(path_id, ", ".join(f"{path[what]} {what.replace('_', ' ')}" for what in counted))
        if path["burst"] is not None:
            near = f"the fullest span since the last change of rate was {path['metering_worst']} admissions over it"
            table.add_row("", f"{near}; {path['burst']} are allowed")
    table.add_row("kept", "chain, order, one ticket each, one admission each, rate, caps, stock, windows")
    return table
