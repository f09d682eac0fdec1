"""Errors that Ray and Serve raise in a handle's client, and what the client raises for them."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import (
    BackPressureError,
    ReplicaUnavailableError,
    RequestCancelledError,
)

from deployments.core import errors
from deployments.core.errors import (
    EngineUnavailable,
    InternalFault,
    Overloaded,
    PromptTooLong,
    Unavailable,
    WarmlineError,
)
from serve_app.remote import translated, translated_stream, translation

ALL = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, WarmlineError)]


def from_replica(cause: Exception) -> Exception:
    """The error that a caller gets when a replica raises `cause`: pickled, of its class and Ray's."""
    task_error = RayTaskError("generate", "Traceback...", cause, "title", 1, "127.0.0.1")
    wrapped: Exception = pickle.loads(pickle.dumps(task_error)).as_instanceof_cause()
    return wrapped


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_our_errors_come_out_as_they_were_raised(kind: type[WarmlineError]) -> None:
    with pytest.raises(WarmlineError) as raised, translated("the engine"):
        raise from_replica(kind("why", "top_k"))
    assert type(raised.value) is kind
    assert (raised.value.message, raised.value.param) == ("why", "top_k")


def test_an_error_through_two_handles_comes_out_as_it_was_raised() -> None:
    inner = translation(from_replica(PromptTooLong("long")), "the engine", Unavailable)
    outer = translation(from_replica(inner), "the support agent", Unavailable)
    assert type(outer) is PromptTooLong


@pytest.mark.parametrize("error", [BackPressureError(5, 5), from_replica(BackPressureError(5, 5))])
def test_backpressure_here_or_further_down_is_overload(error: Exception) -> None:
    with pytest.raises(Overloaded, match="the engine has too many"), translated("the engine"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        ActorDiedError(),
        ActorUnavailableError("gone", None),
        ReplicaUnavailableError("r1"),
        TaskCancelledError(),
        RequestCancelledError("r1"),
        from_replica(ReplicaUnavailableError("r1")),
        grpc.RpcError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_part_that_is_gone_is_unavailable(error: Exception) -> None:
    with (
        pytest.raises(EngineUnavailable, match="the engine can't be reached"),
        translated("the engine", EngineUnavailable),
    ):
        raise error
    with pytest.raises(Unavailable) as raised, translated("the token cache"):
        raise error
    assert type(raised.value) is Unavailable


@pytest.mark.parametrize("wrap", [from_replica, lambda cause: cause], ids=["by reference", "over gRPC"])
def test_a_fault_of_a_part_is_logged_and_its_text_stays_inside(
    wrap: Callable[[Exception], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InternalFault) as raised, translated("the engine"):
        raise wrap(ValueError("/secret/path"))
    assert str(raised.value) == "the engine failed"
    assert "/secret/path" in caplog.text


def test_cancellation_passes() -> None:
    with pytest.raises(asyncio.CancelledError), translated("the engine"):
        raise asyncio.CancelledError


class Response:
    """A streaming handle call."""

    def __init__(self, *items: Any) -> None:
        self._items = items
        self.cancelled = 0

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._items:
            if isinstance(item, Exception):
                raise item
            yield item

    def cancel(self) -> None:
        self.cancelled += 1


async def test_a_stream_read_to_its_end_is_not_cancelled() -> None:
    response = Response(1, 2)
    assert [item async for item in translated_stream("the engine", response)] == [1, 2]
    assert response.cancelled == 0


async def test_closing_a_stream_cancels_the_call() -> None:
    response = Response(1, 2)
    stream = translated_stream("the engine", response)
    assert await anext(stream) == 1
    await stream.aclose()
    assert response.cancelled == 1


async def test_an_error_in_a_stream_is_translated() -> None:
    stream = translated_stream("the engine", Response(1, ActorDiedError()), EngineUnavailable)
    assert await anext(stream) == 1
    with pytest.raises(EngineUnavailable):
        await anext(stream)
