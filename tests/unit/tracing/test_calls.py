"""The trace crosses a remote call in an argument that only a traced request has."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from typing import Any, Protocol

import pytest
from opentelemetry.trace import SpanKind

from deployments.core.errors import NotFound
from deployments.core.replica import every_replica, serving
from serve_app.remote import client_of
from serve_app.tracing import spans
from serve_app.tracing.calls import carried, traced
from tests.local_handle import LocalHandle, replica_built
from tests.unit.tracing.conftest import Exported


class Inner(Protocol):
    async def seen(self, fails: bool = False) -> spans.SpanIds | None: ...

    def stream(self, count: int) -> AsyncGenerator[spans.SpanIds | None, None]: ...

    @every_replica
    async def everywhere(self) -> None: ...


class InnerService:
    async def seen(self, fails: bool = False) -> spans.SpanIds | None:
        if fails:
            raise NotFound("the zebra's document")
        return spans.current_ids()

    async def stream(self, count: int) -> AsyncGenerator[spans.SpanIds | None, None]:
        for _ in range(count):
            yield spans.current_ids()

    async def everywhere(self) -> None: ...


class RecordingHandle(LocalHandle):
    """A handle that lists the named arguments of each call."""

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        self.named: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        method = super().__getattr__(name)
        called = method.remote

        def remote(*arguments: Any, **named: Any) -> Any:
            self.named.append(named)
            return called(*arguments, **named)

        method.remote = remote  # type: ignore[method-assign]
        return method


@pytest.fixture
async def handle() -> RecordingHandle:
    async def build() -> Any:
        return [serving(Inner)(InnerService())]

    return RecordingHandle(await replica_built(build, traced("Inner")))


@pytest.fixture
def inner(handle: RecordingHandle) -> Inner:
    return client_of(Inner, handle, "the inner part")


async def test_a_call_outside_of_traces_carries_nothing_and_begins_none(
    exported: Exported, handle: RecordingHandle, inner: Inner
) -> None:
    """Also while traces are on: background work would hide the answers."""
    assert await inner.seen() is None
    assert [ids async for ids in inner.stream(2)] == [None, None]
    await inner.everywhere()
    assert handle.named == [{}, {}, {}]
    assert exported() == []


async def test_each_kind_of_call_has_a_span_of_its_own(exported: Exported, inner: Inner) -> None:
    """The service works in it, and its parent is the caller's span."""
    with spans.opened("outer") as outer:
        called = await inner.seen()
        streamed = {ids async for ids in inner.stream(3)}
        await inner.everywhere()
    by_name = {span.name: span for span in exported()}
    assert set(by_name) == {"outer", "Inner.seen", "Inner.stream", "Inner.everywhere"}
    assert called == ids_of(by_name["Inner.seen"])
    assert streamed == {ids_of(by_name["Inner.stream"])}
    for name in set(by_name) - {"outer"}:
        parent = by_name[name].parent
        assert parent is not None
        assert parent.span_id == outer.get_span_context().span_id
        assert by_name[name].kind is SpanKind.SERVER


def ids_of(span: Any) -> spans.SpanIds:
    return spans.SpanIds(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")


async def test_without_an_exporter_a_callers_trace_still_reaches_the_last_part(inner: Inner) -> None:
    """Its id is in the logs, and it ends where somebody records it."""
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    with spans.inside(spans.start("x", spans.parent_of(headers), SpanKind.SERVER)):
        assert carried() == {"trace_headers": headers}
        assert await inner.seen() == ("a" * 32, "b" * 16)
        assert [ids async for ids in inner.stream(1)] == [("a" * 32, "b" * 16)]


async def test_a_stream_may_be_read_in_several_contexts(exported: Exported, inner: Inner) -> None:
    """Each item is made in the span, and none of the readers' contexts is left in it."""
    with spans.opened("outer"):
        stream = inner.stream(3)
        read = [
            await asyncio.get_running_loop().create_task(anext(stream), context=contextvars.copy_context())
            for _ in range(3)
        ]
        between = spans.current_ids()
        await stream.aclose()
        await asyncio.sleep(0.01)  # until the replica's part is closed too
    streamed, outer = (next(s for s in exported() if s.name == name) for name in ("Inner.stream", "outer"))
    assert set(read) == {ids_of(streamed)}
    assert between == ids_of(outer)


async def test_an_error_leaves_its_type_only(exported: Exported, inner: Inner) -> None:
    """Messages name documents."""
    with spans.opened("outer"), pytest.raises(NotFound):
        await inner.seen(fails=True)
    span, outer = (next(s for s in exported() if s.name == name) for name in ("Inner.seen", "outer"))
    assert dict(span.attributes or {}) == {"error.type": "NotFound"}
    assert (span.status.description, list(span.events)) == (None, [])
    assert outer.status.is_unset, "the caller dealt with it"


async def test_a_cancelled_call_is_no_failure(exported: Exported) -> None:
    """Its span ends."""

    class Slow(Protocol):
        async def wait(self) -> None: ...

    class SlowService:
        async def wait(self) -> None:
            await asyncio.Event().wait()

    async def build() -> Any:
        return [serving(Slow)(SlowService())]

    slow = client_of(Slow, LocalHandle(await replica_built(build, traced("Slow"))), "the slow part")
    with spans.opened("outer"):
        call = asyncio.ensure_future(slow.wait())
    await asyncio.sleep(0.01)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    (span,) = (span for span in exported() if span.name == "Slow.wait")
    assert span.status.is_unset
