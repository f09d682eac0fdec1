"""What every CounterStore does."""

from __future__ import annotations

import pytest

from deployments.core.counted_use import CountBatch
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.token_cache.counters import POPULARITY_TTL_S
from tests.contract.token_cache.counting import batch, totals

A = Scope(TenantId("a"), CollectionName("kb"))
OTHERS = [
    Scope(TenantId("ab"), CollectionName("kb")),
    Scope(TenantId("a"), CollectionName("kb2")),
]


def key(number: int) -> SegmentKey:
    return SegmentKey(f"{number:048x}")


async def test_counters_add_up_and_unknown_ones_are_absent(stores):
    counters = stores.counters()
    assert await totals(counters, A) == {}
    await counters.record(A, batch({"hits": 1, "latency_ms": 0.25}))
    await counters.record(A, batch({"hits": 2, "latency_ms": 1.5, "misses": 0}))
    await counters.record(A, batch())
    assert await totals(counters, A) == {"hits": 3, "latency_ms": 1.75, "misses": 0}


async def test_small_and_large_increments_keep_their_value(stores):
    counters = stores.counters()
    await counters.record(A, batch({"small": 1e-7, "large": 2.0**52}))
    await counters.record(A, batch({"small": 1e-7, "large": 1}))
    read = await totals(counters, A)
    assert read["small"] == pytest.approx(2e-7)
    assert read["large"] == 2.0**52 + 1


async def test_a_batch_is_counted_once_however_often_it_comes(stores):
    counters = stores.counters()
    for number in (1, 1, 2, 1, 2, 2, 7, 6):
        sent = CountBatch("one", number, {"hits": 10**number}, {key(number): number})
        found = await counters.record(A, sent)
    assert found == {"hits": 10_000_110}, "a batch with a smaller number than the last one was counted before"
    assert await counters.popularity(A) == {key(7): 7, key(2): 2, key(1): 1}


async def test_writers_and_scopes_have_numbers_of_their_own(stores):
    counters = stores.counters()
    for scope in (A, *OTHERS):
        for writer in ("one", "other"):
            await counters.record(scope, CountBatch(writer, 1, {"hits": 1}, {key(1): 1}))
    assert [await totals(counters, scope) for scope in (A, *OTHERS)] == [{"hits": 2}] * 3
    assert await counters.popularity(A) == {key(1): 2}


async def test_a_batch_that_is_repeated_after_a_reset_is_not_counted_again(stores):
    counters = stores.counters()
    await counters.record(A, CountBatch("one", 1, {"hits": 1}, {key(1): 1}))
    await counters.reset(A)
    assert await counters.record(A, CountBatch("one", 1, {}, {key(1): 1})) == {}
    assert await counters.popularity(A) == {key(1): 1}


async def test_resetting_takes_one_scopes_counters_and_leaves_popularity(stores):
    counters = stores.counters()
    for scope in [A, *OTHERS]:
        await counters.record(scope, batch({"hits": 1}))
        await counters.record(scope, batch(uses={key(1): 1}))
    await counters.reset(A)
    await counters.reset(A)
    assert await totals(counters, A) == {}
    assert [await totals(counters, scope) for scope in OTHERS] == [{"hits": 1}] * 2
    assert await counters.popularity(A) == {key(1): 1}


async def test_popularity_counts_uses_by_scope_most_used_first(stores):
    counters = stores.counters()
    await counters.record(A, batch(uses={key(1): 1, key(2): 3}))
    await counters.record(A, batch(uses={key(3): 2, key(1): 3}))
    await counters.record(A, batch())
    assert list((await counters.popularity(A)).items()) == [(key(1), 4), (key(2), 3), (key(3), 2)]
    assert await counters.popularity(OTHERS[0]) == {}


async def test_only_the_most_used_are_read(stores):
    counters = stores.counters(read=3)
    await counters.record(A, batch(uses={key(n): n for n in range(1, 10)}))
    assert await counters.popularity(A) == {key(9): 9, key(8): 8, key(7): 7}


async def test_popularity_is_trimmed_to_the_most_used(stores):
    counters = stores.counters(kept=8)
    await counters.record(A, batch(uses={key(n): n for n in range(1, 11)}))
    assert len(await counters.popularity(A)) == 10, "a quarter more is not trimmed"
    await counters.record(A, batch(uses={key(11): 11}))
    assert await counters.popularity(A) == {key(n): n for n in range(4, 12)}


async def test_a_newcomer_can_become_popular_among_many_old_ones(stores):
    counters = stores.counters(kept=8)
    await counters.record(A, batch(uses={key(n): 5 for n in range(8)}))
    for _ in range(7):
        await counters.record(A, batch(uses={key(99): 1}))
    await counters.record(A, batch(uses={key(n): 5 for n in range(100, 102)}))
    assert (await counters.popularity(A))[key(99)] == 7


async def test_counters_stay_and_popularity_stays_while_it_is_used(stores):
    counters = stores.counters()
    await counters.record(A, batch({"hits": 1}))
    for _ in range(3):
        await counters.record(A, batch(uses={key(1): 1}))
        await stores.advance(POPULARITY_TTL_S - 5)
    assert await totals(counters, A) == {"hits": 1}
    assert await counters.popularity(A) == {key(1): 3}
    if stores.link is not None:  # in memory nothing expires
        await stores.advance(5)
        assert await counters.popularity(A) == {}
    await stores.advance(10 * 365 * 86_400)
    assert await totals(counters, A) == {"hits": 1}
