"""Running a coroutine without a task for as long as it does not really wait.

A handshake whose app has all it needs at hand is over in one go: a task would only be made to be thrown away. From
Python 3.12 on that is what an eager task is. Before, the coroutine is driven by hand, and when it yields its first
future, a task is made around the rest, which yields that same future on: a coroutine that has begun cannot become a
task itself. What it must not do in the part driven by hand is ask for its task: `asyncio.timeout` and anyio do.
"""

import asyncio
import sys
import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

if sys.version_info >= (3, 12):

    def drive(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
        """Run ``coroutine`` now; the task that goes on with it if it waits, else None. It must not raise."""
        task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        return None if task.done() else task

else:

    def drive(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
        """Run ``coroutine`` now; the task that goes on with it if it waits, else None. It must not raise."""
        context = copy_context()
        try:
            first = context.run(coroutine.send, None)
        except StopIteration:
            return None
        return loop.create_task(_go_on(coroutine, first), context=context)


async def _go_on(coroutine: Coroutine[Any, Any, None], first: Any) -> None:
    await _rest(coroutine, first)


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    try:
        while True:
            try:
                answer = yield waits_for
            except BaseException as error:  # noqa: BLE001  # what it may catch is the coroutine's own matter
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(answer)
    except StopIteration:
        return
