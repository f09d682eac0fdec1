"""A detached task knows nothing of the request that started it, and ends when somebody says so."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from deployments.core.detached_task import cancel_from_any_thread, detached_task

REQUEST = ContextVar("REQUEST", default="none")


async def request_of_the_task() -> str:
    return REQUEST.get()


async def test_a_detached_task_has_an_empty_context() -> None:
    """It does not see the variables of the code that starts it."""
    REQUEST.set("first")
    assert await request_of_the_task() == "first"
    assert await detached_task(request_of_the_task()) == "none"


async def test_a_cancelled_task_makes_no_further_step() -> None:
    """Also where what it waits for has happened already."""
    came, steps = asyncio.Event(), []

    async def wait() -> None:
        await came.wait()
        steps.append("after")

    task = detached_task(wait())
    await asyncio.sleep(0)
    came.set()
    cancel_from_any_thread(task)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == []


def test_another_thread_wakes_the_loop_of_the_task_that_it_cancels() -> None:
    """A loop that waits for nothing else would not notice otherwise."""

    async def run() -> None:
        task = detached_task(asyncio.Event().wait())
        await asyncio.sleep(0)  # it waits
        thread = threading.Thread(target=cancel_from_any_thread, args=[task])
        thread.start()
        done, _ = await asyncio.wait([task], timeout=5)
        thread.join()
        assert done

    asyncio.run(run(), debug=True)  # then asyncio refuses calls from other threads that don't wake the loop


def test_a_task_of_a_closed_loop_has_nothing_to_end() -> None:
    """As when the process ends."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.Event().wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    cancel_from_any_thread(task)
    task.get_coro().close()
