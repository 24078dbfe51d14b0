"""What the tests of one real store share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from engine.io.streams import connect


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot may follow on the heels of another, and of one that failed."""
    monkeypatch.setattr("engine.snapshot_pace.REST_MS_MIN", 0)
    monkeypatch.setattr("engine.snapshot_pace.REST_TIMES", 0)
    monkeypatch.setattr("engine.snapshots.REST_MS_FAILED", 0)
