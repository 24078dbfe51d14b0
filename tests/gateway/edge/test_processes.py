"""What only a process of its own can show: the file limit, memory after a storm, the echo as it is started."""

import asyncio
import contextlib
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

from websockets.asyncio.client import connect

from gateway.edge.parked.framing import text_frame
from gateway.edge.parked.limits import FILES_KEPT
from tests.gateway.edge.test_apps import request
from tests.gateway.edge.test_door import READY, Client, client_of
from tests.gateway.edge.test_inbound import TEXT, masked

ROOM = 200
KNOCKING = 400
ROUNDS = 8
PER_ROUND = 150
GROWTH_BYTES_MAX = 2 << 20


@contextlib.asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONPATH": "."}
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.communicate()


async def port_of(process: Process) -> int:
    assert process.stdout is not None
    return int(await process.stdout.readline())


async def holds(port: int) -> dict[str, int]:
    async with client_of(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await client.rest()
    found: dict[str, int] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


async def settled(port: int) -> dict[str, int]:
    """What the child holds once nobody is there."""
    while (held := await holds(port))["parked"]:
        await asyncio.sleep(0.01)
    return held


async def knock(client: Client) -> bool:
    """Whether it was served; a refusal is whole, and comes before the upgrade."""
    await client.send(request("park"))
    head = await client.head()
    if head.startswith(b"HTTP/1.1 503 "):
        assert b"\r\nRetry-After: " in head
        assert json.loads(await client.rest())["reason"] == "busy"
        return False
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert await client.read(len(READY)) == READY
    return True


async def test_at_the_file_limit_everybody_is_served_or_refused() -> None:
    async with child("tests.gateway.edge.child_server", str(FILES_KEPT + ROOM), str(ROOM)) as process:
        port = await port_of(process)
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client_of(port)) for _ in range(KNOCKING)]
            served = await asyncio.gather(*map(knock, clients))
            assert sum(served) == ROOM
            for client, was_served in zip(clients, served, strict=True):
                if was_served:
                    await client.send(masked(TEXT, b"still here"))
                    assert await client.read(12) == text_frame(b"still here")
        assert (await settled(port))["parked"] == 0


async def test_storms_leave_descriptors_arrays_and_memory_as_they_were() -> None:
    async with child("tests.gateway.edge.child_server", str(FILES_KEPT + ROOM), str(ROOM)) as process:
        port = await port_of(process)
        after = []
        for _ in range(ROUNDS):
            async with contextlib.AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(client_of(port)) for _ in range(PER_ROUND)]
                assert all(await asyncio.gather(*map(knock, clients)))
            after.append(await settled(port))
        first, last = after[1], after[-1]
        memory, memory_before = last.pop("memory"), first.pop("memory")
        assert last == first
        assert (last["inbounds"], last["handshakes"]) == (0, 0)
        assert memory - memory_before < GROWTH_BYTES_MAX


async def test_the_echo_runs_as_it_is_started() -> None:
    async with child("gateway.echo", "--port", "0") as process:
        assert process.stderr is not None
        found = re.search(rb"ws://127\.0\.0\.1:(\d+)", await process.stderr.readline())
        assert found is not None
        async with connect(f"ws://127.0.0.1:{int(found[1])}", max_size=None) as client:
            for message in ("text", b"\0bytes", "€" * 100_000):
                await client.send(message)
                assert await client.recv() == message
