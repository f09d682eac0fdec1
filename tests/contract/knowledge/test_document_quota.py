"""A tenant stores as many documents and bytes as its quotas allow, on every database."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.errors import Conflict
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.core.quotas import Quota
from deployments.knowledge.document_quota import DocumentAmounts
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start

OTHER = Scope(TenantId("other"), CollectionName("kb"))
SECOND = Scope(SCOPE.tenant, CollectionName("kb2"))


async def limited(start: Start, documents: int, size: int) -> Knowledge:
    async def limits_of(_connection: AsyncConnection, tenant: TenantId) -> Mapping[Quota, int]:
        if tenant != SCOPE.tenant:
            return {Quota.DOCUMENTS: 99, Quota.DOCUMENT_BYTES: 9999}
        return {Quota.DOCUMENTS: documents, Quota.DOCUMENT_BYTES: size}

    return await start(limits_of=limits_of)


async def stored(knowledge: Knowledge, scope: Scope = SCOPE) -> tuple[int, int]:
    amounts = await DocumentAmounts(knowledge.database).stored(scope.tenant)
    return amounts[Quota.DOCUMENTS], amounts[Quota.DOCUMENT_BYTES]


async def test_a_document_too_many_is_refused_and_not_stored(start: Start) -> None:
    """In any collection; a new version of one is no new document; a deleted one makes room."""
    knowledge = await limited(start, 2, 1000)
    await knowledge.put("a", "one")
    await knowledge.put("b", "two", scope=SECOND)
    with pytest.raises(Conflict, match="documents") as refused:
        await knowledge.put("c", "three")
    assert refused.value.param == "documents"
    await knowledge.put("a", "another one")
    await knowledge.put("c", "three", scope=OTHER)
    assert await stored(knowledge) == (2, len("another one") + len("two"))
    await knowledge.service.delete(SCOPE, DocId("a"))
    await knowledge.put("c", "three")
    assert await stored(knowledge) == (2, len("three") + len("two"))


async def test_bytes_are_limited_too(start: Start) -> None:
    """As UTF-8. A tenant above its limit may still make documents smaller."""
    knowledge = await limited(start, 9, 30)
    await knowledge.put("a", "é" * 14)
    assert (await stored(knowledge))[1] == 28
    with pytest.raises(Conflict, match="document_bytes"):
        await knowledge.put("b", "abc")
    assert await stored(knowledge) == (1, 28)
    lower = await start(database=knowledge.database, limits_of=_nothing)
    await lower.put("a", "é" * 13)
    assert await stored(lower) == (1, 26)
    with pytest.raises(Conflict):
        await lower.put("a", "é" * 14)


async def _nothing(_connection: AsyncConnection, _tenant: TenantId) -> Mapping[Quota, int]:
    return {Quota.DOCUMENTS: 0, Quota.DOCUMENT_BYTES: 0}
