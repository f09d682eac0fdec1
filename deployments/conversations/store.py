"""The conversations' service: stores them, and finds what the next question's prompt is made of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.conversations.erasure_count import count_of, locked_count_of
from deployments.conversations.pruning import prune
from deployments.conversations.tables import conversations, turns
from deployments.conversations.turn_rows import has_turn, read_chain, size_of, turn_of, write_turn
from deployments.core.conversations import (
    KEPT_S,
    MAX_TURNS,
    NO_LIMIT,
    Continuation,
    CurrentSegments,
    Limit,
    StoredConversation,
    StoredTurn,
    Talk,
)
from deployments.core.errors import Conflict, InvalidRequest, KnowledgeUnavailable, NotFound
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow

log = logging.getLogger(__name__)

_PRUNED_EVERY = 64
"""Turns and new conversations that this process stores between two prunings, which read a tenant's index."""


class ConversationStore:
    """Implements `ConversationDesk`. `clock` gives Unix seconds; `new_record_id` makes ids.

    All methods raise KnowledgeUnavailable.
    """

    def __init__(
        self,
        database: Database,
        segments: CurrentSegments,
        clock: Callable[[], float],
        new_record_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._segments = segments
        self._clock = clock
        self._new_record_id = new_record_id
        self._added = 0

    async def create_conversation(
        self, tenant: TenantId, user_id: str | None, metadata: Mapping[str, str]
    ) -> StoredConversation:
        """Begins a conversation without turns."""
        conversation_id = f"conv_{self._new_record_id()}"
        new = StoredConversation(tenant, conversation_id, user_id, dict(metadata), self._clock())
        async with self._database.transaction() as connection:
            await _begin(connection, new)
        await self._count_one(tenant, new.created_at_s)
        return new

    async def conversation(self, tenant: TenantId, conversation_id: str) -> StoredConversation:
        """Returns a conversation. Raises NotFound."""
        async with self._database.snapshot() as connection:
            return await self._find(connection, tenant, conversation_id)

    async def delete_conversation(self, tenant: TenantId, conversation_id: str) -> None:
        """Deletes a conversation with all its turns. Raises NotFound."""
        async with self._database.transaction() as connection:
            await self._find(connection, tenant, conversation_id)
            await connection.execute(delete(conversations).where(_is(tenant, conversation_id)))

    async def delete_of(self, tenant: TenantId, user_id: str) -> int:
        """Deletes all conversations of a user; returns how many there were."""
        owned = and_(conversations.c.tenant == tenant, conversations.c.user_id == user_id)
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(conversations).where(owned))).rowcount

    async def conversation_turn(self, tenant: TenantId, turn_id: str) -> StoredTurn:
        """Returns a turn. Raises NotFound."""
        async with self._database.snapshot() as connection:
            return await self._find_turn(connection, tenant, turn_id)

    async def delete_turn(self, tenant: TenantId, turn_id: str) -> None:
        """Deletes a turn. Its conversation goes on after the turn before it. Raises NotFound."""
        async with self._database.transaction() as connection:
            turn = await self._find_turn(connection, tenant, turn_id)
            own = and_(turns.c.tenant == tenant, turns.c.turn_id == turn_id)
            await connection.execute(delete(turns).where(own))
            its = _is(tenant, turn.conversation_id)
            size = conversations.c.stored_bytes - size_of(turn)
            fewer = {"turns": conversations.c.turns - 1, "stored_bytes": size}
            await connection.execute(update(conversations).where(its).values(fewer))
            after = and_(turns.c.tenant == tenant, turns.c.conversation_id == turn.conversation_id)
            after = and_(after, turns.c.previous == turn_id)
            await connection.execute(update(turns).where(after).values(previous=turn.previous))
            was_last = conversations.c.last_turn == turn_id
            back = update(conversations).where(its, was_last).values(last_turn=turn.previous)
            await connection.execute(back)

    async def conversation_erasures(self, tenant: TenantId) -> int:
        """Returns how many erasures of the tenant have begun to delete conversations."""
        async with self._database.snapshot() as connection:
            return await count_of(connection, tenant)

    async def resume_conversation(
        self,
        tenant: TenantId,
        agent: str,
        collection: CollectionName,
        continued: Continuation,
        limit: Limit = NO_LIMIT,
    ) -> Talk:
        """Returns what the next question's prompt is made of. `limit` is the question's.

        Raises NotFound, InvalidRequest (it is with another agent), Conflict (it has `MAX_TURNS`).
        """
        async with self._database.snapshot() as connection:
            found = await self._continued(connection, tenant, continued)
            previous = continued.previous or found.last_turn
            erasures = await count_of(connection, tenant)
            chain = [] if previous is None else await read_chain(connection, tenant, previous)
        if found.turns >= MAX_TURNS:
            raise Conflict(
                f"the conversation has {found.turns} turns, the limit is {MAX_TURNS}: begin another one"
            )
        if chain and chain[-1].agent != agent:
            raise InvalidRequest(
                f"the conversation is with the agent {chain[-1].agent}: ask it, or begin another one",
                "model",
            )
        texts, gone = await self._current(Scope(tenant, collection), chain, limit)
        complete = not chain or chain[0].follows is None
        return Talk(found.conversation_id, previous, tuple(chain), complete, texts, gone, erasures)

    async def add_turn(
        self, turn: StoredTurn, user_id: str | None, after_last: bool, erasures: int = 0
    ) -> None:
        """Stores a turn, and its conversation if the turn begins one. Raises NotFound, Conflict."""
        now_s = self._clock()
        turn = replace(turn, created_at_s=now_s)
        async with self._database.transaction() as connection:
            if await locked_count_of(connection, turn.tenant) != erasures:
                raise Conflict("something was erased while the question was answered: ask again")
            if await has_turn(connection, turn.tenant, turn.turn_id):
                raise Conflict(f"the turn {turn.turn_id} is stored already")
            if turn.previous is None and not after_last:
                await _begin(
                    connection, StoredConversation(turn.tenant, turn.conversation_id, user_id, {}, now_s)
                )
            await self._note_turn(connection, turn, now_s, after_last)
            await write_turn(connection, turn)
        await self._count_one(turn.tenant, now_s)

    async def _count_one(self, tenant: TenantId, now_s: float) -> None:
        """Counts what was stored, and prunes from time to time."""
        self._added += 1
        if self._added % _PRUNED_EVERY == 1:
            await self._prune(tenant, now_s)

    async def _prune(self, tenant: TenantId, now_s: float) -> None:
        """Prunes. If that fails, as for a deadlock with another replica, the next pruning makes up for it."""
        try:
            more = True
            while more:
                async with self._database.transaction() as connection:
                    more = await prune(connection, tenant, now_s)
        except KnowledgeUnavailable as error:
            log.warning("conversations are not pruned yet: %s", error)

    async def _continued(
        self, connection: AsyncConnection, tenant: TenantId, continued: Continuation
    ) -> StoredConversation:
        if continued.previous is None:
            return await self._find(connection, tenant, continued.conversation_id or "")
        previous = await self._find_turn(connection, tenant, continued.previous)
        return await self._find(connection, tenant, previous.conversation_id)

    async def _current(
        self, scope: Scope, chain: Sequence[StoredTurn], limit: Limit
    ) -> tuple[dict[str, str], frozenset[str]]:
        documents = {digest for turn in chain for digest in turn.documents}
        wanted = documents.union(*(turn.sources for turn in chain))
        found = await self._segments.current_segments(scope, sorted(wanted), limit) if wanted else {}
        texts = {digest: text for digest, text in found.items() if digest in documents}
        return texts, frozenset(wanted - found.keys())

    async def _find(
        self, connection: AsyncConnection, tenant: TenantId, conversation_id: str
    ) -> StoredConversation:
        row = (await connection.execute(self._kept(tenant, conversation_id))).one_or_none()
        if row is None:
            raise NotFound(f"there is no conversation {conversation_id}", "conversation_id")
        return _conversation(row)

    def _kept(self, tenant: TenantId, conversation_id: str) -> Select[Any]:
        """Selects a conversation that has not expired."""
        used_lately = conversations.c.used_at_s > self._clock() - KEPT_S
        return select(conversations).where(_is(tenant, conversation_id), used_lately)

    async def _find_turn(self, connection: AsyncConnection, tenant: TenantId, turn_id: str) -> StoredTurn:
        wanted = select(turns).where(turns.c.tenant == tenant, turns.c.turn_id == turn_id)
        row = (await connection.execute(wanted)).one_or_none()
        if row is None or not (await connection.execute(self._kept(tenant, row.conversation_id))).first():
            raise NotFound(f"there is no response {turn_id}", "response_id")
        return turn_of(row)

    async def _note_turn(
        self, connection: AsyncConnection, turn: StoredTurn, now_s: float, after_last: bool
    ) -> None:
        """Counts a turn in its conversation's row, and makes it the last one."""
        changed = (
            update(conversations)
            .where(_is(turn.tenant, turn.conversation_id))
            .values(
                used_at_s=now_s,
                last_turn=turn.turn_id,
                turns=conversations.c.turns + 1,
                stored_bytes=conversations.c.stored_bytes + size_of(turn),
            )
        )
        if after_last:
            changed = changed.where(conversations.c.last_turn.is_not_distinct_from(turn.previous))
        if (await connection.execute(changed)).rowcount:
            return
        await self._find(connection, turn.tenant, turn.conversation_id)  # raises NotFound if it was deleted
        raise Conflict(
            "another question was answered in this conversation meanwhile: ask again, after its answer"
        )


async def _begin(connection: AsyncConnection, new: StoredConversation) -> None:
    size = sum(len(text.encode()) for label in new.metadata.items() for text in label)
    values = {**asdict(new), "used_at_s": new.created_at_s, "stored_bytes": size}
    await connection.execute(insert(conversations).values(values))


def _is(tenant: TenantId, conversation_id: str) -> ColumnElement[bool]:
    return and_(conversations.c.tenant == tenant, conversations.c.conversation_id == conversation_id)


def _conversation(row: AnyRow) -> StoredConversation:
    return StoredConversation(
        TenantId(row.tenant),
        row.conversation_id,
        row.user_id,
        row.metadata,
        row.created_at_s,
        row.last_turn,
        row.turns,
    )
