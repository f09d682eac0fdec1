"""Segments in Redis are measured once for all processes, and seldom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deployments.core.cache_figures import CacheUsage
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.redis.connection import RedisLink
from deployments.token_cache import cluster_usage
from deployments.token_cache.cluster_usage import KEPT_S, OLD_S, ClusterUsage
from deployments.token_cache.keys import MEASURED, MEASURING
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.fakes import FakeClock

A = Scope(TenantId("a"), CollectionName("kb"))
B = Scope(TenantId("b"), CollectionName("kb"))
Advance = Callable[[int], Awaitable[None]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not fail these tests."""
    monkeypatch.setattr("deployments.redis.connection._PATIENCE_S", 10.0)


@pytest.fixture
async def store(link: RedisLink) -> RedisSegmentStore:
    store = RedisSegmentStore(link)
    await store.put_many(A, {SegmentKey(f"k{n}"): b"xyz" for n in range(3)}, 3600)
    return store


@pytest.fixture
async def meters(link: RedisLink) -> AsyncIterator[list[ClusterUsage]]:
    """Of three processes; walks take no time by their clocks."""
    made = [ClusterUsage(link, FakeClock()) for _ in range(3)]
    yield made
    for meter in made:
        await meter.close()


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The walks that were begun."""
    begun: list[float] = []
    walk = RedisSegmentStore.usage_by_scope

    async def counted(store: RedisSegmentStore) -> dict[str, CacheUsage]:
        begun.append(asyncio.get_running_loop().time())
        return await walk(store)

    monkeypatch.setattr(RedisSegmentStore, "usage_by_scope", counted)
    return begun


async def test_one_walk_measures_all_scopes_for_all_processes(
    store: RedisSegmentStore, meters: list[ClusterUsage], walks: list[float]
) -> None:
    """However many read at once."""
    await store.put_many(B, {SegmentKey("k"): b"x"}, 3600)
    assert await meters[0].known(A) is None
    await meters[0].fresh(A)
    found = [await meter.known(scope) for meter in meters for scope in (A, B)]
    assert [each.usage for each in found if each] == [CacheUsage(3, 0, 9), CacheUsage(1, 0, 1)] * 3
    assert len(walks) == 1


async def test_a_scope_without_segments_is_measured_too(
    store: RedisSegmentStore, meters: list[ClusterUsage]
) -> None:
    """Nothing is a result; also when all segments are gone."""
    found = await meters[0].fresh(B)
    assert found is not None
    assert found.usage == CacheUsage(0, 0, 0)
    await store.clear(A.tenant, None)
    again = await meters[1].fresh(A)
    assert again is not None
    assert again.usage == CacheUsage(0, 0, 0)


async def test_nobody_waits_long_for_a_walk(
    store: RedisSegmentStore, link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last result is the answer; the walk goes on, and its result is the next one."""
    monkeypatch.setattr(cluster_usage, "_PATIENCE_S", 0.05)
    meter, gate, walk = ClusterUsage(link), asyncio.Event(), RedisSegmentStore.usage_by_scope

    async def slow(store: RedisSegmentStore) -> dict[str, CacheUsage]:
        await gate.wait()
        return await walk(store)

    monkeypatch.setattr(RedisSegmentStore, "usage_by_scope", slow)
    async with asyncio.timeout(5):
        assert await meter.fresh(A) is None
    gate.set()
    monkeypatch.setattr(cluster_usage, "_PATIENCE_S", 60.0)
    found = await meter.fresh(A)
    assert found is not None
    assert found.usage == CacheUsage(3, 0, 9)
    await meter.close()


async def test_an_old_result_is_measured_again_meanwhile(
    store: RedisSegmentStore, meters: list[ClusterUsage], walks: list[float], advance_redis: Advance
) -> None:
    """The reader does not wait, and sees how old the result is."""
    await meters[0].fresh(A)
    await advance_redis(int(OLD_S) + 1)
    old = await meters[1].known(A)
    assert old is not None
    assert OLD_S < old.age_s < OLD_S + 10
    await meters[1].fresh(A)
    young = await meters[2].known(A)
    assert young is not None
    assert young.age_s < OLD_S
    assert len(walks) == 2


async def test_after_a_long_walk_comes_a_long_pause(
    link: RedisLink,
    store: RedisSegmentStore,
    meters: list[ClusterUsage],
    walks: list[float],
    advance_redis: Advance,
) -> None:
    """So that walks take 1 % of the server's time at most; a reader gets the last result."""
    clock = FakeClock()
    slow, other = ClusterUsage(link, clock), meters[0]
    original = RedisSegmentStore.usage_by_scope

    async def takes_a_second(store: RedisSegmentStore) -> dict[str, CacheUsage]:
        clock.pass_s(1)
        return await original(store)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RedisSegmentStore, "usage_by_scope", takes_a_second)
        await slow.fresh(A)
        await slow.close()
    await store.put_many(B, {SegmentKey("k"): b"x"}, 3600)
    await advance_redis(95)
    found = await other.fresh(B)
    assert found is not None
    assert found.usage == CacheUsage(0, 0, 0)
    await advance_redis(10)
    found = await other.fresh(B)
    assert found is not None
    assert found.usage == CacheUsage(1, 0, 1)
    assert len(walks) == 2


async def test_a_process_that_died_while_it_walked_is_followed_by_another(
    link: RedisLink, store: RedisSegmentStore, meters: list[ClusterUsage], advance_redis: Advance
) -> None:
    """After the longest time that a walk can take."""
    await link.call(("SET", MEASURING, "1", "EX", cluster_usage._LONGEST_WALK_S))
    assert await meters[0].fresh(A) is None
    await advance_redis(cluster_usage._LONGEST_WALK_S)
    assert await meters[0].fresh(A) is not None


async def test_a_failing_walk_leaves_requests_the_server(
    link: RedisLink, store: RedisSegmentStore, meters: list[ClusterUsage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a connection and a circuit breaker of its own, and raises nothing."""

    async def failing(_store: RedisSegmentStore) -> dict[str, CacheUsage]:
        raise CacheUnavailable("busy")

    monkeypatch.setattr(RedisSegmentStore, "usage_by_scope", failing)
    for meter in meters:
        assert await meter.fresh(A) is None
    assert await link.call(("PING",))


async def test_results_are_forgotten(
    store: RedisSegmentStore, meters: list[ClusterUsage], link: RedisLink, advance_redis: Advance
) -> None:
    """When nobody reads them."""
    await meters[0].fresh(A)
    await advance_redis(KEPT_S)
    assert await link.call(("EXISTS", MEASURED)) == [0]


async def test_a_result_of_another_writer_is_unavailable(meters: list[ClusterUsage], link: RedisLink) -> None:
    """It is no number of ours."""
    await link.call(("HSET", MEASURED, str(A), "nonsense"), ("EXPIRE", MEASURED, 60))
    with pytest.raises(CacheUnavailable):
        await meters[0].known(A)
