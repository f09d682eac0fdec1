"""Completes what a process of version 0.6.0 stores after this version has migrated the database.

While one version replaces the other, both write. The former one stores documents without labels, and chunks
without the key of their collection: filters and conversations would not find them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.database.connection import Database
from deployments.knowledge.labels import write_labels
from deployments.knowledge.stored_chunks import scope_key
from deployments.knowledge.tables import chunks, documents, indexes


@dataclass(frozen=True, slots=True)
class FormerRows:
    """The rows of all collections."""

    database: Database

    async def complete(self, limit: int) -> int:
        """Completes up to `limit` documents; returns how many it found. Raises KnowledgeUnavailable."""
        without_key = select(chunks.c.document_id).where(
            chunks.c.index_id.in_(select(indexes.c.id)), chunks.c.scope_key == 0
        )
        columns = documents.c
        query = select(columns.id, columns.tenant, columns.collection, columns.metadata).where(
            columns.id.in_(without_key.limit(limit))
        )
        async with self.database.transaction() as connection:
            found = (await connection.execute(query)).all()
            for row in found:
                scope = Scope(TenantId(row.tenant), CollectionName(row.collection))
                await write_labels(connection, scope, row.id, row.metadata)
                await connection.execute(
                    update(chunks).where(chunks.c.document_id == row.id).values(scope_key=scope_key(scope))
                )
        return len(found)
