"""Sends fewer messages for one stream: the first delta at once, later ones merged for some milliseconds.

Each delta crosses three processes on its way to the client, and its cost there hardly depends on its
size. The first delta must not wait, since it is the TTFT; readers do not notice 25 ms between later
ones.
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
    """Merges at least one consecutive delta into one: joins texts and ids.

    Every other field takes its last value that is not the default, whatever fields `Delta` has.
    """
    return reduce(_joined, deltas)


def _joined(earlier: Delta, later: Delta) -> Delta:
    unset = (name for name, default in _DEFAULTS.items() if getattr(later, name) == default)
    carried = {name: getattr(earlier, name) for name in unset}
    return replace(later, text=earlier.text + later.text, ids=earlier.ids + later.ids, **carried)


async def coalesced(deltas: AsyncGenerator[Delta, None], interval_s: float) -> AsyncGenerator[Delta, None]:
    """Yields `deltas`, merged so that at least `interval_s` seconds pass between two; 0 merges none.

    Does not delay the first delta, nor the rest at the end of the stream. Raises an error of `deltas`
    after the deltas that preceded it. Closing this generator closes `deltas`.
    """
    if interval_s <= 0:
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta
        return
    loop = asyncio.get_running_loop()
    gathered: list[Delta] = []
    wake = asyncio.Event()
    # A task reads `deltas`, because a timeout would cancel a generator's step, which can't be repeated.
    reading = asyncio.create_task(_gather(deltas, gathered, wake))
    reading.add_done_callback(lambda _: wake.set())
    first = True
    try:
        while True:
            await wake.wait()
            if not gathered:
                break  # `deltas` have ended
            part = gathered[:1] if first else gathered[:]
            del gathered[: len(part)]
            first = False
            if not (gathered or reading.done()):
                wake.clear()
            due = loop.time() + interval_s
            yield merged(part)
            await asyncio.wait([reading], timeout=max(due - loop.time(), 0))  # shorter at the end
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _gather(deltas: AsyncGenerator[Delta, None], gathered: list[Delta], wake: asyncio.Event) -> None:
    async with aclosing(deltas):
        async for delta in deltas:
            gathered.append(delta)
            wake.set()
