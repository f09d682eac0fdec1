"""Traffic of many tenants, and what a large cluster costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.rag.engine_views import SURVEY_CALLS_PER_S
from tests.bench.studies.survey_cost import survey_cost
from tests.bench.workload.cluster import POLICIES, Cluster, through_cluster
from tests.bench.workload.many_tenants import many_tenants

POLICY = POLICIES["joint, best first"]


@given(st.integers(1, 120), st.integers(1, 50), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_no_two_tenants_share_anything(requests, tenants, seed):
    """Passages and preambles belong to one tenant each; there are as many requests as wanted, in order."""
    trace = many_tenants(requests, tenants, seed)
    assert len(trace.asks) == requests
    assert [ask.at_s for ask in trace.asks] == sorted(ask.at_s for ask in trace.asks)
    owners: dict[int, str] = {}
    for ask in trace.asks:
        assert ask.tenant == f"tenant{ask.preamble}"
        for passage in ask.passages:
            assert trace.tokens[passage] > 0
            assert owners.setdefault(passage, ask.tenant) == ask.tenant


def test_a_replay_of_many_tenants_finds_what_each_finds_alone():
    """In one unlimited cache, nothing is reused across tenants and nothing is lost among them."""
    trace = many_tenants(200, 5, 1)
    cluster = Cluster(replicas=1, capacity_tokens=None, warmed=False)
    together = through_cluster(trace, POLICY, cluster)
    alone = 0
    for tenant in {ask.tenant for ask in trace.asks}:
        own = replace(trace, asks=[ask for ask in trace.asks if ask.tenant == tenant])
        if len(own.asks) > 1:
            alone += through_cluster(own, POLICY, cluster).hit_tokens
    assert together.hit_tokens == alone > 0


def test_a_survey_costs_what_it_carries_and_not_the_number_of_replicas():
    """With eight times as many replicas, most of which hold nothing, a call to each is hardly longer."""
    trace = many_tenants(150, 40, 1)
    salts = sorted({ask.tenant for ask in trace.asks})
    costs = []
    for replicas in (2, 16):
        outcome = through_cluster(trace, POLICY, Cluster(replicas=replicas, use=1.0, warmed=False))
        (views,) = outcome.views
        costs.append(survey_cost(views, salts, replicas))
    few, many = costs
    assert many.call_bytes < 3 * few.call_bytes
    assert many.bytes_per_s == pytest.approx(SURVEY_CALLS_PER_S * (many.call_bytes + many.reply_bytes))
