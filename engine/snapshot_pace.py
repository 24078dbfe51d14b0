"""When a snapshot is due: what a take-over would have to replay is kept short, and the store is not written full.

A snapshot of a big state costs more than a tail of small commands, so one engine makes one at a time and rests between
two for as long as the last took, ``REST_TIMES`` over.

Pure. Hands over to: ``engine.snapshots``.
"""

from msgspec import Struct

from engine.settings import EngineSettings

REST_TIMES = 2
REST_MS_MIN = 1_000
REST_MS_FAILED = 10_000
MS_PER_SECOND = 1_000
MIB = 1_024 * 1_024


class Since(Struct):
    """What was added to the log since the last snapshot; ``at_ms``: since when this is counted here (None: not yet)."""

    entries: int = 0
    commands: int = 0
    log_bytes: int = 0
    at_ms: int | None = None

    def copy(self) -> "Since":
        """The same, at this instant."""
        return Since(self.entries, self.commands, self.log_bytes, self.at_ms)

    def less(self, counted: "Since", at_ms: int) -> "Since":
        """What is left of it behind a snapshot that stands where ``counted`` was true, at ``at_ms``."""
        entries, commands = self.entries - counted.entries, self.commands - counted.commands
        return Since(entries, commands, self.log_bytes - counted.log_bytes, at_ms)


def is_due(since: Since, settings: EngineSettings, now_ms: int) -> bool:
    """Whether it is time, at ``now_ms`` of the clock of ``since``."""
    if since.entries == 0:
        return False
    age_ms = 0 if since.at_ms is None else now_ms - since.at_ms
    return (
        since.commands >= settings.snapshot_commands
        or since.entries >= settings.snapshot_entries
        or since.log_bytes >= settings.snapshot_mib * MIB
        or age_ms >= settings.snapshot_s * MS_PER_SECOND
    )


def rest_until_ms(began_ms: int, ended_ms: int) -> int:
    """Before when no other one begins, after one that took from ``began_ms`` to ``ended_ms``."""
    return ended_ms + max(REST_MS_MIN, REST_TIMES * (ended_ms - began_ms))
