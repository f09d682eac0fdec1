"""What every SegmentStore does."""

from __future__ import annotations

import pytest

from deployments.core.cache_figures import CacheUsage
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.token_ids import token_ids
from deployments.token_cache.codec import encode
from tests.contract.token_cache.counting import batch, totals


def scope(tenant: str, collection: str = "kb") -> Scope:
    return Scope(TenantId(tenant), CollectionName(collection))


def key(number: int) -> SegmentKey:
    return SegmentKey(f"{number:048x}")


A = scope("a")
NEIGHBOURS = [
    scope(tenant, collection)
    for tenant in ("a", "ab", "a.b", "a-b", "a_b", "A", "b")
    for collection in ("kb", "kb2", "kb_2", "k")
]


async def test_values_come_back_in_the_order_of_the_keys(stores):
    await stores.segments.put_many(A, {key(1): b"one", key(2): b"two\x00\xff\r\n", key(3): b"three"}, 60)
    found = await stores.segments.get_many(A, [key(3), key(9), key(2), key(3), key(1)])
    assert found == [b"three", None, b"two\x00\xff\r\n", b"three", b"one"]


async def test_no_keys_are_no_work(stores):
    assert await stores.segments.get_many(A, []) == []
    assert await stores.segments.delete_many(A, []) == 0
    await stores.segments.put_many(A, {}, 60)


async def test_the_last_value_of_a_key_counts(stores):
    await stores.segments.put_many(A, {key(1): b"old"}, 60)
    await stores.segments.put_many(A, {key(1): b"new"}, 60)
    assert await stores.segments.get_many(A, [key(1)]) == [b"new"]


async def test_values_expire_after_their_own_ttl(stores):
    await stores.segments.put_many(A, {key(1): b"short"}, 60)
    await stores.segments.put_many(A, {key(2): b"long"}, 600)
    await stores.advance(59)
    assert await stores.segments.get_many(A, [key(1), key(2)]) == [b"short", b"long"]
    await stores.advance(1)
    assert await stores.segments.get_many(A, [key(1), key(2)]) == [None, b"long"]


async def test_storing_again_renews_the_ttl(stores):
    await stores.segments.put_many(A, {key(1): b"x"}, 60)
    await stores.advance(59)
    await stores.segments.put_many(A, {key(1): b"x"}, 60)
    await stores.advance(59)
    assert await stores.segments.get_many(A, [key(1)]) == [b"x"]


async def test_deleting_returns_how_many_there_were(stores):
    await stores.segments.put_many(A, {key(1): b"x", key(2): b"y", key(3): b"z"}, 60)
    assert await stores.segments.delete_many(A, [key(1), key(3), key(1), key(9)]) == 2
    assert await stores.segments.get_many(A, [key(1), key(2), key(3)]) == [None, b"y", None]


async def test_expired_values_are_neither_deleted_nor_cleared_nor_counted(stores):
    await stores.segments.put_many(A, {key(1): b"x"}, 60)
    await stores.advance(60)
    assert await usage_of(stores, A) == CacheUsage(0, 0, 0)
    assert await stores.segments.delete_many(A, [key(1)]) == 0
    assert await stores.segments.clear(A.tenant, None) == 0


async def test_the_same_key_of_two_tenants_is_two_entries(stores):
    await stores.segments.put_many(A, {key(1): b"of a"}, 60)
    await stores.segments.put_many(scope("ab"), {key(1): b"of ab"}, 60)
    assert await stores.segments.get_many(A, [key(1)]) == [b"of a"]
    assert await stores.segments.get_many(scope("ab"), [key(1)]) == [b"of ab"]
    assert await stores.segments.get_many(scope("b"), [key(1)]) == [None]
    assert await stores.segments.delete_many(A, [key(1)]) == 1
    assert await stores.segments.get_many(scope("ab"), [key(1)]) == [b"of ab"]


async def fill(stores) -> None:
    for number, neighbour in enumerate(NEIGHBOURS, start=1):
        await stores.segments.put_many(neighbour, {key(n): b"x" for n in range(number)}, 60)


async def usage_of(stores, scope) -> CacheUsage:
    usages: dict[str, CacheUsage] = await stores.segments.usage_by_scope()
    return usages.get(str(scope), CacheUsage(0, 0, 0))


async def entries(stores) -> dict[Scope, int]:
    usages: dict[str, CacheUsage] = await stores.segments.usage_by_scope()
    return {each: usages.get(str(each), CacheUsage(0, 0, 0)).entries for each in NEIGHBOURS}


@pytest.mark.parametrize("cleared", NEIGHBOURS, ids=str)
async def test_clearing_a_collection_takes_its_entries_and_no_neighbours(stores, cleared):
    await fill(stores)
    before = await entries(stores)
    assert before == {each: number for number, each in enumerate(NEIGHBOURS, start=1)}
    assert await stores.segments.clear(cleared.tenant, cleared.collection) == before[cleared]
    assert await entries(stores) == before | {cleared: 0}
    assert await stores.segments.clear(cleared.tenant, cleared.collection) == 0


@pytest.mark.parametrize("tenant", sorted({each.tenant for each in NEIGHBOURS}))
async def test_clearing_a_tenant_takes_all_its_collections_and_no_other_tenants(stores, tenant):
    await fill(stores)
    before = await entries(stores)
    own = {each: 0 for each in NEIGHBOURS if each.tenant == tenant}
    assert await stores.segments.clear(tenant, None) == sum(before[each] for each in own)
    assert await entries(stores) == before | own


async def test_many_entries_are_cleared_and_counted_exactly(stores):
    await stores.segments.put_many(A, {key(n): b"x" for n in range(2345)}, 60)
    await stores.segments.put_many(scope("ab"), {key(n): b"x" for n in range(1234)}, 60)
    assert await stores.segments.delete_many(A, [key(n) for n in range(1200)]) == 1200
    assert (await usage_of(stores, A)).entries == 1145
    assert await stores.segments.clear(A.tenant, None) == 1145
    assert (await usage_of(stores, scope("ab"))).entries == 1234


async def test_usage_counts_entries_tokens_and_bytes_of_one_scope(stores):
    values = {key(n): encode(token_ids(range(n)), key(n), 49_152) for n in range(20)}
    await stores.segments.put_many(A, values, 60)
    await stores.segments.put_many(scope("ab"), {key(1): encode(token_ids([7]), key(1), 49_152)}, 60)
    expected = CacheUsage(20, sum(range(20)), sum(map(len, values.values())))
    assert await usage_of(stores, A) == expected


async def test_a_value_that_is_no_encoded_segment_counts_bytes_but_no_tokens(stores):
    await stores.segments.put_many(A, {key(1): b"garbage"}, 60)
    assert await usage_of(stores, A) == CacheUsage(1, 0, 7)


async def test_clearing_segments_leaves_counters_and_popularity(stores):
    counters = stores.counters()
    await stores.segments.put_many(A, {key(1): b"x"}, 60)
    await counters.record(A, batch({"hits": 1}))
    await counters.record(A, batch(uses={key(1): 1}))
    assert await stores.segments.clear(A.tenant, None) == 1
    assert await totals(counters, A) == {"hits": 1}
    assert await counters.popularity(A) == {key(1): 1}


async def test_a_store_that_is_there_answers_a_ping(stores):
    await stores.segments.ping()
