"""Background tasks that outlive the request that starts them."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def detached_task(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Starts a task in an empty context. Needs a running event loop.

    In the request's own context, a Serve handle would treat the task's calls as parts of that request and
    cancel them when the request ends.
    """
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())
