"""The counters' meaning: what one prompt adds, and what the seed's figures are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.cache_figures import CacheStats, CacheUsage
from deployments.core.ledger import Reuse
from deployments.rag.stats import cache_stats, increments

numbers = st.integers(0, 5)


def reuse(l1, redis, tokenized):
    return Reuse(l1 + redis + tokenized, l1, redis, tokenized, 100, 0, "rank", (), "generated")


@given(st.lists(st.tuples(numbers, numbers, numbers, st.floats(0, 1000)), max_size=20))
def test_figures_are_those_of_all_prompts_together(prompts):
    """Segments and whole prompts are counted apart, and rates are percent of what was counted."""
    totals: dict[str, float] = {}
    for l1, redis, tokenized, path_ms in prompts:
        for name, amount in increments(reuse(l1, redis, tokenized), path_ms).items():
            totals[name] = totals.get(name, 0) + amount
    shown = cache_stats(totals, None, None)
    counted = [prompt for prompt in prompts if sum(prompt[:3])]
    whole = [prompt for prompt in counted if not prompt[2]]
    segments = sum(sum(prompt[:3]) for prompt in counted)
    assert shown.cache_hits == sum(l1 + redis for l1, redis, _, _ in counted)
    assert shown.cache_hits + shown.cache_misses == segments
    assert shown.hit_rate == pytest.approx(100 * shown.cache_hits / segments if segments else 0, abs=0.01)
    assert shown.request_hit_rate == pytest.approx(
        100 * len(whole) / len(counted) if counted else 0, abs=0.01
    )
    mean = sum(prompt[3] for prompt in whole) / len(whole) if whole else 0
    assert shown.avg_hit_latency_ms == pytest.approx(mean, abs=0.01)


def test_a_prompt_without_documents_counts_for_nothing():
    """No context is neither hit nor miss."""
    assert increments(reuse(0, 0, 0), 5.0) == {}


def test_one_tokenized_segment_makes_the_prompt_a_miss():
    """Its segments still count one by one, and its time goes to the misses."""
    assert increments(reuse(2, 1, 1), 5.0) == {
        "segment_hits": 3,
        "segment_misses": 1,
        "request_misses": 1,
        "miss_ms": 5.0,
    }


def test_nothing_counted_is_zero_and_not_an_error():
    """Before the first question every count is 0; what was not measured is None."""
    shown = cache_stats({}, None, None)
    assert shown == CacheStats()
    assert (shown.total_tokens_cached, shown.cache_size_mb, shown.measured_s_ago) == (None, None, None)


def test_usage_is_shown_as_measured():
    """What Redis holds comes from the measurement, with its age."""
    shown = cache_stats({}, CacheUsage(entries=2, tokens=300, value_bytes=3 * 2**19), 12.5)
    assert (shown.total_tokens_cached, shown.cache_size_mb, shown.measured_s_ago) == (300, 1.5, 12.5)
