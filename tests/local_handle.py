"""Serve's handles and replicas in this process, without Ray."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

from deployments.core.replica import Replica, Served


async def replica_of(*served: Served) -> Replica:
    """A replica as Serve makes one, which awaits constructors."""

    async def build() -> Sequence[Served]:
        return served

    replica = Replica.__new__(Replica)
    await Replica.__init__(replica, build)
    return replica


class LocalHandle:
    """A handle to `target`. What crosses is pickled, errors too, as on the way to a replica.

    `calls` lists the operations that were called.
    """

    def __init__(self, target: Any, streaming: bool = False) -> None:
        self._target = target
        self._streaming = streaming
        self.calls: list[str] = []

    def options(self, *, stream: bool) -> LocalHandle:
        handle = LocalHandle(self._target, stream)
        handle.calls = self.calls
        return handle

    def broadcast(self, name: str, *arguments: Any, **named: Any) -> Any:
        async def results() -> list[Any]:
            return [await getattr(self, name).remote(*arguments, **named)]

        return SimpleNamespace(results_async=results)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        async def remote(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            arguments, named = _crossed((arguments, named))
            try:
                return _crossed(await method(*arguments, **named))
            except Exception as error:
                raise _crossed(error) from error

        def stream(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            arguments, named = _crossed((arguments, named))
            return _Stream(method(*arguments, **named))

        return SimpleNamespace(remote=stream if self._streaming else remote)


class _Stream:
    """A streaming call. `cancelled` once nobody reads it any more."""

    def __init__(self, items: Any) -> None:
        self._items = items
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for item in self._items:
                yield _crossed(item)
        except Exception as error:
            raise _crossed(error) from error

    def cancel(self) -> None:
        self.cancelled = True


def _crossed(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))
