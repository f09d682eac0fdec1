"""Single flight: callers that want the same key at the same time share one computation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

Compute = Callable[[tuple[K, ...]], Awaitable[Mapping[K, V]]]
"""Returns the values of all given keys."""


class _Flight(Generic[K, V]):
    """A running computation of some keys and the number of callers that wait for it."""

    __slots__ = ("keys", "task", "waiters")

    def __init__(self, keys: tuple[K, ...], task: asyncio.Task[Mapping[K, V]]) -> None:
        self.keys = keys
        self.task = task
        self.waiters = 0


class SingleFlight(Generic[K, V]):
    """Lets callers that want the same keys at the same time share one computation.

    A computation runs in its own task, so cancelling one caller does not affect the others. When all its
    callers are cancelled, the task is cancelled too. All callers get its error. Values are not kept
    after the computation; that is the cache's work. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[K, V]] = {}

    def __len__(self) -> int:
        """The number of keys that are being computed."""
        return len(self._flights)

    async def get(self, keys: Iterable[K], compute: Compute[K, V]) -> dict[K, V]:
        """Returns values by key. Calls `compute` once, with the keys that are not being computed yet."""
        wanted = tuple(dict.fromkeys(keys))
        missing = tuple(key for key in wanted if key not in self._flights)
        if missing:
            self._launch(missing, compute)
        flights = {key: self._flights[key] for key in wanted}
        await self._wait(set(flights.values()))
        return {key: flight.task.result()[key] for key, flight in flights.items()}

    def _launch(self, keys: tuple[K, ...], compute: Compute[K, V]) -> None:
        async def run() -> Mapping[K, V]:
            return await compute(keys)

        flight = _Flight(keys, asyncio.ensure_future(run()))
        self._flights.update(dict.fromkeys(keys, flight))
        flight.task.add_done_callback(lambda _: self._forget(flight))

    async def _wait(self, flights: set[_Flight[K, V]]) -> None:
        for flight in flights:
            flight.waiters += 1
        try:
            if flights:
                await asyncio.wait([flight.task for flight in flights])
        finally:
            for flight in flights:
                flight.waiters -= 1
                if not flight.waiters and not flight.task.done():
                    # Now, not when the task has ended: until then, no new caller may join it.
                    self._forget(flight)
                    flight.task.cancel()

    def _forget(self, flight: _Flight[K, V]) -> None:
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # marks it as retrieved, even if every caller was cancelled
