"""A coroutine without a task, for as long as it does not really wait."""

import asyncio
import contextvars

import pytest

from gateway.edge.parked.driving import drive

colour = contextvars.ContextVar("colour", default="none")


async def test_what_does_not_wait_is_over_at_once_and_costs_no_task() -> None:
    done = []

    async def quick() -> None:
        colour.set("red")
        done.append(colour.get())

    before = len(asyncio.all_tasks())
    assert drive(quick(), asyncio.get_running_loop()) is None
    assert done == ["red"]
    assert colour.get() == "none", "it ran in a context of its own"
    assert len(asyncio.all_tasks()) == before


async def test_what_waits_goes_on_as_a_task_in_its_context() -> None:
    seen: list[int | str] = []
    first: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def slow() -> None:
        colour.set("blue")
        seen.append(await first)
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        seen.append(colour.get())

    task = drive(slow(), asyncio.get_running_loop())
    assert task is not None
    assert seen == []
    first.set_result(7)
    await task
    assert seen == [7, "blue"]


async def test_a_future_that_fails_fails_inside() -> None:
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen = []

    async def slow() -> None:
        try:
            await first
        except LookupError as error:
            seen.append(str(error))

    task = drive(slow(), asyncio.get_running_loop())
    assert task is not None
    first.set_exception(LookupError("gone"))
    await task
    assert seen == ["gone"]


async def test_it_can_be_cancelled_where_it_waits() -> None:
    seen = []

    async def slow() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = drive(slow(), asyncio.get_running_loop())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]
