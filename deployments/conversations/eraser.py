"""Deletes conversations that an erasure reaches: a user's, and those that tell what documents said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, select

from deployments.conversations.erasure_count import count_erasure
from deployments.conversations.tables import conversations, turns
from deployments.conversations.turn_rows import turn_of
from deployments.core.conversations import CurrentSegments
from deployments.core.erasure import ErasureKind, ErasureTarget
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.database.connection import Database

_PAGE = 50
"""Turns that are read at a time."""


@dataclass(frozen=True, slots=True)
class StoredConversationEraser:
    """Implements `ConversationEraser`. Raises KnowledgeUnavailable."""

    database: Database
    segments: CurrentSegments
    agents: Mapping[str, CollectionName]
    """The collection that each agent answers from."""

    async def erase(self, tenant: TenantId, target: ErasureTarget, emptied: Iterable[CollectionName]) -> int:
        """Deletes the target's own conversations, and those with passages that `emptied` have no longer."""
        async with self.database.transaction() as connection:
            await count_erasure(connection, tenant)  # first: no answer in flight is stored after the deletion
        own = conversations.c.tenant == tenant
        if target.kind is ErasureKind.TENANT:
            return await self._delete(own)
        removed = 0
        if target.kind is ErasureKind.CUSTOMER:
            removed = await self._delete(and_(own, conversations.c.user_id == target.subject))
        for collection in emptied:
            named = await self._with_gone_passages(Scope(tenant, collection))
            if named:
                removed += await self._delete(and_(own, conversations.c.conversation_id.in_(named)))
        return removed

    async def _with_gone_passages(self, scope: Scope) -> set[str]:
        agents = [agent for agent, collection in self.agents.items() if collection == scope.collection]
        query = select(turns).where(turns.c.tenant == scope.tenant, turns.c.agent.in_(agents))
        query = query.order_by(turns.c.turn_id).limit(_PAGE)
        found, last = set[str](), ""
        while True:
            async with self.database.snapshot() as connection:
                page = (await connection.execute(query.where(turns.c.turn_id > last))).all()
            digests = {row.turn_id: set(turn_of(row).sources) for row in page}
            wanted = sorted(set[str]().union(*digests.values()))
            current = await self.segments.current_segments(scope, wanted) if wanted else {}
            found |= {row.conversation_id for row in page if not digests[row.turn_id] <= current.keys()}
            if len(page) < _PAGE:
                return found
            last = page[-1].turn_id

    async def _delete(self, condition: ColumnElement[bool]) -> int:
        async with self.database.transaction() as connection:
            return int((await connection.execute(delete(conversations).where(condition))).rowcount)
