"""Deletes documents in bulk, and starts new epochs of tenants' cache salts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, case, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.erasure import MAX_SEGMENTS, ErasedPassages
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.core.ports import SegmentWriter
from deployments.core.salt import SALT_COLLECTION, salt_scope
from deployments.database.connection import Database
from deployments.knowledge.generations import increment_generation, lock_collection, read_generation
from deployments.knowledge.indexes import read_indexes
from deployments.knowledge.tables import chunks, collections, document_versions, documents
from deployments.retrieval.lease_granting import Leases

_BATCH = 100
"""Documents that one transaction deletes."""
_LATE_USE_S = 3600.0
"""For how long after a change an answer may use a document's former passages: longer than any takes."""
_PARTS: Mapping[str, Table] = {"document_versions": document_versions, "chunks": chunks}


@dataclass(frozen=True, slots=True)
class StoredDocumentEraser:
    """Implements `DocumentEraser`. All methods raise KnowledgeUnavailable."""

    database: Database
    leases: Leases
    caches: SegmentWriter
    """Whose retrievals from before an erasure are deleted, and refused if they are stored late."""

    async def passages(self, scope: Scope, doc_ids: Sequence[DocId]) -> ErasedPassages | None:
        """The passages of documents before they are erased; None if there are no such documents."""
        of_them = *_in_scope(scope), documents.c.doc_id.in_(doc_ids)
        changed_at_s = case((documents.c.version > 1, documents.c.updated_at_s))
        counted = select(func.count(), func.max(changed_at_s)).where(*of_them)
        hashes = select(chunks.c.segment_hash).join(documents).where(*of_them).distinct()
        async with self.database.snapshot() as connection:
            count, changed_s = (await connection.execute(counted)).one()
            segments = frozenset(await connection.scalars(hashes.limit(MAX_SEGMENTS + 1)))
        if not count:
            return None
        return ErasedPassages(segments, 0.0 if changed_s is None else changed_s + _LATE_USE_S).bounded()

    async def erase(self, scope: Scope, doc_ids: Sequence[DocId] | None) -> Mapping[str, int]:
        """Deletes documents of a collection, all if `doc_ids` is None; returns how many of what.

        Waits for lease holders once, also if there is nothing left to delete: an earlier attempt may have
        been interrupted before it had waited.
        """
        removed: Counter[str] = Counter()
        while batch := await self._delete_some(scope, doc_ids):
            removed += batch
        async with self.database.snapshot() as connection:
            generation = await read_generation(connection, scope)
        await self._settle(scope, generation)
        await self.caches.invalidate(scope, (), generation)
        return dict(removed)

    async def collections(self, tenant: TenantId) -> Sequence[CollectionName]:
        """The tenant's collections that have ever had a document."""
        own = collections.c.tenant == tenant, collections.c.name != SALT_COLLECTION
        async with self.database.snapshot() as connection:
            found = await connection.scalars(select(collections.c.name).where(*own))
            return [CollectionName(name) for name in found]

    async def renew_salt(self, tenant: TenantId) -> None:
        """Starts a new epoch of the tenant's salt, and waits until no process uses the former one."""
        scope = salt_scope(tenant)
        async with self.database.transaction() as connection:
            generation = await increment_generation(connection, scope)
        await self._settle(scope, generation)

    async def _settle(self, scope: Scope, generation: int) -> None:
        async with self.leases.settling(scope, generation):
            pass

    async def _delete_some(self, scope: Scope, doc_ids: Sequence[DocId] | None) -> Counter[str]:
        wanted = select(documents.c.id).where(*_in_scope(scope))
        if doc_ids is not None:
            wanted = wanted.where(documents.c.doc_id.in_(doc_ids))
        async with self.database.transaction() as connection:
            await read_indexes(connection)  # locked first, as in every change of documents
            await lock_collection(connection, scope)
            ids = (await connection.scalars(wanted.limit(_BATCH))).all()
            if not ids:
                return Counter()
            removed = Counter(documents=len(ids))
            for name, table in _PARTS.items():
                removed[name] = await _count(connection, table, ids)
            await connection.execute(delete(documents).where(documents.c.id.in_(ids)))
            await increment_generation(connection, scope, ids)
        return removed


def _in_scope(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    return documents.c.tenant == scope.tenant, documents.c.collection == scope.collection


async def _count(connection: AsyncConnection, table: Table, document_ids: Sequence[int]) -> int:
    counted = select(func.count()).select_from(table).where(table.c.document_id.in_(document_ids))
    return int(await connection.scalar(counted) or 0)
