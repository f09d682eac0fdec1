"""The replica side of remote calls: the services of a replica, and the class that Serve runs.

A Protocol in `core` defines a remote service once. A service implements it, `serving` pairs the two
(mypy checks the pair there), and a `Replica` offers the Protocol's operations to Serve.
`serve_app.remote` makes the client from the same Protocol.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum, auto
from inspect import iscoroutinefunction
from typing import Any, TypeAlias, TypeVar

from deployments.core import process_memory

Port = TypeVar("Port")
Operation = TypeVar("Operation", bound=Callable[..., Any])

_EVERY_REPLICA = "_runs_in_every_replica"
_REPEATABLE = "_can_be_repeated"


class Kind(Enum):
    """How an operation is called."""

    CALL = auto()
    """One replica returns one result."""
    STREAM = auto()
    """One replica yields results one by one."""
    EVERY_REPLICA = auto()
    """All running replicas are called. The results are dropped, so the operation returns None. A replica
    that dies meanwhile is no error."""


def every_replica(operation: Operation) -> Operation:
    """Marks an operation of a Protocol that a client calls in each running replica instead of in one."""
    setattr(operation, _EVERY_REPLICA, True)
    return operation


def repeatable(operation: Operation) -> Operation:
    """Marks an operation of a Protocol that changes nothing, or the same when it is called twice. If the
    replica dies before it answers, a client calls another one.
    """
    setattr(operation, _REPEATABLE, True)
    return operation


def is_repeatable(protocol: type, name: str) -> bool:
    """Whether an operation is marked as `repeatable`."""
    return getattr(getattr(protocol, name), _REPEATABLE, False)


def operations(protocol: type) -> dict[str, Kind]:
    """The operations of a Protocol by name, inherited ones included.

    Raises TypeError for a method that is neither a coroutine function nor returns an AsyncGenerator.
    """
    public = (name for name in dir(protocol) if not name.startswith("_"))
    return {name: _kind(getattr(protocol, name)) for name in public}


def _kind(method: Any) -> Kind:
    if getattr(method, _EVERY_REPLICA, False):
        return Kind.EVERY_REPLICA
    if iscoroutinefunction(method):
        return Kind.CALL
    if callable(method) and str(method.__annotations__.get("return", "")).startswith("AsyncGenerator"):
        return Kind.STREAM
    raise TypeError(f"{method!r} can't be called remotely: it must be async or return an AsyncGenerator")


@dataclass(frozen=True, slots=True)
class Served:
    """A service of a replica, and the Protocol that defines its remote operations."""

    protocol: type
    """Only its operations can be called remotely."""
    service: Any
    """Implements `protocol`."""


def serving(protocol: type[Port]) -> Callable[[Port], Served]:
    """Pairs a service with its Protocol: `serving(Agent)(service)`.

    It takes two calls, because in one call mypy would accept any pair, with `object` as `Port`.
    """
    return lambda service: Served(protocol, service)


Build: TypeAlias = "Callable[[], Awaitable[Sequence[Served]]]"
"""Makes a replica's services, inside the replica: event loop, connections and models belong to it."""

Wrap: TypeAlias = "Callable[[str, Kind, Callable[..., Any]], Callable[..., Any]]"
"""Gets the name and kind of an operation, and its method; returns the method that Serve calls instead."""


class Replica:
    """A deployment's replica. Serve finds each operation of the services as a method of this object.

    A service may have `check_health()` (async, raises when the replica has to be replaced) and
    `shut_down()` (ends what would outlive the process).
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits constructors
        self, build: Build, wrap: Wrap = lambda _name, _kind, method: method
    ) -> None:
        self._served = await build()
        process_memory.give_back()
        for name, (service, kind) in _by_name(self._served).items():
            method = getattr(service, name)
            setattr(self, name, wrap(name, kind, _yielding(method) if kind is Kind.STREAM else method))

    async def check_health(self) -> None:
        """Checks the services. Serve calls it periodically and replaces the replica if it raises."""
        for service in self._services("check_health"):
            await service.check_health()

    def __del__(self) -> None:
        """Shuts the services down. Serve calls it when it ends a replica gracefully."""
        for service in self._services("shut_down"):
            service.shut_down()

    def _services(self, method: str) -> list[Any]:
        served = getattr(self, "_served", ())  # a constructor that failed has set none
        return list({id(one.service): one.service for one in served if hasattr(one.service, method)}.values())


def _by_name(served: Sequence[Served]) -> dict[str, tuple[Any, Kind]]:
    """Each operation with its service. Raises TypeError if two services share an operation's name."""
    found: dict[str, tuple[Any, Kind]] = {}
    for one in served:
        for name, kind in operations(one.protocol).items():
            if found.setdefault(name, (one.service, kind))[0] is not one.service:
                raise TypeError(f"two services of one replica have an operation {name!r}")
    return found


def _yielding(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
    """Makes an async generator function, as Serve requires, from a method that returns a generator."""

    async def items(*arguments: Any, **named: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(method(*arguments, **named)) as made:
            async for item in made:
                yield item

    return items
