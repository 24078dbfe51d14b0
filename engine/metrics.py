"""What an engine counts, for Prometheus. No label names a person or an experience: their number has no bound.

What happens to the six kinds is counted as it is written, by the type of its event, in a plain dict that the registry
reads when it is asked; how much of each kind is open is not counted at all, but added up then.

Hands over to: ``engine.runner``, which counts.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from protocol.distributions import kind_of

if TYPE_CHECKING:
    from engine.core.path import Path
    from engine.writer import Writer
    from protocol.events import AnyEvent

COMMIT_BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LATE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
SNAPSHOT_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
FORK_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class Metrics(Collector):
    """The figures of one engine process, in a registry of their own. ``writers``: what this engine writes now, by
    experience; whoever counts puts it there."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events: Count[type[AnyEvent]] = Count()
        self.writers: Mapping[str, Writer] = {}
        self.commands = Counter(
            "stanchion_engine_commands", "Commands applied, refused or dropped as repeats", registry=self.registry
        )
        self.entries = Counter("stanchion_engine_entries", "Entries appended to the logs", registry=self.registry)
        self.unconfirmed = Counter(
            "stanchion_engine_unconfirmed", "Entries that too few replicas had in time", registry=self.registry
        )
        self.refused_appends = Counter(
            "stanchion_engine_refused_appends", "Appends that the store refused", ["why"], registry=self.registry
        )
        self.commit_seconds = Histogram(
            "stanchion_engine_commit_seconds",
            "From the start of a round of steps to its commit",
            buckets=COMMIT_BUCKETS_S,
            registry=self.registry,
        )
        self.poisoned = Counter(
            "stanchion_engine_poisoned", "Steps that raised and were taken again with care", registry=self.registry
        )
        self.late_seconds = Histogram(
            "stanchion_engine_deadline_late_seconds",
            "How late deadlines fire",
            buckets=LATE_BUCKETS_S,
            registry=self.registry,
        )
        self.take_overs = Counter("stanchion_engine_take_overs", "Times this engine took over", registry=self.registry)
        self.restorations = Counter(
            "stanchion_engine_restorations",
            "States rebuilt at a take-over, by what stood ready",
            ["standby"],
            registry=self.registry,
        )
        self.epoch = Gauge("stanchion_engine_epoch", "The highest epoch that this engine took", registry=self.registry)
        self.experiences = Gauge(
            "stanchion_engine_experiences", "Experiences of this engine, by state", ["state"], registry=self.registry
        )
        self.clocks_doubtful = Counter(
            "stanchion_engine_clocks_doubtful",
            "Take-overs at which this machine's clock and the store's differed",
            registry=self.registry,
        )
        self.store_losses = Counter(
            "stanchion_engine_store_losses", "Times the store did not answer", registry=self.registry
        )

        self.snapshots = Counter(
            "stanchion_engine_snapshots", "Snapshots by what became of them", ["outcome"], registry=self.registry
        )
        self.snapshot_bytes = Gauge(
            "stanchion_engine_snapshot_bytes", "Size of the last snapshot, without its replica", registry=self.registry
        )
        self.snapshot_seconds = Histogram(
            "stanchion_engine_snapshot_seconds",
            "From the fork of a snapshot's child to its manifest",
            buckets=SNAPSHOT_BUCKETS_S,
            registry=self.registry,
        )
        self.fork_seconds = Histogram(
            "stanchion_engine_fork_seconds",
            "How long forks held the loop",
            buckets=FORK_BUCKETS_S,
            registry=self.registry,
        )
        self.snapshots_unusable = Counter(
            "stanchion_engine_snapshots_unusable", "Stored snapshots that did not verify", registry=self.registry
        )
        self.readers_struck_out = Counter(
            "stanchion_engine_readers_struck_out", "Readers that were too far behind", registry=self.registry
        )
        self.registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """For the registry, in the thread that asks it: each dict is copied in one go before it is walked."""
        events = CounterMetricFamily("stanchion_engine_events", "Events written, by type", labels=("type",))
        for event, times in list(self.events.items()):
            events.add_metric((str(event.__struct_config__.tag),), times)
        yield events
        states = [writer.state for writer in list(self.writers.values())]
        paths = [path for state in states for path in list(state.paths.values())]
        yield _by_kind("live_tickets", "Tickets that have not ended", paths, lambda path: path.tickets.alive)
        yield _by_kind("open_windows", "Checkout windows that are open", paths, lambda path: len(path.windows.open))
        yield _by_kind("open_offers", "Offers that may be claimed", paths, lambda path: len(path.offers.open))

    def serve(self, host: str, port: int) -> None:
        """Show the figures over HTTP, in a thread of their own."""
        start_http_server(port, host, self.registry)


def _by_kind(name: str, documentation: str, paths: list[Path], of: Callable[[Path], int]) -> GaugeMetricFamily:
    """``of`` each path, added up over those of a kind."""
    sums: Count[str] = Count()
    for path in paths:
        sums[kind_of(path.settings.distribution)] += of(path)
    family = GaugeMetricFamily(f"stanchion_engine_{name}", f"{documentation}, by kind", labels=("kind",))
    for kind, total in sums.items():
        family.add_metric((kind,), total)
    return family
