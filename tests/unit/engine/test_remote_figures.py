"""What a server's metrics say of it."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from deployments.engine.counters import EngineCounters
from deployments.engine.remote.figures import CacheConfig, figures_of

LABELS = (
    'block_size="32",cache_dtype="auto",enable_prefix_caching="True",kv_cache_size_tokens="{size}",'
    'num_gpu_blocks="10",prefix_caching_hash_algo="sha256_cbor",odd="a\\"}} 7",engine="{engine}"'
)
TEXT = """\
# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1.5e+03
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 1000.0
vllm:prefix_cache_hits_created{engine="0",model_name="m"} 1.7e+09
process_start_time_seconds 1.78e+09
"""


def cache_lines(*sizes: str) -> str:
    return "".join(
        f"vllm:cache_config_info{{{LABELS.format(size=size, engine=engine)}}} 1.0\n"
        for engine, size in enumerate(sizes)
    )


def test_counters_start_and_cache_are_read() -> None:
    """The lines are those of vLLM 0.32."""
    found = figures_of(TEXT + cache_lines("320"))
    assert found.counters == EngineCounters(3, 2, 0.25, 1500, 1000)
    assert found.started_at_s == 1.78e9
    assert found.cache == CacheConfig(32, 320, True, "sha256_cbor", 1)


def test_engines_of_one_server_are_summed() -> None:
    """A share of the cache is their mean."""
    found = figures_of(TEXT + TEXT + cache_lines("320", "640"))
    assert found.counters.running == 6
    assert found.counters.kv_cache_usage == 0.25
    assert found.cache is not None
    assert (found.cache.tokens, found.cache.engines) == (960, 2)


def test_a_version_that_does_not_say_the_tokens_says_the_blocks() -> None:
    """`None` is what vLLM writes for a number that it does not know."""
    found = figures_of(cache_lines("None"))
    assert found.cache is not None
    assert found.cache.tokens == 320


def test_nothing_is_made_up() -> None:
    """Without figures there is no cache and no start."""
    assert figures_of("") == figures_of("vllm:num_requests_running NaN\n")
    found = figures_of("")
    assert (found.cache, found.started_at_s) == (None, None)
    assert dataclasses.asdict(found.counters) == dataclasses.asdict(EngineCounters())


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """Another program's page is no fault of ours."""
    figures_of(text)
    figures_of(f"vllm:cache_config_info{{{text}}} 1\n")
