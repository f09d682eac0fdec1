"""Deadlines of streams. Each is a time of the running event loop's clock, in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

from deployments.core.errors import DeadlineExceeded

Item = TypeVar("Item")

INCOMPLETE = "the answer was not complete in time"


def check_deadline(deadline: float) -> None:
    """Raises DeadlineExceeded from `deadline` on.

    A slow reader needs this check: its next item is always ready, so it never waits and never times out.
    """
    if asyncio.get_running_loop().time() >= deadline:
        raise DeadlineExceeded(INCOMPLETE)


async def next_before(
    deadline: float, items: AsyncGenerator[Item, None], message: str = INCOMPLETE
) -> Item | None:
    """Returns the next item, or None after the last.

    Raises DeadlineExceeded(message) when it would have to wait beyond `deadline`.
    """
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(items, None)
    except TimeoutError:
        raise DeadlineExceeded(message) from None
