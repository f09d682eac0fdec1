"""Ray's and Serve's errors as ours, for every client of a handle.

Ours cross a handle wrapped by Ray and come out as they were. The rest says that a part is full, gone, or
failed in a way of its own, which was logged where it happened.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.core.errors import InternalFault, Overloaded, Unavailable, WarmlineError

log = logging.getLogger(__name__)


@contextmanager
def translated(part: str, gone: type[Unavailable] = Unavailable) -> Iterator[None]:
    """Calls of `part`, as in "the engine", raise WarmlineErrors only; `gone` when it can't be reached."""
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
    """What a streaming handle call yields. Closing this, or an error in it, cancels the call."""
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
    """The error of ours that stands for `error`, which Ray wraps by reference and leaves alone over gRPC."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, WarmlineError):
        return cause
    if isinstance(cause, BackPressureError):
        return Overloaded(f"{part} has too many requests waiting; try again later")
    if isinstance(cause, RayError | RayServeException | grpc.RpcError):
        log.warning("%s can't be reached (%s)", part, type(cause).__name__)  # Ray logs the whole story
        return gone(f"{part} can't be reached; try again later")
    log.error("%s failed", part, exc_info=error)
    return InternalFault(f"{part} failed")
