"""Requests sent one after another find the same as in simulated time, since the clock plays no part."""

from __future__ import annotations

import asyncio

import pytest

from tests.bench.studies.through_replicas import Found, ModelReplica, Through, as_expected, share
from tests.bench.workload.cluster import POLICIES, Cluster, through_cluster
from tests.bench.workload.generator import Habits, generate
from tests.bench.workload.prompts import Prompts

TRACE = generate(3, Habits(requests=300, passages=120, topics=12))


async def _found(policy: str, capacity_tokens: int) -> list[Found]:
    replicas = [ModelReplica("a", capacity_tokens, 32)]
    through = Through(TRACE, Prompts(TRACE.tokens), POLICIES[policy], replicas, 3)
    await through.open()
    return await through.all(0, len(TRACE.asks))


@pytest.mark.parametrize("policy", ["random + rank", "joint (rank behind)"])
@pytest.mark.parametrize("capacity_tokens", [200_000, 10_000])
def test_one_modelled_replica_finds_what_a_simulated_cluster_of_one_finds(
    policy: str, capacity_tokens: int
) -> None:
    """Order and views are the same, so the hits are the same, and every expectation is right."""
    found = asyncio.run(_found(policy, capacity_tokens))
    cluster = Cluster(replicas=1, capacity_tokens=capacity_tokens, eviction="documents")
    simulated = through_cluster(TRACE, POLICIES[policy], cluster, 3)
    assert share(found) == pytest.approx(100 * simulated.share)
    assert as_expected(found) == 100
