"""Deletes tickets and ideas that are too old."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import and_, delete, select, tuple_

from deployments.core.erasure import DocumentEraser
from deployments.core.ids import DocId, Scope, TenantId
from deployments.database.connection import Database
from deployments.records import memory
from deployments.records.business_tables import ideas
from deployments.records.tables import tickets


@dataclass(frozen=True, slots=True)
class RecordRetention:
    """Deletes records some time after their last change. All methods raise KnowledgeUnavailable."""

    database: Database
    documents: DocumentEraser
    kept_s: float
    """How long a record is kept after its last change."""
    clock: Callable[[], float]
    """Gives Unix seconds."""

    async def prune_tickets(self, limit: int) -> int:
        """Deletes at most `limit` tickets of any status, with their documents; returns how many."""
        old = tickets.c.updated_at_s < self.clock() - self.kept_s
        async with self.database.snapshot() as connection:
            query = select(tickets.c.tenant, tickets.c.ticket_id).where(old).limit(limit)
            found = [(row.tenant, row.ticket_id) for row in await connection.execute(query)]
        of_tenant: dict[str, list[DocId]] = defaultdict(list)
        for tenant, ticket_id in found:
            of_tenant[tenant].append(DocId(ticket_id))
        # Documents first: as long as a ticket exists, an interrupted pass finds it again.
        for tenant, ids in of_tenant.items():
            await self.documents.erase(Scope(TenantId(tenant), memory.COLLECTION), ids)
        if found:
            key = tuple_(tickets.c.tenant, tickets.c.ticket_id)
            async with self.database.transaction() as connection:
                await connection.execute(delete(tickets).where(and_(key.in_(found), old)))
        return len(found)

    async def prune_ideas(self, limit: int) -> int:
        """Deletes at most `limit` ideas; returns how many."""
        query = select(ideas.c.tenant, ideas.c.idea_id).where(
            ideas.c.created_at_s < self.clock() - self.kept_s
        )
        async with self.database.transaction() as connection:
            found = [tuple(row) for row in await connection.execute(query.limit(limit))]
            if found:
                key = tuple_(ideas.c.tenant, ideas.c.idea_id)
                await connection.execute(delete(ideas).where(key.in_(found)))
        return len(found)
