"""Retrievals on a real server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.redis.connection import RedisLink
from deployments.retrieval.cached_retriever import RetrievalKey
from deployments.retrieval.retrieval_store import RedisRetrievalStore, retrieval_name
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


@pytest.mark.parametrize("damage", [("SET", b"junk"), ("RPUSH", b"of another type")])
async def test_a_damaged_entry_is_nothing_and_deleted(link: RedisLink, damage: tuple[str, bytes]):
    store, name = RedisRetrievalStore(link), retrieval_name(KEY)
    await link.call((damage[0], name, damage[1]))
    assert await store.get(KEY) is None
    assert store.corrupt_entries == 1
    assert await link.call(("EXISTS", name)) == [0]


async def test_one_retrieval_under_another_s_name_is_nothing(link: RedisLink):
    store, other = RedisRetrievalStore(link), replace(KEY, state="other")
    await store.put(KEY, FOUND, 60)
    await link.call(("RENAME", retrieval_name(KEY), retrieval_name(other)))
    assert await store.get(other) is None


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
    for call in (store.get(KEY), store.put(KEY, FOUND, 60), store.clear(SCOPE.tenant, None)):
        with pytest.raises(CacheUnavailable):
            await call
