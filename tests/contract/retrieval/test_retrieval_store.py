"""Retrievals on a real server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.redis.connection import RedisLink, expect
from deployments.retrieval.cached_retriever import RetrievalKey
from deployments.retrieval.retrieval_store import (
    MAX_ENTRIES,
    RedisRetrievalStore,
    retrieval_field,
    retrievals_name,
)
from deployments.token_cache.keys import segment_prefix
from tests.fakes import a_passage

SCOPE = Scope(TenantId("a"), CollectionName("kb"))
Advance = Callable[[int], Awaitable[None]]
KEY = RetrievalKey(SearchQuery(SCOPE, "question", 5), "state", "")
FOUND = Retrieval((a_passage(0), a_passage(1)), 7, "state")


def in_scope(tenant: str, collection: str) -> RetrievalKey:
    scope = Scope(TenantId(tenant), CollectionName(collection))
    return replace(KEY, query=replace(KEY.query, scope=scope))


async def test_what_was_put_is_found_in_its_state_until_it_expires(link: RedisLink, advance_redis: Advance):
    store = RedisRetrievalStore(link)
    assert await store.get(KEY) is None
    await store.put(KEY, FOUND, 60)
    assert await store.get(KEY) == FOUND
    assert await store.get(replace(KEY, state="later")) is None
    assert await store.get(replace(KEY, kind="other")) is None
    await advance_redis(60)
    assert await store.get(KEY) is None


async def test_a_damaged_entry_is_nothing_and_deleted(link: RedisLink):
    store, name, field = RedisRetrievalStore(link), retrievals_name(SCOPE), retrieval_field(KEY)
    await store.put(KEY, FOUND, 60)
    await link.call(("HSET", name, field, b"junk"))
    assert await store.get(KEY) is None
    assert store.corrupt_entries == 1
    assert await link.call(("HEXISTS", name, field)) == [0]


@pytest.mark.parametrize("use", ["get", "put", "forget"])
async def test_a_key_of_another_type_gives_way(link: RedisLink, use: str):
    store, name = RedisRetrievalStore(link), retrievals_name(SCOPE)
    await link.call(("RPUSH", name, b"of another type"))
    if use == "get":
        assert await store.get(KEY) is None
    elif use == "forget":
        assert await store.forget(SCOPE, 7) == 1
    await store.put(KEY, FOUND, 60)
    assert await store.get(KEY) == FOUND


async def test_one_retrieval_under_another_s_name_is_nothing(link: RedisLink):
    store, other = RedisRetrievalStore(link), replace(KEY, state="other")
    await store.put(KEY, FOUND, 60)
    (raw,) = await link.call(("HGET", retrievals_name(SCOPE), retrieval_field(KEY)))
    await link.call(("HSET", retrievals_name(SCOPE), retrieval_field(other), expect(bytes, raw)))
    assert await store.get(other) is None


async def test_a_change_deletes_what_was_found_before_it_and_refuses_it_from_then_on(link: RedisLink):
    store, late = RedisRetrievalStore(link), replace(KEY, query=replace(KEY.query, text="late"))
    await store.put(KEY, FOUND, 60)
    assert await store.forget(SCOPE, 8) == 1
    await store.put(late, FOUND, 60)
    assert [await store.get(key) for key in (KEY, late)] == [None, None]
    newer = replace(FOUND, generation=8)
    await store.put(KEY, newer, 60)
    assert await store.get(KEY) == newer
    assert await store.forget(SCOPE, 8) == 0  # the same change, reported late


async def test_the_first_result_after_a_change_deletes_the_former_ones_too(link: RedisLink):
    """If Redis was down when the change was reported, they don't stay."""
    store, other = RedisRetrievalStore(link), replace(KEY, query=replace(KEY.query, text="other"))
    await store.put(KEY, FOUND, 60)
    await store.put(other, replace(FOUND, generation=8), 60)
    assert await store.get(KEY) is None
    assert await store.get(other) is not None


async def test_clearing_also_refuses_late_results(link: RedisLink):
    store = RedisRetrievalStore(link)
    await store.put(KEY, replace(FOUND, generation=8), 60)
    await store.clear(SCOPE.tenant, None)
    await store.put(KEY, FOUND, 60)
    assert await store.get(KEY) is None


async def test_a_collection_has_a_bounded_number_of_entries(link: RedisLink):
    store, name = RedisRetrievalStore(link), retrievals_name(SCOPE)
    await store.put(KEY, FOUND, 60)
    await link.call(("HSET", name, *(part for n in range(MAX_ENTRIES) for part in (f"field {n}", "x"))))
    await store.put(replace(KEY, kind="one more"), FOUND, 60)
    (size,) = await link.call(("HLEN", name))
    assert expect(int, size) <= MAX_ENTRIES + 1


async def test_an_entry_does_not_shorten_the_life_of_others(link: RedisLink, advance_redis: Advance):
    store = RedisRetrievalStore(link)
    await store.put(KEY, FOUND, 600)
    await store.put(replace(KEY, kind="other"), FOUND, 60)
    await advance_redis(500)
    assert await store.get(KEY) == FOUND


async def test_a_forged_retrieval_is_nothing(link: RedisLink):
    """It would be passages that the tenant never stored."""
    ours, theirs = RedisRetrievalStore(link, b"seal"), RedisRetrievalStore(link, b"guess")
    for forger in (theirs, RedisRetrievalStore(link)):
        await forger.put(KEY, FOUND, 60)
        assert await ours.get(KEY) is None
    assert ours.corrupt_entries == 2
    await ours.put(KEY, FOUND, 60)
    assert await ours.get(KEY) == FOUND


async def test_clearing_deletes_a_tenant_s_retrievals_only(link: RedisLink):
    store = RedisRetrievalStore(link)
    keys = [in_scope(*scope) for scope in (("a", "kb"), ("a", "kb_two"), ("ab", "kb"))]
    for key in keys:
        await store.put(key, FOUND, 60)
    segment = segment_prefix(SCOPE) + "0" * 48
    await link.call(("SET", segment, "x"))
    assert await store.clear(SCOPE.tenant, SCOPE.collection) == 1
    assert [await store.get(key) is None for key in keys] == [True, False, False]
    assert await store.clear(SCOPE.tenant, None) == 1
    assert [await store.get(key) is None for key in keys] == [True, True, False]
    assert await link.call(("EXISTS", segment)) == [1]


async def test_a_server_that_is_gone_is_an_unavailable_cache():
    store = RedisRetrievalStore(RedisLink("redis://127.0.0.1:1", timeout_s=0.1))
    uses = (
        store.get(KEY),
        store.put(KEY, FOUND, 60),
        store.forget(SCOPE, 1),
        store.clear(SCOPE.tenant, None),
    )
    for call in uses:
        with pytest.raises(CacheUnavailable):
            await call
