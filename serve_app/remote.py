"""The caller's side of a remote call: a Protocol's client over a Serve handle, and Ray's errors as ours.

The Protocol defines the calls; `deployments.core.replica` is the other end. Ray wraps a WarmlineError
that crosses a handle, and it is unwrapped here. Any other error becomes a WarmlineError that says
whether the deployment is full, can't be reached, or failed; its cause was logged in the replica.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import grpc  # type: ignore[import-untyped]
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException, ReplicaUnavailableError

from deployments.core.errors import InternalFault, Overloaded, Unavailable, WarmlineError
from deployments.core.replica import Kind, is_repeatable, operations
from serve_app.tracing.calls import carried

log = logging.getLogger(__name__)

Port = TypeVar("Port")


def client_of(protocol: type[Port], handle: Any, part: str) -> Port:
    """An implementation of `protocol` that calls a deployment. `part` names it in errors ("the engine").

    Its operations raise WarmlineErrors only: those of the service, Overloaded where the deployment has
    too many calls waiting, Unavailable where it can't be reached, InternalFault otherwise. A `repeatable`
    one is called again if its replica dies before it has returned or yielded anything. Closing a stream, or
    cancelling its reader, cancels the call.
    """
    streaming = handle.options(stream=True)

    def client(name: str, kind: Kind) -> Callable[..., Any]:
        again = is_repeatable(protocol, name)
        match kind:
            case Kind.CALL:
                call = _call(handle, name, part)
                return _repeated_call(call) if again else call
            case Kind.STREAM:
                stream = _stream(streaming, name, part)
                return _repeated_stream(stream) if again else stream
            case Kind.EVERY_REPLICA:
                return _broadcast(handle, name, part)

    calls = {name: client(name, kind) for name, kind in operations(protocol).items()}
    return cast(Port, SimpleNamespace(**calls))


def _call(handle: Any, name: str, part: str) -> Callable[..., Any]:
    async def call(*arguments: Any, **named: Any) -> Any:
        with translated(part):
            return await getattr(handle, name).remote(*arguments, **named, **carried())

    return call


def _stream(handle: Any, name: str, part: str) -> Callable[..., Any]:
    async def stream(*arguments: Any, **named: Any) -> AsyncGenerator[Any, None]:
        response = getattr(handle, name).remote(*arguments, **named, **carried())
        async with aclosing(translated_stream(part, response)) as items:
            async for item in items:
                yield item

    return stream


PAUSES_S = (0.1, 1.0)
"""Seconds before each repetition of a call. A router can choose a replica that has just died once more."""


def _repeated_call(call: Callable[..., Any]) -> Callable[..., Any]:
    async def repeated(*arguments: Any, **named: Any) -> Any:
        for pause_s in PAUSES_S:
            try:
                return await call(*arguments, **named)
            except Unavailable as error:
                if not _died(error):
                    raise
            await asyncio.sleep(pause_s)
        return await call(*arguments, **named)

    return repeated


def _repeated_stream(stream: Callable[..., Any]) -> Callable[..., Any]:
    async def repeated(*arguments: Any, **named: Any) -> AsyncGenerator[Any, None]:
        for pause_s in (*PAUSES_S, None):
            begun = False
            try:
                async with aclosing(stream(*arguments, **named)) as items:
                    async for item in items:
                        begun = True
                        yield item
                return
            except Unavailable as error:
                if begun or pause_s is None or not _died(error):
                    raise
            await asyncio.sleep(pause_s)

    return repeated


_DIED = (RayActorError, ReplicaUnavailableError, grpc.RpcError)
"""Errors of a call whose replica has died. It holds nothing any more, so a broadcast ignores it."""


def _died(error: Unavailable) -> bool:
    """Whether `translated` raised the error for a replica's death."""
    return isinstance(error.__cause__, Exception) and isinstance(_cause(error.__cause__), _DIED)


def _broadcast(handle: Any, name: str, part: str) -> Callable[..., Any]:
    async def broadcast(*arguments: Any, **named: Any) -> None:
        with translated(part):
            response = handle.broadcast(name, *arguments, **named, **carried())
            for result in await response.results_async(return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(_cause(result), _DIED):
                    raise result

    return broadcast


@contextmanager
def translated(part: str, gone: type[Unavailable] = Unavailable) -> Iterator[None]:
    """In this context, calls of `part` raise WarmlineErrors only: `gone` if it can't be reached."""
    try:
        yield
    except Exception as error:
        ours = translation(error, part, gone)
        if ours is error:
            raise
        raise ours from error


async def translated_stream(
    part: str, response: Any, gone: type[Unavailable] = Unavailable
) -> AsyncGenerator[Any, None]:
    """Yields the items of a streaming call. Closing it, or an error in it, cancels the call."""
    finished = False
    try:
        with translated(part, gone):
            async for item in response:
                yield item
        finished = True
    finally:
        if not finished:
            response.cancel()


def translation(error: Exception, part: str, gone: type[Unavailable]) -> WarmlineError:
    """The WarmlineError for `error`. Ray wraps a replica's error in RayTaskError, except over gRPC."""
    cause = _cause(error)
    if isinstance(cause, WarmlineError):
        return cause
    if isinstance(cause, BackPressureError):
        return Overloaded(f"{part} has too many requests waiting; try again later")
    if isinstance(cause, RayError | RayServeException | grpc.RpcError):
        log.warning("%s can't be reached (%s)", part, type(cause).__name__)  # Ray logs the details
        return gone(f"{part} can't be reached; try again later")
    log.error("%s failed", part, exc_info=error)
    return InternalFault(f"{part} failed")


def _cause(error: Exception) -> Exception:
    cause: Exception = error.cause if isinstance(error, RayTaskError) else error
    return cause
