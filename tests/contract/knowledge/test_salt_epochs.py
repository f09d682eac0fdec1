"""A tenant's salt changes with an erasure and with nothing else."""

from __future__ import annotations

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.leases import UNKNOWN, HolderId
from deployments.core.salt import salt_scope
from deployments.knowledge.document_eraser import StoredDocumentEraser
from deployments.retrieval.lease_granting import Leases
from tests.contract.knowledge.conftest import SCOPE, FakeWriter, Knowledge, Start, until

OTHER = TenantId("other")


async def epoch(knowledge: Knowledge, tenant: TenantId = SCOPE.tenant) -> str:
    scope = salt_scope(tenant)
    return (await knowledge.service.watch(HolderId("one"), {scope: UNKNOWN}))[scope].state


def eraser_of(knowledge: Knowledge) -> StoredDocumentEraser:
    return StoredDocumentEraser(knowledge.database, Leases(alone=True, predecessor=False), FakeWriter())


async def test_only_an_erasure_of_the_tenant_starts_an_epoch(start: Start) -> None:
    """Neither a document nor another embedding model nor another start does."""
    first = await start()
    before = await epoch(first)
    await first.put("a", "text")
    assert await epoch(first) == before
    eraser = eraser_of(first)
    await eraser.renew_salt(OTHER)
    assert await epoch(first) == before
    await eraser.renew_salt(SCOPE.tenant)
    after = await epoch(first)
    await eraser.renew_salt(SCOPE.tenant)
    assert len({before, after, await epoch(first)}) == 3
    latest, theirs = await epoch(first), await epoch(first, OTHER)
    assert theirs not in {before, latest}
    await first.service.close()
    await first.database.close()
    changed = await start("another")

    async def ready() -> bool:
        return await changed.index() == "ready"

    await until(ready)
    assert await epoch(changed) == latest
    assert await eraser_of(changed).collections(SCOPE.tenant) == [SCOPE.collection]


async def test_documents_are_erased_in_batches_of_their_own_collection(knowledge: Knowledge) -> None:
    others = Scope(SCOPE.tenant, CollectionName("other"))
    for number in range(3):
        await knowledge.put(f"d{number}", f"text {number}")
        await knowledge.put(f"d{number}", f"changed text {number}")
        await knowledge.put(f"d{number}", "text", scope=others)
    eraser = eraser_of(knowledge)
    some = await eraser.erase(SCOPE, [d.doc_id for d in await knowledge.service.list(SCOPE, 2, None)])
    assert some == {"documents": 2, "document_versions": 2, "chunks": 2}
    assert await eraser.erase(SCOPE, None) == {"documents": 1, "document_versions": 1, "chunks": 1}
    assert await eraser.erase(SCOPE, None) == {}
    assert await knowledge.count() == 3
