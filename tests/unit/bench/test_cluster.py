"""The application's order and routing in simulated time: what must hold for every choice of the two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.workload.cluster import POLICIES, Cluster, through_cluster
from tests.bench.workload.generator import Habits, generate
from tests.bench.workload.one_cache import through_one_cache

TRACE = generate(5, Habits(requests=150, passages=200, topics=15))
SMALL = Cluster(replicas=3, capacity_tokens=12_000)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize(
    "cluster",
    [SMALL, replace(SMALL, agents=4, lag_s=0.2, use=0.8), replace(SMALL, capacity_tokens=None)],
    ids=["quiet", "busy, late news", "unlimited"],
)
def test_every_token_is_found_or_prefilled(name, cluster):
    """Also those of preambles that warm the replicas. No request waits less than its prefill takes."""
    outcome = through_cluster(TRACE, POLICIES[name], cluster)
    warming = cluster.replicas * (512 + 30)
    assert sum(outcome.prefilled_tokens) - warming == outcome.prompt_tokens - outcome.hit_tokens
    assert 0 <= outcome.share < 1
    assert 1 <= outcome.imbalance <= cluster.replicas
    assert 0 < outcome.mean_wait_s <= outcome.p95_wait_s


@pytest.mark.parametrize("capacity_tokens", [None, 12_000])
def test_with_one_replica_the_application_finds_what_the_cache_itself_shows(capacity_tokens):
    """Its view, built from events, gives the same order as the cache itself would, except for ties."""
    cluster = Cluster(replicas=1, capacity_tokens=capacity_tokens)
    real = through_cluster(TRACE, POLICIES["joint"], cluster)
    reference = through_one_cache(TRACE, "popularity", trie=True, capacity_tokens=capacity_tokens)
    assert real.share == pytest.approx(reference.share, abs=0.01)


def test_a_replay_can_be_repeated():
    """The same trace, cluster and seed give the same outcome."""
    cluster = replace(SMALL, agents=2, lag_s=0.05, use=0.7)
    assert through_cluster(TRACE, POLICIES["joint"], cluster, 1) == through_cluster(
        TRACE, POLICIES["joint"], cluster, 1
    )


def test_choosing_order_and_replica_together_finds_most():
    """It finds more than prefix routing in rank order, which finds more than random routing."""
    shares = [
        through_cluster(TRACE, POLICIES[name], SMALL).share
        for name in ("random + rank", "prefix + rank", "joint")
    ]
    assert shares == sorted(shares)
    assert shares[2] > 1.5 * shares[1]
