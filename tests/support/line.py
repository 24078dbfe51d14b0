"""Consumers who come to one experience at a real store, with snapshots made between them."""

from __future__ import annotations

from functools import partial
from typing import Any

import redis

from protocol.commands import Join
from tests.support.engine import RunningEngine
from tests.support.pairs import Pairs
from tests.support.samples import consumer, document, raw_path
from tests.support.stream import Follower, Sender

EAGER: dict[str, Any] = {"snapshot_commands": 20, "snapshot_pause_ms": 0}
"""Settings of an engine: a snapshot after every twenty commands."""


class Line:
    """Consumers who come to the experience ``drop``, twenty at a time; what the log says is followed."""

    def __init__(self, client: redis.Redis) -> None:
        self.client: Any = client
        self.sender, self.log = Sender(client, "drop"), Follower(client, "drop")
        self.pairs = Pairs(client, "drop")
        terms = {"release_rate_per_minute": 60_000, "checkout_window_seconds": 600}
        self.wait(self.sender.create(document(id="drop", paths=[raw_path(distribution=terms)])))
        self._come = 0

    def wait(self, number: int) -> None:
        """Returns when the log has this command."""
        self.log.wait_applied(self.sender, number)

    def come(self, count: int = 20) -> int:
        """So many more join; returns when the log has them: how many have come."""
        sent = self.sender.send(*(Join(consumer(self._come + one)) for one in range(count)))
        self._come += count
        self.wait(sent)
        return self._come

    def snapshots(self, engine: RunningEngine, count: int) -> list[str]:
        """Have people come, a snapshot's worth at a time, until ``count`` are made; the entries where pairs stand."""
        for made in range(int(made_by(engine)) + 1, count + 1):
            self.come()
            engine.wait(partial(lambda made: made_by(engine) >= made, made))
        return self.pairs.ids()

    @property
    def tickets(self) -> int:
        return self.log.replica.paths["general"].tickets


def made_by(engine: RunningEngine) -> float:
    """How many snapshots it has made."""
    return engine.figure("snapshots_total", outcome="made")
