"""Supervised children, and waiting for what becomes of them."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable

from deploy.supervisor import Child, ChildSpec, ChildState, Launch, spawn

PATIENCE_S = 20.0


class Watched:
    """A child, and waiting for what becomes of it."""

    def __init__(self, spec: ChildSpec, launch: Launch = spawn) -> None:
        self._changes = asyncio.Condition()
        self._pending: set[asyncio.Task[None]] = set()
        self.child = Child(spec, self._changed, launch)

    def _changed(self) -> None:
        task = asyncio.create_task(self._tell())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _tell(self) -> None:
        async with self._changes:
            self._changes.notify_all()

    async def until(self, condition: Callable[[ChildState], bool]) -> ChildState:
        """Its state once ``condition`` holds."""
        async with asyncio.timeout(PATIENCE_S), self._changes:
            await self._changes.wait_for(lambda: condition(self.child.state))
        return self.child.state


def wait_for_end(descriptor: int) -> None:
    """Return when the process behind a pidfd is gone."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    ended = poller.poll(PATIENCE_S * 1000)
    os.close(descriptor)
    assert ended, "it still runs"
