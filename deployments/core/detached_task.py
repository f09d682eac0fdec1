"""Tasks that outlive the request that starts them, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVar

Result = TypeVar("Result")


def detached_task(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Starts `work` as a task with an empty context, in the running event loop.

    A task usually inherits the context of the request that starts it. A Serve handle counts every call
    made in that context as part of the request, and the call ends with it. Work that serves several
    requests must not end with the first of them.

    The event loop holds tasks weakly: the caller keeps the task.
    """
    return asyncio.get_running_loop().create_task(work, context=Context())


def cancel_from_any_thread(task: asyncio.Task[Any]) -> None:
    """Cancels a task of an event loop that may run in another thread, or be closed.

    In the loop's own thread at once, so that the task makes no further step.
    """
    if _running_loop() is task.get_loop():
        task.cancel()
        return
    with suppress(RuntimeError):  # the loop is closed, and runs nothing any more
        task.get_loop().call_soon_threadsafe(task.cancel)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
