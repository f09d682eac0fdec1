"""Streamed answers: closed when the reader leaves, within the deadline, and never half an answer."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from deployments.core.errors import (
    DeadlineExceeded,
    EngineUnavailable,
    KnowledgeUnavailable,
)
from deployments.core.ledger import Answer
from deployments.core.time_spent import TimeSpent
from deployments.rag.engine_calls import ATTEMPTS
from tests.fakes import a_passage
from tests.unit.rag.rig import ANSWER, Rig, question


def three(**options):
    return Rig([a_passage(n) for n in range(3)], **options)


async def test_a_stream_is_the_engines_deltas_and_then_the_answer():
    """Deltas come as they are made; the answer is the last event and says the same."""
    events = [event async for event in three().rag.stream(question())]
    assert tuple(replace(event, prompt_ids=b"") for event in events[:-1]) == ANSWER
    assert isinstance(events[-1], Answer)
    assert events[-1].text == "Press Reset."


async def test_closing_a_stream_closes_the_generation():
    """A reader that leaves ends the work in the engine at once."""
    rig = three()
    async with aclosing(rig.rag.stream(question())) as events:
        await anext(events)
        assert rig.generator.closed == 0
    assert rig.generator.closed == 1


async def test_cancelling_a_caller_closes_the_generation():
    """A request that is cancelled while it waits for the engine ends the work there too."""
    rig = three(deltas=ANSWER * 1000)
    asking = asyncio.ensure_future(rig.answer())
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(rig.generator.requests) == 1
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert rig.generator.closed == 1


async def test_an_engine_that_fails_half_way_is_an_error_and_closed():
    """Half an answer is never returned as a whole one."""
    rig = three()
    rig.generator.fault = EngineUnavailable("the replica died")
    with pytest.raises(EngineUnavailable):
        await rig.answer()
    assert rig.generator.closed == ATTEMPTS


async def test_a_knowledge_base_that_is_down_is_an_error():
    """Without documents there is no answer, and no engine is asked."""
    rig = three()
    rig.retriever.fault = KnowledgeUnavailable("gone")
    with pytest.raises(KnowledgeUnavailable):
        await rig.answer()
    assert rig.generator.requests == []


async def test_the_deadline_holds_for_retrieval():
    """A search that never answers ends in DeadlineExceeded."""
    rig = three()
    rig.retriever.hangs = True
    with pytest.raises(DeadlineExceeded, match=r"0\.01 s"):
        await rig.answer(question(deadline_s=0.01))


async def test_an_exhausted_deadline_is_still_a_positive_one():
    """When preparing took longer than allowed by the clock, the engine gets a moment, not a negative time."""
    rig = three()
    await rig.answer(question(deadline_s=0.1))
    assert 0 < rig.generator.requests[0].deadline_s <= 0.001


async def test_time_before_the_agent_counts():
    """`ttft` and `total` run from the arrival at the edge."""
    rig = three()
    asked = question(spent=TimeSpent(0.5, rig.clock() - 1.5))
    timings = (await rig.answer(asked)).timings_ms
    assert (timings["ttft"], timings["total"]) == (2250.0, 2250.0)
    assert (timings["retrieve"], timings["queue"], timings["prefill"]) == (250.0, 0.5, 20.0)


@pytest.mark.parametrize("apart_s", [-600.0, 600.0])
async def test_another_hosts_clock_neither_times_out_nor_inflates(apart_s):
    """The edge's clock is 10 minutes off: the time until sending counts, the engine keeps its deadline."""
    rig = three()
    asked = question(spent=TimeSpent(0.5, rig.clock() + apart_s, clock_id="another host"))
    timings = (await rig.answer(asked)).timings_ms
    assert (timings["ttft"], timings["total"]) == (750.0, 750.0)
    assert rig.generator.requests[0].deadline_s == pytest.approx(30.0 - 0.75)
