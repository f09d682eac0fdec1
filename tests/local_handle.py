"""A Serve handle to an object in this process, for tests and for the benchmark."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

from deployments.core.replica import Build, Replica, Served, Wrap


class LocalHandle:
    """Calls the methods of `target` directly.

    With `pickled`, arguments, results and errors are pickled and loaded again, as between replicas.
    Without it nothing is copied. The items of a stream are never copied.
    """

    def __init__(self, target: Any, *, pickled: bool = True) -> None:
        self._target = target
        self._pickled = pickled

    def options(self, **_: Any) -> LocalHandle:
        """Ignores all options."""
        return self

    def broadcast(self, name: str, *arguments: Any, **named: Any) -> _Broadcast:
        """Calls the method `name` of the only replica."""
        return _Broadcast(getattr(self, name).remote(*arguments, **named))

    def __getattr__(self, name: str) -> _Method:
        return _Method(getattr(self._target, name), self._pickled)


class _Method:
    def __init__(self, method: Any, pickled: bool) -> None:
        self._method = method
        self._pickled = pickled

    def remote(self, *arguments: Any, **named: Any) -> Any:
        if self._pickled:
            arguments, named = _copied((arguments, named))
        called = self._method(*arguments, **named)
        if inspect.isasyncgen(called):
            return _Stream(called)
        return _copied_answer(called) if self._pickled else called


class _Stream:
    def __init__(self, items: Any) -> None:
        self._items = items
        self._closing: asyncio.Task[None] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        items: AsyncIterator[Any] = self._items
        return items

    def cancel(self) -> None:
        self._closing = asyncio.ensure_future(self._items.aclose())


class _Broadcast:
    def __init__(self, call: Any) -> None:
        self._call = call

    async def results_async(self, return_exceptions: bool = False) -> list[Any]:
        return list(await asyncio.gather(self._call, return_exceptions=return_exceptions))

    async def _fetch_replica_results_async(self) -> list[_Reply]:
        """Private in Ray too; the application calls it to take each replica's answer by itself."""
        return [_Reply(self._call)]


class _Reply:
    def __init__(self, call: Any) -> None:
        self._call = call

    async def get_async(self) -> Any:
        return await self._call

    def cancel(self) -> None:
        """Does nothing: the call is cancelled with the task that awaits it."""


async def _copied_answer(called: Awaitable[Any]) -> Any:
    try:
        return _copied(await called)
    except Exception as error:
        raise _copied(error) from error


def _copied(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


async def replica_of(*served: Served) -> Replica:
    """A replica of services that exist already."""

    async def build() -> Sequence[Served]:
        return served

    return await replica_built(build)


async def replica_built(build: Build, *wrap: Wrap) -> Replica:
    """A replica, made as Serve makes one: it awaits the constructor."""
    replica = Replica.__new__(Replica)
    await Replica.__init__(replica, build, *wrap)
    return replica
