"""The forked children that make snapshots: the real ``engine.making.steps``, taken one by one by a task of the world.

A fork has the state of one instant, so the first step, which encodes it, is taken then. A child goes on while its
parent is stopped, and notices at its next chunk that its parent has died; it may be killed at any call, or hang.

Hands over to: ``clients.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from redis.exceptions import RedisError

from engine.making import MakingAwayError, MakingError, Order, steps
from protocol.manifest import Manifest, ManifestError
from tests.engine.simulation.clients import Killed, SimulatedClient
from tests.engine.simulation.links import Link
from tests.engine.simulation.world import US_PER_MS

PACE_US_MAX = 40 * US_PER_MS
HANGS = "hangs"


class Parent(Protocol):
    """The process that forked it."""

    alive: bool


class Fate(NamedTuple):
    """At its call number ``at`` a child is killed, or from then on it ``hangs``."""

    at: int
    hangs: bool


class Childhood:
    """All children of one process."""

    def __init__(self, link: Link, parent: Parent, fates: list[Fate]) -> None:
        self._link = link
        self._parent = parent
        self._fates = fates

    def fork(self, order: Order, began_ms: int) -> SimulatedChild:
        """The shape of ``engine.making.Fork``."""
        fate = self._fates.pop() if self._fates else None
        return SimulatedChild(self._link, self._parent, order, began_ms, fate)


class SimulatedChild:
    """The shape of ``engine.making.Making``."""

    def __init__(self, link: Link, parent: Parent, order: Order, began_ms: int, fate: Fate | None) -> None:
        self.experience, self.writer, self.entry_id = order.state.id, order.writer, order.end.entry_id
        self.began_ms = began_ms
        self._world = link.network.world
        self._fate = fate
        self._calls = 0
        self._alive = True
        self._manifest: Manifest | None = None
        self._error: MakingError | None = None
        client: Any = SimulatedClient(link, self)  # a client of the real library, as far as it is used
        self._steps = steps(client, order, lambda: parent.alive)
        next(self._steps)
        self._rest()

    def _rest(self) -> None:
        self._world.after(1 + self._world.chance.randrange(PACE_US_MAX), self._go_on)

    def _go_on(self) -> None:
        if not self._alive:
            return
        try:
            next(self._steps)
        except StopIteration as end:
            self._manifest = end.value
        except MakingError as error:
            self._error = error
        except ManifestError as error:
            self._error = MakingError(str(error))
        except RedisError as error:
            self._error = MakingAwayError(str(error))
        except Killed as killed:
            self._end(str(killed))
        else:
            self._rest()

    def _end(self, why: str) -> None:
        self._world.note("child", f"of {self.experience} at {self.entry_id} {why}")
        if self._alive and why != HANGS:
            self._error = MakingError("the child ended without an answer")
        self._alive = False

    def strike(self, name: str, *, behind: bool) -> None:
        """See ``clients.Caller``."""
        self._calls += 1
        if not self._alive:
            raise Killed("is killed")
        if self._fate is not None and self._calls > self._fate.at:
            raise Killed(HANGS if self._fate.hangs else f"is killed at {name}")

    def poll(self) -> Manifest | None:
        """Raises MakingError."""
        if self._error is not None:
            raise self._error
        return self._manifest

    def kill(self) -> None:
        """SIGKILL."""
        self._alive = False
