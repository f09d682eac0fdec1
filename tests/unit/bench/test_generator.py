"""The generated week: always the same, and like the published one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from statistics import mean

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


def test_bursts_and_a_second_preamble_change_nothing_else():
    """The same passages are asked for in the same order; more requests come within a minute of another."""
    plain = generate(3, SMALL)
    trace = generate(3, replace(SMALL, per_burst=10, second_preamble=0.3))
    assert [ask.passages for ask in trace.asks] == [ask.passages for ask in plain.asks]
    assert trace.tokens == plain.tokens
    assert {ask.preamble for ask in plain.asks} == {0}
    assert 0.2 < mean(ask.preamble for ask in trace.asks) < 0.4

    def close(asks):
        return mean(later.at_s - sooner.at_s < 60 for sooner, later in pairwise(asks))

    assert [ask.at_s for ask in trace.asks] == sorted(ask.at_s for ask in trace.asks)
    assert close(trace.asks) > 2 * close(plain.asks)
