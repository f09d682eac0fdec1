"""What every CounterStore does."""

from __future__ import annotations

import pytest

from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId

A = Scope(TenantId("a"), CollectionName("kb"))
OTHERS = [
    Scope(TenantId("ab"), CollectionName("kb")),
    Scope(TenantId("a"), CollectionName("kb2")),
]


def key(number: int) -> SegmentKey:
    return SegmentKey(f"{number:048x}")


async def test_counters_add_up_and_unknown_ones_are_absent(stores):
    counters = stores.counters()
    assert await counters.read(A) == {}
    await counters.add(A, {"hits": 1, "latency_ms": 0.25})
    await counters.add(A, {"hits": 2, "latency_ms": 1.5, "misses": 0})
    await counters.add(A, {})
    assert await counters.read(A) == {"hits": 3, "latency_ms": 1.75, "misses": 0}


async def test_small_and_large_increments_keep_their_value(stores):
    counters = stores.counters()
    await counters.add(A, {"small": 1e-7, "large": 2.0**52})
    await counters.add(A, {"small": 1e-7, "large": 1})
    read = await counters.read(A)
    assert read["small"] == pytest.approx(2e-7)
    assert read["large"] == 2.0**52 + 1


async def test_resetting_takes_one_scopes_counters_and_leaves_popularity(stores):
    counters = stores.counters()
    for scope in [A, *OTHERS]:
        await counters.add(scope, {"hits": 1})
        await counters.bump(scope, {key(1): 1})
    await counters.reset(A)
    await counters.reset(A)
    assert await counters.read(A) == {}
    assert [await counters.read(scope) for scope in OTHERS] == [{"hits": 1}] * 2
    assert await counters.popularity(A) == {key(1): 1}


async def test_popularity_counts_uses_by_scope_most_used_first(stores):
    counters = stores.counters()
    await counters.bump(A, {key(1): 1, key(2): 3})
    await counters.bump(A, {key(3): 2, key(1): 3})
    await counters.bump(A, {})
    assert list((await counters.popularity(A)).items()) == [(key(1), 4), (key(2), 3), (key(3), 2)]
    assert await counters.popularity(OTHERS[0]) == {}


async def test_only_the_most_used_are_read(stores):
    counters = stores.counters(read=3)
    await counters.bump(A, {key(n): n for n in range(1, 10)})
    assert await counters.popularity(A) == {key(9): 9, key(8): 8, key(7): 7}


async def test_popularity_is_trimmed_to_the_most_used(stores):
    counters = stores.counters(kept=8)
    await counters.bump(A, {key(n): n for n in range(1, 11)})
    assert len(await counters.popularity(A)) == 10, "a quarter more is let be"
    await counters.bump(A, {key(11): 11})
    assert await counters.popularity(A) == {key(n): n for n in range(4, 12)}


async def test_a_newcomer_can_become_popular_among_many_old_ones(stores):
    counters = stores.counters(kept=8)
    await counters.bump(A, {key(n): 5 for n in range(8)})
    for _ in range(7):
        await counters.bump(A, {key(99): 1})
    await counters.bump(A, {key(n): 5 for n in range(100, 102)})
    assert (await counters.popularity(A))[key(99)] == 7


async def test_neither_counters_nor_popularity_expire(stores):
    counters = stores.counters()
    await counters.add(A, {"hits": 1})
    await counters.bump(A, {key(1): 1})
    await stores.advance(10 * 365 * 86_400)
    assert await counters.read(A) == {"hits": 1}
    assert await counters.popularity(A) == {key(1): 1}
