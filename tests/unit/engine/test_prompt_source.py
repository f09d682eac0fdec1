"""How the cluster's prompts begin, as a new engine replica prefills them."""

from __future__ import annotations

from functools import partial

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope, SegmentKey, TenantId
from deployments.core.reuse.paths import ids_segment, segment_id
from deployments.core.token_ids import token_ids
from deployments.engine.warm_prompts import PromptSource, WarmPrompt
from deployments.token_cache.codec import encode
from deployments.token_cache.stored_segments import stored_segments
from tests.fakes import FakeSalts
from tests.memory_stores import InMemoryHotPaths, InMemorySegmentStore

KB, DOCS = CollectionName("kb"), CollectionName("docs")
A, B = TenantId("a"), TenantId("b")
HEADS = {KB: token_ids([1, 2]), DOCS: token_ids([3])}
WRITER = token_ids([4])
IDS = {SegmentKey(f"{number:048x}"): token_ids(range(number * 10, number * 10 + 5)) for number in range(1, 5)}
K1, K2, K3, K4 = IDS


class DownHotPaths(InMemoryHotPaths):
    async def hottest(self, limit: int, tenant: TenantId | None = None) -> list[object]:  # type: ignore[override]
        raise CacheUnavailable("down")


async def source(paths: InMemoryHotPaths | None = None) -> PromptSource:
    """Tenant a's segments 1 to 3 in the knowledge base are stored, and b's first; 2 of b's is damaged."""
    segments = InMemorySegmentStore()
    for key in (K1, K2, K3):
        await segments.put_many(Scope(A, KB), {key: encode(IDS[key], key, 49_152)}, 60)
    await segments.put_many(Scope(B, KB), {K1: encode(IDS[K1], K1, 49_152), K2: b"damaged"}, 60)
    stored = partial(stored_segments, segments)
    return PromptSource(paths or InMemoryHotPaths(), stored, FakeSalts(), HEADS, [WRITER])


def opened(tenant: TenantId, collection: CollectionName, *keys: SegmentKey) -> WarmPrompt:
    head = HEADS[collection]
    documents = [(segment_id(key), IDS[key]) for key in keys]
    return WarmPrompt(f"salt of {tenant}", ((ids_segment(head), head), *documents))


def preambles(tenant: TenantId) -> list[WarmPrompt]:
    writer = WarmPrompt(f"salt of {tenant}", ((ids_segment(WRITER), WRITER),))
    return [opened(tenant, KB), opened(tenant, DOCS), writer]


async def test_the_hottest_paths_stand_between_preambles() -> None:
    paths = InMemoryHotPaths()
    await paths.record({Scope(A, KB): [(K1, K2)] * 3 + [(K3,)], Scope(B, KB): [(K1,)] * 2})
    assert await (await source(paths)).most_wanted() == [
        *preambles(DEFAULT_TENANT),
        opened(A, KB, K1, K2),
        opened(B, KB, K1),
        opened(A, KB, K3),
        *preambles(A),
        *preambles(B),
    ]


async def test_a_path_ends_where_a_segment_is_missing_or_damaged() -> None:
    paths = InMemoryHotPaths()
    await paths.record({Scope(A, KB): [(K1, K4, K2)], Scope(B, KB): [(K1, K2)]})
    found = await source(paths)
    assert await found.hottest(A) == [opened(A, KB, K1)]
    assert await found.hottest(B) == [opened(B, KB, K1)]


async def test_segments_are_the_tenants_own() -> None:
    paths = InMemoryHotPaths()
    await paths.record({Scope(B, KB): [(K3,)], Scope(A, DOCS): [(K1,)]})
    found = await source(paths)
    assert await found.hottest() == [opened(B, KB), opened(A, DOCS)]


async def test_a_collection_that_no_agent_answers_from_is_passed_over() -> None:
    paths = InMemoryHotPaths()
    await paths.record({Scope(A, CollectionName("other")): [(K1,)]})
    assert await (await source(paths)).hottest() == []


async def test_without_the_shared_store_preambles_are_left() -> None:
    assert await (await source(DownHotPaths())).most_wanted() == preambles(DEFAULT_TENANT)
