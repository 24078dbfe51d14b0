"""What this process says about itself on ``/metrics``. Labels are ids of experiences, types of frames and reason codes:
nothing about a person, ever.

Frames are counted in a plain dict, because they are told by the ten thousand; the registry reads it when it is asked.
"""

from collections import Counter as Count
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

LAG_SECONDS_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_TYPE_BEGINS = len('{"type":"')


class Metrics(Collector):
    """The figures of one gateway process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.frames: Count[bytes] = Count()
        self.sockets = self._of_room("sockets", "Sockets held by this process")
        self.replica_lag = self._of_room("replica_lag_seconds", "How far the replica may be behind the log")
        self.unapplied = self._of_room("unapplied_commands", "Commands that are not known to be applied")
        of_room = ("experience",)
        self.entries = Counter("stanchion_gateway_entries", "Event entries read", of_room, registry=self.registry)
        self.resyncs = Counter(
            "stanchion_gateway_resyncs", "Replicas thrown away and read anew", of_room, registry=self.registry
        )
        self.faults = Counter(
            "stanchion_gateway_faults", "Unexpected errors of ours in a room", of_room, registry=self.registry
        )
        self.handshakes = Counter(
            "stanchion_gateway_handshakes", "Sockets, event streams and polls let in", ("way",), registry=self.registry
        )
        self.refusals = Counter(
            "stanchion_gateway_refusals", "Refusals told, by reason", ("reason",), registry=self.registry
        )
        self.loop_lag = Histogram(
            "stanchion_gateway_loop_lag_seconds",
            "How late the event loop runs a due timer",
            buckets=LAG_SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.store_lost = Gauge(
            "stanchion_gateway_store_lost", "1 while a part of the store does not answer", registry=self.registry
        )
        self.registry.register(self)

    def _of_room(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"stanchion_gateway_{name}", documentation, ("experience",), registry=self.registry)

    def count(self, frame: bytes, times: int = 1) -> None:
        """``frame``, as our encoder writes it (its type comes first), is told to ``times`` sockets."""
        self.frames[frame[_TYPE_BEGINS : frame.index(b'"', _TYPE_BEGINS)]] += times

    def collect(self) -> Iterator[CounterMetricFamily]:
        """For the registry."""
        family = CounterMetricFamily("stanchion_gateway_frames", "Frames told, by type", labels=("type",))
        for kind, times in list(self.frames.items()):
            family.add_metric((kind.decode(),), times)
        yield family
