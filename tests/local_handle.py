"""A Serve handle to an object in this process."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any


class LocalHandle:
    """Calls the object's coroutines. What crosses is pickled, errors too, as on the way to a replica."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        async def remote(*arguments: Any) -> Any:
            try:
                return _crossed(await method(*_crossed(arguments)))
            except Exception as error:
                raise _crossed(error) from error

        return SimpleNamespace(remote=remote)


def _crossed(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))
