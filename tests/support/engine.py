"""An engine in a thread of the test, for what can be seen without killing it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry

from engine.beginning import Begin, begin
from engine.io import store
from engine.making import Child
from engine.metrics import Metrics
from engine.restoration import Restoration
from engine.runner import Runner
from engine.settings import EngineSettings
from engine.snapshots import Snapshots

LEASE_MS = 600
STOP_S = 20.0
WAIT_S = 120.0
POLL_S = 0.01
SLICE_MS = 1_000


class RunningEngine:
    """Runs from ``with`` to its end, where it stops in order. Quick leases, so that tests are quick."""

    def __init__(self, redis_url: str, number: int = 0, **settings: Any) -> None:
        quick = {"lease_ms": LEASE_MS, "beat_ms": LEASE_MS // 3}
        self._metrics = Metrics()
        told = EngineSettings(redis_url=redis_url, number=number, **(quick | settings))
        outside = store.Store(redis_url, wait_replicas=told.wait_replicas)
        snapshots = Snapshots(outside.client_of, told, self._metrics, Child)
        self.runner = Runner(told, self._metrics, outside, snapshots)
        self._thread = Thread(target=lambda: store.run(self.runner.run()))

    @property
    def registry(self) -> CollectorRegistry:
        return self._metrics.registry

    def figure(self, name: str, **labels: str) -> float:
        """What a metric says now; 0 for one that was never counted."""
        return self.registry.get_sample_value(f"stanchion_engine_{name}", labels) or 0.0

    def wait(self, condition: Callable[[], bool]) -> None:
        """Return once ``condition`` holds. Raises AssertionError after ``WAIT_S``."""
        end = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < end, "what was waited for did not come"
            time.sleep(POLL_S)

    def __enter__(self) -> RunningEngine:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it in order; one that ended already is fine."""
        self.runner.stop()
        self._thread.join(STOP_S)
        assert not self._thread.is_alive(), "the engine does not stop"

    def __exit__(self, *_: object) -> None:
        self.stop()


def restored(redis_url: str, experience: str, until: str | None, begin: Begin = begin) -> Restoration:
    """An experience as an engine restores it, up to and with the entry ``until``."""
    with closing(store.Store(redis_url, begin)) as source:
        restoration = Restoration(source, experience, until)
        while not restoration.done:
            restoration.advance(SLICE_MS)
    return restoration
