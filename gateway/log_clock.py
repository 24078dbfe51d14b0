"""What time it is by the log: the only clock that consumers are told. Pure; the process's clocks are arguments.

Every live entry brings a sample of (log's time − our monotonic clock), late by however long the entry was on its way,
so the largest sample of the last minute or two is the best one. Between entries the time runs on with our monotonic
clock. Entries read while catching up are old and are no samples; until there is one, our wall clock has to do.

A better sample may be a smaller one: then the time stands still until it is reached, as nobody may be told an instant
before one that they were told. Only a clock that was wrong by more than ``BACK_MS_MAX`` is corrected at once.
"""

SPAN_MS = 60_000
BACK_MS_MAX = 5_000


class LogClock:
    """The log's time in epoch milliseconds, from our monotonic clock in milliseconds."""

    def __init__(self, wall_ms: int, monotonic_ms: int) -> None:
        self._best = wall_ms - monotonic_ms
        self._best_before: int | None = None
        self._span_began_ms: int | None = None
        self._told_ms = wall_ms

    def seen(self, entry_ms: int, monotonic_ms: int) -> None:
        """An entry of the log's time ``entry_ms`` has just arrived."""
        sample = entry_ms - monotonic_ms
        if self._span_began_ms is None:
            self._best, self._span_began_ms = sample, monotonic_ms
        elif monotonic_ms - self._span_began_ms >= SPAN_MS:
            self._best_before, self._best, self._span_began_ms = self._best, sample, monotonic_ms
        else:
            self._best = max(self._best, sample)

    def now_ms(self, monotonic_ms: int) -> int:
        """The log's time at ``monotonic_ms``, which is not before that of the last question."""
        best = self._best if self._best_before is None else max(self._best, self._best_before)
        now_ms = monotonic_ms + best
        if not 0 < self._told_ms - now_ms <= BACK_MS_MAX:
            self._told_ms = now_ms
        return self._told_ms
