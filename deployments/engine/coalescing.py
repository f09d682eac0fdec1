"""Fewer messages for one stream: the first delta at once, later ones gathered for a few milliseconds.

Each delta crosses three processes on its way to the client, and costs about the same there whatever it
holds. A reader's first word must not wait; of the rest it can't tell 25 ms.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import MISSING, fields, replace
from functools import reduce
from typing import Any

from deployments.core.messages import Delta

_DEFAULTS: dict[str, Any] = {
    field.name: field.default for field in fields(Delta) if field.default is not MISSING
}


def merged(deltas: Sequence[Delta]) -> Delta:
    """One delta for several consecutive ones, at least one: text and ids joined.

    Of every other field, also of one that this knows nothing of, the last value given counts.
    """
    return reduce(_joined, deltas)


def _joined(earlier: Delta, later: Delta) -> Delta:
    unset = (name for name, default in _DEFAULTS.items() if getattr(later, name) == default)
    carried = {name: getattr(earlier, name) for name in unset}
    return replace(later, text=earlier.text + later.text, ids=earlier.ids + later.ids, **carried)


async def coalesced(deltas: AsyncGenerator[Delta, None], interval_s: float) -> AsyncGenerator[Delta, None]:
    """`deltas`, at most one every `interval_s` seconds behind the first; 0 passes each on as it comes.

    What is gathered leaves at once when the stream ends. An error comes behind what came before it. Closing
    this closes `deltas`.
    """
    if interval_s <= 0:
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta
        return
    loop = asyncio.get_running_loop()
    gathered: list[Delta] = []
    news = asyncio.Event()
    # A task of its own, since a generator's step that is given up halfway can't be taken again.
    reading = asyncio.create_task(_gather(deltas, gathered, news))
    reading.add_done_callback(lambda _: news.set())
    first = True
    try:
        while True:
            await news.wait()
            if not gathered:
                break  # news of the end
            part = gathered[:1] if first else gathered[:]
            del gathered[: len(part)]
            first = False
            if not (gathered or reading.done()):
                news.clear()
            due = loop.time() + interval_s
            yield merged(part)
            await asyncio.wait([reading], timeout=max(due - loop.time(), 0))  # the stream's end comes early
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _gather(deltas: AsyncGenerator[Delta, None], gathered: list[Delta], news: asyncio.Event) -> None:
    async with aclosing(deltas):
        async for delta in deltas:
            gathered.append(delta)
            news.set()
