"""What lies between a process and the store: calls that take time, and what can become of them.

A call reaches the store, has its effect there, and its answer comes back; in trouble it is cut off before or behind its
effect, hangs until the caller gives it up, or has its effect long after that. ``Question`` is a blocking read; in
trouble its answer is empty, holds less than there is, or comes seconds later.

Hands over to: ``engines.py`` and ``gateways.py``, which call through a ``Link``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.exceptions import ConnectionError as CutOff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as GivenUp

from engine.io.streams import Found
from tests.engine.simulation.store import SimulatedStore
from tests.engine.simulation.world import US_PER_MS, World

ANSWER_TIMEOUT_US = 2_000_000
LATE_EFFECT_US_MAX = 4_000_000
HOP_US_MAX = 400

Then = Callable[[Any, RedisError | None], None]


class Network:
    """The store and the way to it. ``up``: whether it answers at all. ``breaks`` counts when connections broke."""

    def __init__(self, world: World, store: SimulatedStore) -> None:
        self.world = world
        self.store = store
        self.up = True
        self.breaks = 0
        self._blocked: list[Question] = []

    def block(self, question: Question) -> None:
        self._blocked.append(question)

    def written(self) -> None:
        """Something was added to a stream: whoever waits for it is answered."""
        if self._blocked:
            self._blocked = [question for question in self._blocked if not question.look()]

    def go_down(self) -> None:
        """Nobody is there, and every open connection is cut."""
        self.world.note("store", "is away")
        self.up = False
        self.breaks += 1
        self._blocked = []

    def come_up(self) -> None:
        """It answers, and takes writes."""
        self.up = True
        self.store.read_only = False
        self.world.note("store", "answers")


class Link:
    """The way of one process to the store. ``trouble`` is how many of 100 calls go wrong."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.trouble = 0

    def hop_us(self) -> int:
        """How long one way takes."""
        return self.network.world.chance.randrange(20, HOP_US_MAX)

    def call(self, effect: Callable[[], Any], then: Then) -> None:
        """Do ``effect`` at the store and hand its answer, or an error, to ``then``."""
        world = self.network.world
        if self.trouble and world.chance.randrange(100) < self.trouble:
            return self._call_in_trouble(effect, then)
        world.after(self.hop_us(), lambda: self._reach(effect, then))

    def _reach(self, effect: Callable[[], Any], then: Then) -> None:
        """The call is at the store."""
        if not self.network.up:
            return self.network.world.after(self.hop_us(), lambda: then(None, CutOff("nobody is there")))
        breaks, answer = self.network.breaks, None
        error: RedisError | None = None
        try:
            answer = effect()
        except RedisError as caught:
            error = caught
        self.network.world.after(self.hop_us(), lambda: self._come_back(then, answer, error, breaks))

    def _come_back(self, then: Then, answer: Any, error: RedisError | None, breaks: int) -> None:
        then(*(answer, error) if breaks == self.network.breaks else (None, CutOff("the answer was cut off")))

    def _call_in_trouble(self, effect: Callable[[], Any], then: Then) -> None:
        world = self.network.world
        kind = world.chance.choice(("before", "behind", "hangs", "late", "slow"))
        if kind == "behind":
            world.after(self.hop_us(), lambda: self._late(effect))
        elif kind == "late":
            world.after(world.chance.randrange(LATE_EFFECT_US_MAX), lambda: self._late(effect))
        elif kind == "slow":
            world.after(world.chance.randrange(ANSWER_TIMEOUT_US), lambda: self._reach(effect, then))
            return
        if kind == "hangs" or (kind == "late" and world.chance.random() < 0.5):
            world.after(ANSWER_TIMEOUT_US, lambda: then(None, GivenUp("no answer")))
        else:
            world.after(2 * HOP_US_MAX, lambda: then(None, CutOff(f"cut off {kind}")))

    def _late(self, effect: Callable[[], Any]) -> None:
        """What was sent before the cut has its effect; nobody hears of it."""
        if self.network.up:
            try:
                effect()
            except RedisError as error:
                self.network.world.note("store", f"an error nobody hears: {error}")


class Question:
    """A blocking read over a connection of its own. ``answer`` is None until it is there."""

    def __init__(self, link: Link, after: dict[str, str], count: int, block_ms: int | None) -> None:
        self.answer: Found | None = None
        self.asked = after
        self._link = link
        self._count = count
        self._block_ms = block_ms
        self._breaks = link.network.breaks
        self._given_up = False
        self._sent = False
        self._then: Callable[[], None] | None = None
        link.network.world.after(link.hop_us(), self._arrive)

    @property
    def broken(self) -> bool:
        """Whether its connection was cut."""
        return self._breaks != self._link.network.breaks or not self._link.network.up

    def when_answered(self, then: Callable[[], None]) -> None:
        """Call ``then`` once, when the answer is there."""
        self._then = then

    def forget(self) -> None:
        """Nobody waits for it any more."""
        self._given_up = True
        self._then = None

    def _arrive(self) -> None:
        if not self.look():
            if self._block_ms is None:
                return self._send({})
            self._link.network.block(self)
            self._link.network.world.after(self._block_ms * US_PER_MS, lambda: self._send({}))

    def look(self) -> bool:
        """At the store: answer if there is anything. True when there is nothing to wait for any more."""
        if self.broken or self._given_up or self._sent:
            return True
        found = self._link.network.store.read(self.asked, self._count)
        if found:
            self._send(self._less(found))
        return bool(found)

    def _less(self, found: Found) -> Found:
        """In trouble a read may bring less than there is, or nothing."""
        link, chance = self._link, self._link.network.world.chance
        if not link.trouble or chance.randrange(100) >= link.trouble:
            return found
        less = {key: entries[: chance.randrange(len(entries) + 1)] for key, entries in found.items()}
        return {key: entries for key, entries in less.items() if entries}

    def _send(self, found: Found) -> None:
        if not self.broken and not self._given_up and not self._sent:
            self._sent = True
            self._link.network.world.after(self._back_us(), lambda: self._come_back(found))

    def _back_us(self) -> int:
        """In trouble an answer may be on its way for seconds, and nothing tells the reader so."""
        link, chance = self._link, self._link.network.world.chance
        slow = link.trouble and chance.randrange(100) < link.trouble
        return chance.randrange(LATE_EFFECT_US_MAX) if slow else link.hop_us()

    def _come_back(self, found: Found) -> None:
        if self.answer is None and not self.broken:
            self.answer = found
            then, self._then = self._then, None
            if then is not None:
                then()
