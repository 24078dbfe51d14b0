"""How far the log and the commands are trimmed once a new snapshot stands.

Below the snapshot before it, so that either can still be used, and below the least of what the registered readers are
done with. Commands are kept for every entry that is kept, so that whatever is there of the log can be replayed. A
reader that is too far behind would make the store grow for ever: it is struck out, loudly, and has to begin anew.

Pure but for ``bound_of``, which reads one entry. Hands over to: ``engine.snapshots``, in whose transaction it is done.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.io.streams import log_entry
from protocol import codec
from protocol.manifest import Manifest
from protocol.streams import START_ID, commands_key, events_key, parse_entry_id


class Bound(NamedTuple):
    """The first entry and the first entry of the commands stream that are kept."""

    entry_id: str
    command_id: str


class Readers(NamedTuple):
    """``least``: the entry that all readers in time are done with, None without any; ``struck``: the others' names."""

    least: str | None
    struck: list[str]


def look_at(readers: Mapping[bytes, bytes], last_seq: int, behind_entries_max: int) -> Readers:
    """Who is in time, as the log ends with the sequence number ``last_seq``. What is no entry ID is not in time."""
    places: dict[str, tuple[int, int]] = {}
    struck = []
    for field, value in sorted(readers.items()):
        name = field.decode(errors="replace")
        try:
            place = parse_entry_id(value.decode())
        except ValueError:
            struck.append(name)
            continue
        if last_seq - place[1] > behind_entries_max:
            struck.append(name)
        else:
            places[value.decode()] = place
    return Readers(min(places, key=lambda one: places[one], default=None), struck)


def bound_of(client: Any, experience: str, previous: Manifest, least: str | None) -> Bound | None:
    """How far may be trimmed, or None for not at all. Raises StreamError, DecodeError, RedisError."""
    if least is None or parse_entry_id(least) >= parse_entry_id(previous.entry_id):
        return Bound(previous.entry_id, previous.command_id)
    for entry_id, fields in client.xrange(events_key(experience), min=least, count=1):
        found = log_entry(entry_id.decode(), fields)
        return Bound(found.entry_id, codec.decode_entry(found.payload).command_id)
    return None


def trim(pipeline: Any, experience: str, bound: Bound) -> None:
    """Remove what lies before ``bound``."""
    pipeline.xtrim(events_key(experience), minid=bound.entry_id, approximate=False)
    if bound.command_id != START_ID:
        pipeline.xtrim(commands_key(experience), minid=bound.command_id, approximate=False)
