"""The ledger of an answer can't contradict itself, whatever the clocks and counters said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ledger import STAGES, Reuse, timings

BEFORE_FIRST_TOKEN = [stage for stage in STAGES if stage != "decode"]

times_ms = st.floats(-1e4, 1e7, allow_nan=False)
stage_times = st.dictionaries(st.sampled_from(STAGES), times_ms)
counts = st.integers(-3, 6)


def reuse(**changes):
    complete: dict[str, Any] = {
        "segments": 3,
        "l1": 1,
        "redis": 1,
        "tokenized": 1,
        "prompt_tokens": 100,
        "kv_cached_tokens": 64,
        "order": "rank",
        "dropped": (),
        "answer": "generated",
    }
    return Reuse(**(complete | changes))


def hundredths(value_ms):
    """Whole hundredths of a millisecond; fails when a time was rounded more finely than that."""
    assert value_ms * 100 == pytest.approx(round(value_ms * 100), abs=1e-4)
    return round(value_ms * 100)


@given(counts, counts, counts, counts, counts, counts)
def test_counts_add_up_or_there_is_no_ledger(segments, l1, redis, tokenized, prompt, kv):
    """Every Reuse that can be made has sources that add up, none negative, and no more KV than prompt."""
    consistent = min(l1, redis, tokenized) >= 0 and l1 + redis + tokenized == segments and 0 <= kv <= prompt
    try:
        made = reuse(
            segments=segments,
            l1=l1,
            redis=redis,
            tokenized=tokenized,
            prompt_tokens=prompt,
            kv_cached_tokens=kv,
        )
    except ValueError:
        assert not consistent
    else:
        assert consistent
        assert made.cache_hit == (segments > 0 and tokenized == 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"l1": 2},
        {"segments": 0},
        {"l1": -1, "redis": 3},
        {"kv_cached_tokens": 101},
        {"kv_cached_tokens": -1},
    ],
)
def test_contradicting_counts_are_refused(wrong):
    """Sources that do not add up, negative ones and more reuse than prompt raise ValueError."""
    with pytest.raises(ValueError, match=r"segments?$|prompt has"):
        reuse(**wrong)


def test_a_hit_needs_a_segment_and_none_tokenized():
    """No document is no hit; one tokenized segment is no hit; all from the caches is one."""
    assert not reuse(segments=0, l1=0, redis=0, tokenized=0).cache_hit
    assert not reuse().cache_hit
    assert reuse(redis=2, tokenized=0).cache_hit


@given(stage_times, times_ms, times_ms)
def test_stages_never_exceed_what_they_are_parts_of(stages_ms, ttft_ms, total_ms):
    """After rounding too: stages before the first token within ttft, everything within total."""
    shown = {name: hundredths(value) for name, value in timings(stages_ms, ttft_ms, total_ms).items()}
    before = sum(shown[stage] for stage in BEFORE_FIRST_TOKEN)
    assert set(shown) == {*STAGES, "ttft", "total"}
    assert min(shown.values()) >= 0
    assert before <= shown["ttft"] <= shown["total"]
    assert shown["ttft"] + shown["decode"] <= shown["total"]


@given(stage_times, times_ms, times_ms)
def test_no_stage_is_shown_longer_than_it_was(stages_ms, ttft_ms, total_ms):
    """Rounding and scaling only shorten stages, and never shorten the total."""
    shown = timings(stages_ms, ttft_ms, total_ms)
    for stage in STAGES:
        assert shown[stage] <= max(stages_ms.get(stage, 0.0), 0.0) + 1e-6
    assert shown["total"] >= total_ms - 1e-6


@given(stage_times, times_ms, times_ms)
def test_stamping_twice_changes_nothing(stages_ms, ttft_ms, total_ms):
    """The edge stamps what the agent has stamped: times that were rounded stay as they are."""
    once = timings(stages_ms, ttft_ms, total_ms)
    again = timings({stage: once[stage] for stage in STAGES}, once["ttft"], once["total"])
    assert again == once


def test_times_that_fit_are_shown_as_they_are():
    """Nothing is scaled where nothing has to be; what did not run took no time."""
    shown = timings({"retrieve": 6.1, "prefill": 58.004, "decode": 610.2}, 67.0, 684.001)
    assert shown == {
        "retrieve": 6.1,
        "tokens": 0.0,
        "assemble": 0.0,
        "route": 0.0,
        "queue": 0.0,
        "prefill": 58.0,
        "decode": 610.2,
        "ttft": 67.0,
        "total": 684.01,
    }


def test_an_unknown_stage_is_an_error():
    """A misspelt stage would vanish from the ledger, so it raises KeyError naming it."""
    with pytest.raises(KeyError, match="prefil"):
        timings({"prefil": 1.0}, 1.0, 1.0)
