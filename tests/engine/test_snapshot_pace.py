"""When a snapshot is due, and how long the engine rests after one."""

from __future__ import annotations

import pytest

from engine.settings import EngineSettings
from engine.snapshot_pace import MIB, REST_MS_MIN, Since, is_due, rest_until_ms

SETTINGS = EngineSettings(snapshot_commands=100, snapshot_entries=10, snapshot_mib=2, snapshot_s=60)


@pytest.mark.parametrize(
    ("since", "now_ms", "due"),
    [
        (Since(), 10**9, False),
        (Since(0, 0, 0, 0), 10**9, False),
        (Since(1, 99, 2 * MIB - 1, 0), 59_999, False),
        (Since(1, 100, 0, 0), 0, True),
        (Since(10, 0, 0, 0), 0, True),
        (Since(1, 0, 2 * MIB, 0), 0, True),
        (Since(1, 0, 0, 0), 60_000, True),
        (Since(1, 0, 0, None), 60_000, False),
    ],
)
def test_commands_entries_bytes_or_time_make_one_due_if_anything_happened(since: Since, now_ms: int, due: bool) -> None:
    assert is_due(since, SETTINGS, now_ms) == due


def test_what_came_while_one_was_made_counts_for_the_next() -> None:
    since = Since(5, 90, 1_000, 7)
    counted = since.copy()
    since.entries, since.commands, since.log_bytes = 8, 130, 1_700
    assert since.less(counted, 12) == Since(3, 40, 700, 12)


def test_the_rest_is_as_long_as_the_work_was_but_never_none() -> None:
    assert rest_until_ms(1_000, 1_010) == 1_010 + REST_MS_MIN
    assert rest_until_ms(1_000, 3_000) == 7_000
