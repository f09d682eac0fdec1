"""The Engine deployment's client, on a handle in memory."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import DeploymentUnavailableError

from deployments.core.errors import DeadlineExceeded, EngineUnavailable
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import ResidencyUpdate
from deployments.core.sampling import Sampling
from serve_app.engine import handle as module
from serve_app.engine.handle import EngineHandle

DELTAS = [Delta("a", b""), Delta("", b""), Delta("b", b"", finish_reason="stop")]
INFO = EngineInfo("m", 2048, 32, 4096)


class Call:
    """A streaming call that yields items, then does `then`."""

    def __init__(self, items: list[Any], then: Callable[[], Any] | None = None) -> None:
        self._items, self._then = items, then
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._items:
            yield item
        if self._then:
            await self._then()

    def cancel(self) -> None:
        self.cancelled = True


def handle(
    call: Call | None = None, describe: Callable[[], Any] | None = None, others: Sequence[Result] = ()
) -> Any:
    """`others` answer to broadcasts; without them, a dead replica does."""
    streaming = SimpleNamespace(generate=SimpleNamespace(remote=lambda _request: call))
    return SimpleNamespace(
        options=lambda *, stream: streaming if stream else None,
        describe=SimpleNamespace(remote=describe),
        broadcast=lambda *_: broadcast_to(others or [Result(ActorDiedError())]),
    )


def request(deadline_s: float = 5.0) -> GenerateRequest:
    return GenerateRequest(RequestId("r"), b"", Sampling(1, 0.0), "salt", deadline_s)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_deltas_come_through_empty_ones_too() -> None:
    assert [delta async for delta in EngineHandle(handle(Call(DELTAS))).generate(request())] == DELTAS


async def test_closing_the_stream_cancels_the_call() -> None:
    call = Call(DELTAS)
    stream = EngineHandle(handle(call)).generate(request())
    await anext(stream)
    await stream.aclose()
    assert call.cancelled


async def test_cancelling_the_reader_cancels_the_call() -> None:
    call = Call(DELTAS[:1], then=forever)
    stream = EngineHandle(handle(call)).generate(request())
    await anext(stream)
    reader = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert call.cancelled


async def test_the_deadline_holds_when_no_replica_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.0)
    call = Call([], then=forever)
    with pytest.raises(DeadlineExceeded):
        await anext(EngineHandle(handle(call)).generate(request(deadline_s=0.01)))
    assert call.cancelled


async def test_the_call_says_when_it_was_sent() -> None:
    sent: list[GenerateRequest] = []

    def remote(asked: GenerateRequest) -> Call:
        sent.append(asked)
        return Call(DELTAS)

    streaming = SimpleNamespace(generate=SimpleNamespace(remote=remote))
    before_s = time.monotonic()
    async for _ in EngineHandle(SimpleNamespace(options=lambda **_: streaming)).generate(request(5.0)):
        pass
    assert sent[0].sent is not None
    assert (sent[0].deadline_s, sent[0].sent.so_far_s) == (5.0, 0.0)
    assert before_s <= sent[0].sent.made_at_s <= time.monotonic()


async def test_nothing_is_called_before_the_first_read() -> None:
    calls: list[Any] = []
    streaming = SimpleNamespace(generate=SimpleNamespace(remote=calls.append))
    await EngineHandle(SimpleNamespace(options=lambda **_: streaming)).generate(request()).aclose()
    assert calls == []


async def test_describes_the_engine() -> None:
    async def describe() -> EngineInfo:
        return INFO

    assert await EngineHandle(handle(describe=describe)).describe() == INFO


class Waiting:
    """A call that never gets to a replica."""

    cancelled = False

    def __await__(self) -> Generator[Any, None, None]:
        return forever().__await__()

    def cancel(self) -> None:
        self.cancelled = True


async def test_an_engine_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_WITHIN_S", 0.01)
    call = Waiting()
    with pytest.raises(EngineUnavailable, match="not ready"):
        await EngineHandle(handle(describe=lambda: call)).describe()
    assert call.cancelled


class Result:
    """A replica's reply to a broadcast, as Ray represents it. Without `answer` it never arrives."""

    def __init__(self, answer: Any = None) -> None:
        self._answer = answer
        self.cancelled = False

    async def get_async(self) -> Any:
        if self._answer is None:
            await forever()
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def cancel(self) -> None:
        self.cancelled = True


def broadcast_to(results: Sequence[Result]) -> Any:
    async def fetch() -> list[Result]:
        return list(results)

    return SimpleNamespace(_fetch_replica_results_async=fetch)


def broadcasting(*results: Result) -> EngineHandle:
    return EngineHandle(handle(others=results))


async def test_a_full_replica_does_not_delay_the_replies_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SURVEYED_WITHIN_S", 0.05)
    updates = [ResidencyUpdate(name, "e", None, 1, b"", 0) for name in "ab"]
    full = Result()
    reports = [{"salt": update} for update in updates]
    results = [Result(reports[0]), full, Result(EngineUnavailable("dead")), Result(reports[1])]
    surveyed = await broadcasting(*results).survey({"salt": ()})
    assert [report for report in surveyed if report is not None] == reports
    assert surveyed.count(None) == 1
    assert [result.cancelled for result in results] == [result is full for result in results]


async def test_what_all_replicas_are_asked_is_pickled_once() -> None:
    """Serve pickles the arguments for each replica; they arrive as a plain dict."""
    pickled: list[str] = []
    sent: list[object] = []

    class Counted:
        def __reduce__(self) -> tuple[object, ...]:
            pickled.append("again")
            return str, ()

    async def fetch() -> list[Result]:
        return [Result({})]

    def broadcast(_method: str, known: object) -> SimpleNamespace:
        sent.extend(pickle.loads(pickle.dumps(known)) for _ in range(3))
        return SimpleNamespace(_fetch_replica_results_async=fetch)

    handle = EngineHandle(SimpleNamespace(options=lambda **_: None, broadcast=broadcast))
    await handle.survey({"salt": (Counted(),)})  # type: ignore[dict-item]
    assert pickled == ["again"]
    assert [type(one) for one in sent] == [dict] * 3


async def test_replies_of_all_replicas_end_the_wait() -> None:
    update = ResidencyUpdate("a", "e", None, 1, b"", 0)
    failed = [Result(ActorDiedError()), Result(asyncio.CancelledError())]
    report = {"salt": update}
    assert await broadcasting(Result(report), *failed).survey({"salt": ()}) == [report]


@pytest.mark.parametrize("results", [[Result(INFO)], [Result(), Result(EngineUnavailable("dead"))]])
async def test_an_engine_is_ready_that_answers_or_is_busy(
    results: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBED_WITHIN_S", 0.02)
    await broadcasting(*results).ready()


async def test_an_engine_is_not_ready_that_has_ended_or_does_not_run() -> None:
    with pytest.raises(EngineUnavailable, match="not ready"):
        await broadcasting(Result(EngineUnavailable("dead")), Result(ActorDiedError())).ready()

    async def none_runs() -> None:
        raise DeploymentUnavailableError("Engine")

    response = SimpleNamespace(_fetch_replica_results_async=none_runs)
    handle = EngineHandle(SimpleNamespace(options=lambda **_: None, broadcast=lambda *_: response))
    with pytest.raises(EngineUnavailable, match="no replica"):
        await handle.ready()


async def test_replicas_that_are_not_known_in_time_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SURVEYED_WITHIN_S", 0.01)
    response = SimpleNamespace(_fetch_replica_results_async=forever)
    handle = EngineHandle(SimpleNamespace(options=lambda **_: None, broadcast=lambda *_: response))
    with pytest.raises(EngineUnavailable):
        await handle.survey({"salt": ()})


async def dies() -> EngineInfo:
    raise ActorDiedError


async def test_a_dead_replica_is_unavailable() -> None:
    with pytest.raises(EngineUnavailable):
        await EngineHandle(handle(describe=dies)).describe()


async def test_another_replica_describes_the_engine_if_the_chosen_one_fails() -> None:
    """A replica that fails at once has the shortest queue, so Serve would choose it again and again."""
    others = [Result(EngineUnavailable("dead")), Result(), Result(INFO)]
    assert await EngineHandle(handle(describe=dies, others=others)).describe() == INFO
