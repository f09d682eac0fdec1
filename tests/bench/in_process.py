"""Serve's handles to objects in this process: the application's own assembly, nothing between its parts."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any, TypeVar

T = TypeVar("T")


class InProcess:
    """A handle to `target`. What is passed is not copied."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def options(self, **_: Any) -> InProcess:
        """There is nothing to choose."""
        return self

    def broadcast(self, name: str, *arguments: Any) -> _Broadcast:
        """To the one replica there is."""
        return _Broadcast(getattr(self._target, name)(*arguments))

    def __getattr__(self, name: str) -> _Method:
        return _Method(getattr(self._target, name))


class _Method:
    def __init__(self, method: Any) -> None:
        self._method = method

    def remote(self, *arguments: Any) -> Any:
        called = self._method(*arguments)
        return _Stream(called) if inspect.isasyncgen(called) else called


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

    async def results_async(self, **_: Any) -> list[Any]:
        return [await self._call]

    async def _fetch_replica_results_async(self) -> list[_Reply]:  # see `handles.replies`
        return [_Reply(self._call)]


class _Reply:
    def __init__(self, call: Any) -> None:
        self._call = call

    async def get_async(self) -> Any:
        return await self._call

    def cancel(self) -> None:
        """There is nobody else to tell."""


async def made(kind: type[T], *arguments: Any) -> T:
    """A replica as Serve makes it, which awaits constructors."""
    replica = object.__new__(kind)
    await kind.__init__(replica, *arguments)  # type: ignore[misc]
    return replica
