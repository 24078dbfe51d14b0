"""``stanchion replay EXPERIENCE --explain TICKET``: the story of one ticket, from as much of the log as there is.

It is told from the entries alone, behind a replay that has proved them. Hands over to: ``engine.story``.
"""

from typing import NamedTuple

import redis

from engine.beginning import begin_early
from engine.io.streams import read_log
from engine.story import Story
from protocol.replica import Replica
from protocol.streams import START_ID


class Wanted(NamedTuple):
    """Which ticket. ``path`` None: of the only path that there is."""

    ticket: int
    path: str | None


class UnknownPathError(Exception):
    """It is not clear which path is meant; the text names those that there are."""


def explain(client: redis.Redis, replica: Replica, wanted: Wanted) -> list[str]:
    """Sentences about a ticket, up to the entry that ``replica`` stands at. Raises UnknownPathError, RedisError, and
    what is wrong with the log: LogError, StreamError, ReplicaError."""
    experience, until = replica.experience, replica.entry_id
    beginning = begin_early(client, experience, until)
    story, told = Story(_path(replica, wanted.path), wanted.ticket), beginning.replica
    if told.entry_id != START_ID:
        story.begin(told, told.entry_id)
    entries = read_log(client, experience, told.entry_id)
    while told.entry_id != until:
        story.entry(told.follow(*next(entries)), told)
    story.end(told)
    return story.sentences


def _path(replica: Replica, path: str | None) -> str:
    paths = list(replica.paths)
    if path is None and len(paths) == 1:
        return paths[0]
    if path is None or path not in paths:
        raise UnknownPathError(f"name one of the paths of {replica.experience} with --path: {', '.join(paths)}")
    return path
