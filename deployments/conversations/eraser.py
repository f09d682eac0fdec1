"""Deletes conversations that an erasure reaches: a user's, and those that tell what documents said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, select, tuple_

from deployments.conversations.erasure_count import count_erasure
from deployments.conversations.tables import conversations, turns
from deployments.conversations.turn_rows import turn_of
from deployments.core.conversations import CurrentSegments, StoredTurn
from deployments.core.erasure import ErasedPassages, ErasureKind, ErasureTarget
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.database.connection import Database

_PAGE = 50
"""Turns that are read at a time."""
_BATCH = 500
"""Conversations that one transaction deletes. Others get the database in between."""


@dataclass(frozen=True, slots=True)
class StoredConversationEraser:
    """Implements `ConversationEraser`. Raises KnowledgeUnavailable."""

    database: Database
    segments: CurrentSegments
    agents: Mapping[str, CollectionName]
    """The collection that each agent answers from."""

    async def erase(
        self, tenant: TenantId, target: ErasureTarget, erased: Mapping[CollectionName, ErasedPassages]
    ) -> int:
        """Deletes the target's own conversations, and those that used `erased` passages."""
        async with self.database.transaction() as connection:
            await count_erasure(connection, tenant)  # first: no answer in flight is stored after the deletion
        own = conversations.c.tenant == tenant
        if target.kind is ErasureKind.TENANT:
            return await self._delete_all(own)
        removed = 0
        if target.kind is ErasureKind.CUSTOMER:
            removed = await self._delete_all(and_(own, conversations.c.user_id == target.subject))
        for collection, passages in erased.items():
            async for named in self._that_used(Scope(tenant, collection), passages):
                removed += await self._delete(and_(own, conversations.c.conversation_id.in_(named)))
        return removed

    async def _that_used(self, scope: Scope, passages: ErasedPassages) -> AsyncIterator[set[str]]:
        """Ids of conversations, page by page of turns."""
        agents = [agent for agent, collection in self.agents.items() if collection == scope.collection]
        query = select(turns).where(turns.c.tenant == scope.tenant, turns.c.agent.in_(agents))
        query, last = query.order_by(turns.c.turn_id).limit(_PAGE), ""
        while True:
            async with self.database.snapshot() as connection:
                page = (await connection.execute(query.where(turns.c.turn_id > last))).all()
            read = [turn_of(row) for row in page]
            gone = await self._gone(scope, read, passages.gone_until_s)
            sought = passages.segments | gone
            if named := {turn.conversation_id for turn in read if not sought.isdisjoint(turn.sources)}:
                yield named
            if len(page) < _PAGE:
                return
            last = page[-1].turn_id

    async def _gone(self, scope: Scope, read: Sequence[StoredTurn], until_s: float) -> set[str]:
        """Digests of passages that turns used until then, or tell of, and that no document has any more."""
        wanted = set[str]()
        for turn in read if until_s else ():
            wanted |= {*turn.sources} if turn.created_at_s <= until_s else _of_earlier_turns(turn)
        current = await self.segments.current_segments(scope, sorted(wanted)) if wanted else {}
        return wanted - current.keys()

    async def _delete_all(self, condition: ColumnElement[bool]) -> int:
        """Takes a transaction for each batch."""
        some = select(conversations.c.tenant, conversations.c.conversation_id).where(condition).limit(_BATCH)
        in_batch = tuple_(conversations.c.tenant, conversations.c.conversation_id).in_(some)
        removed = 0
        while batch := await self._delete(in_batch):
            removed += batch
        return removed

    async def _delete(self, condition: ColumnElement[bool]) -> int:
        async with self.database.transaction() as connection:
            return int((await connection.execute(delete(conversations).where(condition))).rowcount)


def _of_earlier_turns(turn: StoredTurn) -> set[str]:
    """Passages that a turn's answer may tell of, and that it did not add itself: their time is not known."""
    return {*turn.sources}.difference(turn.documents)
