"""An answer's metrics are the figures of its ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core import metrics
from deployments.core.ledger import STAGES
from deployments.core.messages import SegmentSource
from tests.fakes import RecordingMeter, a_passage
from tests.unit.rag.rig import ANSWER, Rig, question
from tests.unit.rag.test_placing_in_rag import Dying, resident, rig_with


def measured_rig(**how) -> tuple[Rig, RecordingMeter]:
    meter = RecordingMeter()
    rig = Rig(**{"passages": [a_passage(n) for n in range(3)], **how})
    rig.use(meter=meter)
    return rig, meter


async def test_times_are_those_of_the_ledger_in_seconds():
    """Each stage is one value, also one that did not run."""
    rig, meter = measured_rig()
    answer = await rig.answer()
    for stage in STAGES:
        assert meter.of(metrics.STAGE_S, agent="support", stage=stage) == [answer.timings_ms[stage] / 1000]
    assert meter.of(metrics.ANSWER_S) == [answer.timings_ms["total"] / 1000]
    assert meter.of(metrics.FIRST_TOKEN_S, gen_ai_request_model="support") == [
        answer.timings_ms["ttft"] / 1000
    ]
    assert meter.of(metrics.TOKEN_S) == [answer.timings_ms["decode"] / 1000 / (answer.answer_tokens - 1)]


async def test_tokens_of_the_prompt_and_its_reuse():
    """Found are those that the engine reports; expected those that the agent placed the prompt by."""
    rig, meter = measured_rig()
    answer = await rig.answer()
    assert meter.of(metrics.PROMPT_TOKENS, order="named") == [answer.reuse.prompt_tokens]
    assert meter.of(metrics.KV_FOUND) == [answer.reuse.kv_cached_tokens] == [32]
    assert meter.of(metrics.KV_EXPECTED) == []  # 0: no replica is known
    assert meter.of(metrics.TOKEN_USAGE, gen_ai_token_type="input") == [answer.reuse.prompt_tokens]
    assert meter.of(metrics.TOKEN_USAGE, gen_ai_token_type="output") == [answer.answer_tokens]
    assert meter.of(metrics.ANSWERS, answer="generated", finish_reason="stop") == [1]
    assert meter.of(metrics.BYPASSED) == []


async def test_tokens_that_were_prefilled_are_counted_by_cause():
    """As the ledger names the causes."""
    rig, meter = measured_rig()
    answer = await rig.answer()
    missed = answer.reuse.missed
    assert {miss.cause for miss in missed} == {"never_seen"}
    tokens = meter.of(metrics.MISSED, agent="support", cause="never_seen")
    assert sum(tokens) == sum(miss.tokens for miss in missed) > 0


async def test_a_fallback_has_no_tokens():
    """No engine was asked."""
    rig, meter = measured_rig(passages=[])
    await rig.answer()
    assert meter.of(metrics.ANSWERS, answer="no_context") == [1]
    for metric in (metrics.FIRST_TOKEN_S, metrics.TOKEN_S, metrics.TOKEN_USAGE, metrics.PROMPT_TOKENS):
        assert meter.of(metric) == []


async def test_an_answer_without_the_shared_cache_is_counted():
    """The alert for a lost Redis needs it."""
    rig, meter = measured_rig()
    rig.resolver.cache_error = "Redis is down"
    await rig.answer()
    assert meter.of(metrics.BYPASSED, agent="support") == [1]


async def test_a_prompt_that_is_sent_again_is_counted_by_the_error():
    """And its answer once."""
    rig, meter = measured_rig()
    rig.use(generator=Dying(rig, 1))
    await rig.answer()
    assert meter.of(metrics.RETRIES, error="engine_unavailable") == [1]
    assert meter.of(metrics.ANSWERS) == [1]


@pytest.mark.parametrize(("took", "to"), [("one", "preferred"), ("two", "other")])
async def test_the_replica_that_took_a_prompt_is_compared_to_the_preferred_one(took, to):
    """The engine's first delta names it. What was expected there is recorded too."""
    rig, meter = rig_with(), RecordingMeter()
    rig.use(meter=meter)
    rig.replicas.updates = [resident(rig, "one", "a", "b")]
    rig.generator.deltas = (replace(ANSWER[0], residency=resident(rig, took)), *ANSWER[1:])
    await rig.answer()
    assert meter.of(metrics.ROUTED, to=to) == [1]
    (expected,) = meter.of(metrics.KV_EXPECTED, order="trie")
    assert expected > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stream_is_recorded_as_a_whole_answer_is(stream):
    """Both end in one place."""
    rig, meter = measured_rig()
    if stream:
        assert [event async for event in rig.rag.stream(question())]
    else:
        await rig.answer()
    assert len(meter.of(metrics.ANSWERS)) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SegmentSource), min_size=1, max_size=8))
async def test_documents_by_source_add_up_to_the_ledger(sources):
    """Segments and tokens: each has exactly one source."""
    rig, meter = measured_rig(
        passages=[a_passage(n) for n in range(len(sources))], sources=sources, deltas=ANSWER
    )
    answer = await rig.answer()
    reuse = answer.reuse
    for source, segments in (("l1", reuse.l1), ("redis", reuse.redis), ("tokenized", reuse.tokenized)):
        assert sum(meter.of(metrics.SEGMENTS, source=source)) == segments
    assert sum(meter.of(metrics.DOCUMENT_TOKENS)) == answer.context_tokens
