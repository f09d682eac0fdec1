"""The answer is consistent for all retrievals, sources of ids and clocks."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import PromptTooLong
from deployments.core.ledger import STAGES
from deployments.core.messages import SegmentSource
from deployments.core.reuse.ordering import by_popularity, by_rank
from deployments.core.sampling import Sampling
from deployments.core.time_spent import TimeSpent
from deployments.core.token_ids import from_bytes
from tests.fakes import a_passage
from tests.unit.rag.rig import HEAD, SCOPE, Rig, delta, question

texts = st.text(st.characters(exclude_categories=["Cs", "Co"]), min_size=1, max_size=40)
bodies = texts.filter(lambda text: text.strip() != "")
passages = st.lists(st.tuples(st.sampled_from("abcdef"), bodies), max_size=7)
times_ms = st.one_of(st.none(), st.floats(-10, 10_000))


@st.composite
def answers(draw):
    """Some deltas of an engine, the first with the KV hit and its times, the last with its reason."""
    pieces = draw(st.lists(texts, max_size=4))
    first = delta(
        draw(st.sampled_from(["", "a"])),
        kv_cached_tokens=draw(st.integers(0, len(HEAD))),
        queue_ms=draw(times_ms),
        prefill_ms=draw(times_ms),
    )
    last = delta("", finish_reason=draw(st.sampled_from(["stop", "length"])), decode_ms=draw(times_ms))
    return [first, *map(delta, pieces), last]


@given(
    found=passages,
    sources=st.lists(st.sampled_from(SegmentSource), min_size=1, max_size=7),
    deltas=answers(),
    sorting=st.sampled_from([by_rank, by_popularity]),
    max_model_len=st.integers(50, 700),
    top_k=st.integers(1, 7),
    before_s=st.floats(-5, 5),
    cache_down=st.booleans(),
)
def test_the_ledger_is_consistent(
    found, sources, deltas, sorting, max_model_len, top_k, before_s, cache_down
):
    """Counts add up, times fit into each other, tokens are those that were sent, one shape for all."""
    rig = Rig(
        [a_passage(rank, doc=doc, body=body) for rank, (doc, body) in enumerate(found)],
        sources,
        deltas=deltas,
        sorting=sorting,
        max_model_len=max_model_len,
    )
    rig.store.down = cache_down
    asked = question(
        top_k=top_k,
        sampling=Sampling(20, 0.0),
        spent=TimeSpent(0.0, rig.clock() - before_s),
    )
    try:
        answer = asyncio.run(rig.answer(asked))
    except PromptTooLong:
        assert found
        assert rig.generator.requests == []
        return

    reuse, timings = answer.reuse, answer.timings_ms
    used = found[:top_k][: reuse.segments]
    assert reuse.l1 + reuse.redis + reuse.tokenized == reuse.segments
    assert list(reuse.dropped) == list(dict.fromkeys(doc for doc, _ in found[:top_k][reuse.segments :]))
    assert answer.cache_hit == (reuse.segments > 0 and reuse.tokenized == 0)
    assert answer.cache_available == (not cache_down or reuse.redis > 0)
    assert (reuse.answer == "no_context") == (not found)
    assert [citation.doc_id for citation in answer.citations] == list(dict.fromkeys(doc for doc, _ in used))

    assert reuse.prompt_tokens == len(from_bytes(answer.prompt_ids))
    assert reuse.kv_cached_tokens <= reuse.prompt_tokens <= max_model_len - 20
    assert answer.total_tokens == reuse.prompt_tokens + answer.answer_tokens
    assert answer.context_tokens + answer.query_tokens <= max(reuse.prompt_tokens, answer.query_tokens)
    assert [request.prompt for request in rig.generator.requests] == [answer.prompt_ids] * bool(found)

    assert set(timings) == {*STAGES, "ttft", "total"}
    before = sum(timings[stage] for stage in STAGES if stage != "decode")
    assert 0 <= before <= timings["ttft"] + 1e-6
    assert timings["ttft"] + timings["decode"] <= timings["total"] + 1e-6
    assert answer.latency_ms == pytest.approx(timings["total"], abs=0.011)
    assert rig.counts.stats(SCOPE) == answer.cache_stats
