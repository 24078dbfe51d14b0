"""A whole stack, its gateways and engine too, on a store that a drill can do things to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtests.parts import Parts
from loadtests.ports import HOST
from loadtests.room import Room
from loadtests.workload import EXPERIENCE

RATE = 6_000


@asynccontextmanager
async def room_at(parts: Parts, store_port: int) -> AsyncIterator[Room]:
    """A stack of one gateway and one engine on the store at ``store_port``, its experience open. What it asks of
    others is awaited beside the drill, which may have to answer it."""
    room = Room(parts, 1, REDIS_URL=f"redis://{HOST}:{store_port}/0", STANCHION_REDIS_URL="")
    await asyncio.to_thread(room.__enter__)
    try:
        await asyncio.to_thread(room.configure, EXPERIENCE, release_rate_per_minute=RATE)
        yield room
    finally:
        await asyncio.to_thread(room.__exit__, None, None, None)
