"""Merges several streams into one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

Event = TypeVar("Event")


async def merged(*sources: AsyncGenerator[Event, None]) -> AsyncGenerator[tuple[int, Event], None]:
    """Yields each event of `sources` when it is there, with its source's position.

    Reads at most one event of each source ahead. Raises the first error of a source. Closes all sources
    when it ends or is closed.
    """
    if len(sources) == 1:  # needs no task for each event
        async with aclosing(sources[0]) as only:
            async for event in only:
                yield 0, event
        return
    waiting = {asyncio.create_task(_step(source)): number for number, source in enumerate(sources)}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=waiting.__getitem__):
                number = waiting.pop(task)
                for event in task.result():
                    waiting[asyncio.create_task(_step(sources[number]))] = number
                    yield number, event
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for source in sources:
            await source.aclose()


async def _step(source: AsyncGenerator[Event, None]) -> list[Event]:
    """The next event in a list; an empty list at the end."""
    async for event in source:
        return [event]
    return []
