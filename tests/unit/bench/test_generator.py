"""The generated week: always the same, and like the published one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.workload.generator import Habits, generate
from tests.bench.workload.quantiles import measure, misses

SMALL = Habits(requests=300, passages=400, topics=30)


def test_a_seed_gives_one_trace():
    """Equal for equal seeds; another seed gives another."""
    assert generate(3, SMALL) == generate(3, SMALL)
    assert generate(3, SMALL) != generate(4, SMALL)


@given(
    seed=st.integers(0, 10**6),
    requests=st.integers(160, 240),
    passages=st.integers(60, 80),
    topics=st.integers(1, 8),
)
@settings(max_examples=25, deadline=None)
def test_every_passage_is_asked_for_and_none_twice_in_a_request(seed, requests, passages, topics):
    """As many requests as wanted, in order of time, six passages each."""
    habits = Habits(requests=requests, passages=passages, topics=topics)
    trace = generate(seed, habits)
    assert len(trace.asks) == requests
    assert {p for ask in trace.asks for p in ask.passages} == set(range(passages)) == set(trace.tokens)
    assert all(len(set(ask.passages)) == len(ask.passages) == 6 for ask in trace.asks)
    assert [ask.at_s for ask in trace.asks] == sorted(ask.at_s for ask in trace.asks)
    assert all(tokens > 0 for tokens in trace.tokens.values())


def test_more_passages_than_requests_can_ask_for_are_refused():
    """Otherwise the generator would search for ever."""
    with pytest.raises(ValueError, match="cannot ask for"):
        generate(1, Habits(requests=10, passages=100, topics=3))


def test_it_is_like_the_published_week():
    """For one seed, popularity, sharing and reuse in rank order are each in their published range."""
    assert misses(measure(generate(1))) == []
