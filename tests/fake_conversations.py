"""Conversations in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deployments.core.conversations import (
    NO_LIMIT,
    Continuation,
    Limit,
    StoredConversation,
    StoredTurn,
    Talk,
)
from deployments.core.errors import Conflict, NotFound
from deployments.core.ids import CollectionName, TenantId


class FakeConversations:
    """A `ConversationDesk`. `segments` are the texts, by digest, that documents have now, whatever the limit.

    It raises `fault` when a turn is added, while that is set.
    """

    def __init__(self) -> None:
        self.conversations: dict[tuple[TenantId, str], StoredConversation] = {}
        self.turns: dict[tuple[TenantId, str], StoredTurn] = {}
        self.segments: dict[str, str] = {}
        self.fault: Exception | None = None

    async def create_conversation(
        self, tenant: TenantId, user_id: str | None, metadata: Mapping[str, str]
    ) -> StoredConversation:
        made = StoredConversation(tenant, f"conv_{len(self.conversations):04}", user_id, metadata, 1000.0)
        return self.conversations.setdefault((tenant, made.conversation_id), made)

    async def conversation(self, tenant: TenantId, conversation_id: str) -> StoredConversation:
        if (tenant, conversation_id) not in self.conversations:
            raise NotFound(f"there is no conversation {conversation_id}", "conversation_id")
        return self.conversations[tenant, conversation_id]

    async def delete_conversation(self, tenant: TenantId, conversation_id: str) -> None:
        await self.conversation(tenant, conversation_id)
        del self.conversations[tenant, conversation_id]
        self.turns = {k: t for k, t in self.turns.items() if t.conversation_id != conversation_id}

    async def conversation_turn(self, tenant: TenantId, turn_id: str) -> StoredTurn:
        if (tenant, turn_id) not in self.turns:
            raise NotFound(f"there is no response {turn_id}", "response_id")
        return self.turns[tenant, turn_id]

    async def delete_turn(self, tenant: TenantId, turn_id: str) -> None:
        await self.conversation_turn(tenant, turn_id)
        del self.turns[tenant, turn_id]

    async def resume_conversation(
        self,
        tenant: TenantId,
        agent: str,
        collection: CollectionName,
        continued: Continuation,
        limit: Limit = NO_LIMIT,
    ) -> Talk:
        if continued.previous is None:
            found = await self.conversation(tenant, continued.conversation_id or "")
        else:
            previous = await self.conversation_turn(tenant, continued.previous)
            found = await self.conversation(tenant, previous.conversation_id)
        last = continued.previous or found.last_turn
        chain: list[StoredTurn] = []
        at = last
        while at is not None and (tenant, at) in self.turns:
            chain.insert(0, self.turns[tenant, at])
            at = chain[0].follows
        used = {digest for turn in chain for digest in turn.documents}
        used = used.union(*(turn.sources for turn in chain))
        return Talk(
            found.conversation_id,
            last,
            tuple(chain),
            complete=at is None,
            texts={digest: self.segments[digest] for digest in used if digest in self.segments},
            gone=frozenset(used - self.segments.keys()),
        )

    async def conversation_erasures(self, tenant: TenantId) -> int:
        return 0

    async def add_turn(
        self, turn: StoredTurn, user_id: str | None, after_last: bool, erasures: int = 0
    ) -> None:
        if self.fault is not None:
            raise self.fault
        if (turn.tenant, turn.turn_id) in self.turns:
            raise Conflict("the turn is stored already")
        key = (turn.tenant, turn.conversation_id)
        if turn.previous is None and not after_last:
            self.conversations[key] = StoredConversation(*key, user_id, {}, 1000.0)
        found = await self.conversation(*key)
        if after_last and found.last_turn != turn.previous:
            raise Conflict("another question was answered in this conversation meanwhile")
        self.conversations[key] = replace(found, last_turn=turn.turn_id, turns=found.turns + 1)
        self.turns[turn.tenant, turn.turn_id] = replace(turn, created_at_s=1000.0)
