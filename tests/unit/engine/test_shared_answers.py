"""Equal requests that share one generation, over an engine that counts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import DeadlineExceeded, EngineUnavailable, PromptTooLong
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate, SegmentId, Step, pack_steps
from deployments.core.sampling import Sampling, Shaping
from deployments.core.token_ids import to_bytes, token_ids
from deployments.engine.coalescing import merged
from deployments.engine.counters import EngineCounters
from deployments.engine.shared_answers import FLIGHT_WITHIN_S, KeepFor, SharedAnswers
from tests.fakes import FakeClock

LAYOUT = pack_steps([Step(SegmentId(1), 3)])


class CountingEngine:
    """Answers with the prompt's ids, one a delta, each when `steps` has been released for it."""

    def __init__(self) -> None:
        self.requests: list[GenerateRequest] = []
        self.aborted = 0
        self.running = 0
        self.steps = asyncio.Semaphore(1000)
        self.fault: Exception | None = None
        self.has_ended = False
        self.counts_late = False
        """Whether the last delta, and not the first, tells how many prompt tokens were cached."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        self.running += 1
        count = len(request.prompt) // 4
        try:
            for number in range(count):
                await self.steps.acquire()
                last = number == count - 1
                first = number == 0
                yield Delta(
                    f"{number} ",
                    to_bytes(token_ids([number])),
                    finish_reason="stop" if last else None,
                    kv_cached_tokens=32 if (last if self.counts_late else first) else None,
                    queue_ms=1.0 if first else None,
                    prefill_ms=2.0 if first else None,
                    decode_ms=3.0 if last else None,
                    residency=self.survey(request.cache_salt, request.known) if first else None,
                )
            if self.fault is not None:
                raise self.fault
        except (GeneratorExit, asyncio.CancelledError):
            self.aborted += 1
            raise
        finally:
            self.running -= 1

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        if self.has_ended:
            raise EngineUnavailable("it has ended")
        return ResidencyUpdate("replica", "epoch", len(known), 5, salt.encode(), 0)

    async def describe(self) -> EngineInfo:
        return EngineInfo("counting", 2048, 32, 4096)

    def counters(self) -> EngineCounters:
        return EngineCounters(running=self.running)

    async def check_health(self) -> None:
        pass

    def close(self) -> None:
        pass


class Rig:
    def __init__(self, max_bytes: int = 10_000) -> None:
        self.engine = CountingEngine()
        self.clock = FakeClock()
        self.shared = SharedAnswers(self.engine, "model", KeepFor(max_bytes, ttl_s=600), self.clock)

    async def ask(self, request: GenerateRequest) -> list[Delta]:
        return [delta async for delta in self.shared.generate(request)]

    def hold(self) -> None:
        self.engine.steps = asyncio.Semaphore(0)

    def release(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.engine.steps.release()


def request(ids: Sequence[int] = (7, 8, 9), /, **fields: Any) -> GenerateRequest:
    asked = GenerateRequest(
        RequestId("r"),
        to_bytes(token_ids(ids)),
        Sampling(5, 0.0),
        "salt",
        30.0,
        layout=LAYOUT,
        share_answer=True,
    )
    return replace(asked, **fields)


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def ids_of(deltas: Sequence[Delta]) -> bytes:
    return b"".join(delta.ids for delta in deltas)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("late", [False, True])
async def test_cached_tokens_count_for_the_generation_only(late: bool) -> None:
    """A server tells their number after the answer. Whoever shares the answer has reused no prompt."""
    rig = Rig()
    rig.engine.counts_late = late
    own, shared = await asyncio.gather(rig.ask(request()), rig.ask(request()))
    kept = await rig.ask(request())
    assert [merged(deltas).kv_cached_tokens for deltas in (own, shared, kept)] == [32, 0, 0]


async def test_fifty_equal_requests_are_one_generation() -> None:
    rig = Rig()
    answers = await asyncio.gather(*(rig.ask(request()) for _ in range(50)))
    assert len(rig.engine.requests) == 1
    assert {(text_of(deltas), ids_of(deltas)) for deltas in answers} == {
        ("0 1 2 ", to_bytes(token_ids([0, 1, 2])))
    }
    assert [deltas[0].shared for deltas in answers] == [None, *["flight"] * 49]


async def test_those_that_join_tell_their_own_time_and_what_they_lack() -> None:
    rig = Rig()
    rig.hold()
    leader = asyncio.create_task(rig.ask(request()))
    await settled()
    rig.clock.pass_s(1)
    follower = asyncio.create_task(rig.ask(request(known=(Known("a", "b", 1),) * 4)))
    await settled()
    rig.clock.pass_s(2)
    rig.release()
    await settled()
    rig.clock.pass_s(3)
    rig.release(2)
    first, *middle, last = await follower
    assert (first.kv_cached_tokens, first.queue_ms, first.prefill_ms) == (0, 2000.0, 0.0)
    assert (last.decode_ms, last.finish_reason) == (3000.0, "stop")
    assert first.residency is not None
    assert first.residency.since == 4
    assert [delta.residency for delta in (*middle, last)] == [None, None]
    own = await leader
    assert (own[0].kv_cached_tokens, own[0].prefill_ms, own[-1].decode_ms) == (32, 2.0, 3.0)


async def test_a_complete_answer_is_given_again_in_one_piece_for_a_while() -> None:
    rig = Rig()
    generated = await rig.ask(request())
    (again,) = await rig.ask(request(request_id=RequestId("other"), deadline_s=1.0))
    assert (again.text, again.ids, again.finish_reason) == (text_of(generated), ids_of(generated), "stop")
    assert (again.shared, again.kv_cached_tokens) == ("kept", 0)
    assert again.queue_ms == again.prefill_ms == again.decode_ms == 0.0
    assert again.residency == rig.shared.survey("salt", ())
    rig.clock.pass_s(600)
    assert (await rig.ask(request()))[0].shared is None
    assert len(rig.engine.requests) == 2


async def test_a_kept_answer_needs_no_engine() -> None:
    """It is given again while the engine is started again."""
    rig = Rig()
    generated = await rig.ask(request())
    rig.engine.has_ended = True
    (again,) = await rig.ask(request())
    assert (again.text, again.shared, again.residency) == (text_of(generated), "kept", None)


@pytest.mark.parametrize(
    "different",
    [
        {"prompt": to_bytes(token_ids([7, 8, 10]))},
        {"cache_salt": "another"},
        {"sampling": Sampling(6, 0.0)},
        {"sampling": Sampling(5, 0.0, stop=("x",))},
        {"sampling": Sampling(5, 0.0, json_schema="{}")},
        {"sampling": Sampling(5, 0.0, shaping=Shaping(frequency_penalty=0.5))},
    ],
    ids=["prompt", "tenant", "length", "stop", "schema", "shaping"],
)
async def test_nothing_is_shared_with_another(different: dict[str, Any]) -> None:
    rig = Rig()
    other = request(**different)
    await asyncio.gather(rig.ask(request()), rig.ask(other))
    await rig.ask(other)
    assert len(rig.engine.requests) == 2


@pytest.mark.parametrize("unshared", [{"share_answer": False}, {"sampling": Sampling(5, 0.7)}])
async def test_nothing_is_shared_unasked_or_by_chance(unshared: dict[str, Any]) -> None:
    rig = Rig()
    await rig.ask(request())
    answers = await asyncio.gather(*(rig.ask(request(**unshared)) for _ in range(3)))
    assert len(rig.engine.requests) == 4
    assert [deltas[0].shared for deltas in answers] == [None] * 3


async def test_the_others_get_the_answer_when_the_first_reader_leaves() -> None:
    rig = Rig()
    rig.hold()
    leader, *others = [asyncio.create_task(rig.ask(request())) for _ in range(50)]
    await settled()
    leader.cancel()
    rig.release(3)
    answers = await asyncio.gather(*others)
    assert {text_of(deltas) for deltas in answers} == {"0 1 2 "}
    assert (len(rig.engine.requests), rig.engine.aborted) == (1, 0)


async def test_the_last_reader_to_leave_aborts_and_the_next_starts_again() -> None:
    rig = Rig()
    rig.hold()
    asking = [asyncio.create_task(rig.ask(request())) for _ in range(3)]
    await settled()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    fresh = asyncio.create_task(rig.ask(request()))
    await settled()
    assert (rig.engine.aborted, rig.engine.running) == (1, 1)
    rig.release(3)
    assert text_of(await fresh) == "0 1 2 "


@pytest.mark.parametrize("fault", [EngineUnavailable("gone"), PromptTooLong("long")])
async def test_an_error_goes_to_all_who_wait_and_is_not_kept(fault: Exception) -> None:
    rig = Rig()
    rig.engine.fault = fault
    ended = await asyncio.gather(*(rig.ask(request()) for _ in range(5)), return_exceptions=True)
    assert [type(error) for error in ended] == [type(fault)] * 5
    rig.engine.fault = None
    assert (await rig.ask(request()))[0].shared is None
    assert len(rig.engine.requests) == 2


async def test_each_has_its_own_deadline() -> None:
    rig = Rig()
    rig.hold()
    leader = asyncio.create_task(rig.ask(request(deadline_s=0.02)))
    patient = asyncio.create_task(rig.ask(request()))
    with pytest.raises(DeadlineExceeded):
        await leader
    rig.release(3)
    assert text_of(await patient) == "0 1 2 "
    assert rig.engine.aborted == 0


async def test_a_shared_generation_is_admitted_by_its_readers_time_and_may_take_longer() -> None:
    rig = Rig()
    await rig.ask(request(deadline_s=7.0))
    (sent,) = rig.engine.requests
    assert (sent.reader_s, sent.deadline_s) == (7.0, FLIGHT_WITHIN_S)


async def test_a_slow_reader_meets_its_deadline_too() -> None:
    rig = Rig()
    stream = rig.shared.generate(request(deadline_s=0.02))
    await anext(stream)
    await asyncio.sleep(0.03)
    with pytest.raises(DeadlineExceeded):
        await anext(stream)


async def test_kept_answers_take_no_more_room_than_given() -> None:
    rig = Rig(max_bytes=1100)
    for number in range(5):
        await rig.ask(request((number, 1)))
    assert (await rig.ask(request((4, 1))))[0].shared == "kept"
    assert (await rig.ask(request((0, 1))))[0].shared is None
    nothing = Rig(max_bytes=0)
    await nothing.ask(request())
    assert (await nothing.ask(request()))[0].shared is None


@given(seed=st.integers(0, 2**32), readers=st.integers(1, 8), tokens=st.integers(1, 6))
def test_readers_that_stay_get_the_whole_answer(seed: int, readers: int, tokens: int) -> None:
    """Readers come at any time, read at any pace and go halfway or not."""
    random = Random(seed)

    async def reader(rig: Rig) -> str | None:
        for _ in range(random.randrange(12)):
            await asyncio.sleep(0)
        goes_after = random.choice([None, None, 0, 1, 3])
        stream = rig.shared.generate(request(range(tokens)))
        text = ""
        try:
            read = 0
            async for delta in stream:
                text += delta.text
                read += 1
                if read == goes_after:
                    return None
                for _ in range(random.randrange(3)):
                    await asyncio.sleep(0)
        finally:
            await stream.aclose()
        return text

    async def run() -> None:
        rig = Rig()
        rig.hold()
        tasks = [asyncio.create_task(reader(rig)) for _ in range(readers)]
        for _ in range(200):
            rig.release(random.choice([0, 1]))
            if random.randrange(30) == 0:
                random.choice(tasks).cancel()
            await asyncio.sleep(0)
        rig.release(1000)
        texts = await asyncio.gather(*tasks, return_exceptions=True)
        await settled()
        whole = "".join(f"{number} " for number in range(tokens))
        assert {text for text in texts if isinstance(text, str)} <= {whole}
        assert not [text for text in texts if isinstance(text, Exception)]
        assert rig.engine.running == 0

    asyncio.run(run())
