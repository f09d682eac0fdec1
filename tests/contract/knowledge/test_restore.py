"""A database restored from a backup under a running service: generations and chunk ids repeat."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.knowledge.collection_states import CollectionState
from deployments.knowledge.vector_cache import VectorCache
from tests.contract.knowledge.conftest import SCOPE, Knowledge

OTHER = Scope(TenantId("other"), SCOPE.collection)
EXCHANGED = "UPDATE documents SET tenant = CASE tenant WHEN 'acme' THEN 'other' ELSE 'acme' END"
"""Swaps two tenants' documents, so that each tenant's chunks have the other's former ids."""


@pytest.fixture
async def searched(knowledge: Knowledge) -> Knowledge:
    """Two tenants with one document each, whose vectors are cached."""
    for scope, doc_id in ((SCOPE, "mine"), (OTHER, "theirs")):
        await knowledge.put(doc_id, "needle", "T", scope=scope)
        assert await knowledge.found("needle", scope=scope) == [doc_id]
    return knowledge


async def change(knowledge: Knowledge, *statements: str) -> None:
    """Changes the database without the service."""
    async with knowledge.database.transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_vectors_are_read_again_when_the_stamp_changes(searched: Knowledge) -> None:
    await change(searched, EXCHANGED, "UPDATE collections SET stamp = 'of another day'")
    assert await searched.found("needle") == ["theirs"]
    assert await searched.found("needle", scope=OTHER) == ["mine"]


async def test_a_chunk_that_moved_to_another_tenant_is_not_returned(searched: Knowledge) -> None:
    await change(searched, EXCHANGED)
    assert await searched.search("needle") == ()


async def test_a_deleted_chunk_is_left_out(searched: Knowledge) -> None:
    await searched.put("second", "needle and more", "T")
    assert await searched.found("needle") == ["mine", "second"]
    await change(searched, "DELETE FROM documents WHERE doc_id = 'mine'")
    assert await searched.found("needle") == ["second"]


async def test_empty_collections_are_evicted_too(knowledge: Knowledge) -> None:
    cache, state = VectorCache(max_bytes=20_000), CollectionState(1, "", 0, "")
    scopes = [Scope(SCOPE.tenant, CollectionName(f"empty{number}")) for number in range(10)]
    async with knowledge.database.snapshot() as connection:
        first, *_, last = [await cache.load(connection, scope, state) for scope in scopes]
        assert await cache.load(connection, scopes[-1], state) is last
        assert await cache.load(connection, scopes[0], state) is not first
