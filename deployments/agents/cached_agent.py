"""What every agent does: it answers from its collection and manages its part of the token cache."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from deployments.agents.asking import question_of
from deployments.core.agent_spec import AgentSpec
from deployments.core.cache_figures import CacheStats
from deployments.core.ids import Scope, TenantId
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.messages import Ask, Delta, Warmed
from deployments.core.ports import Rag


class CachedAgent:
    """An agent that answers from its collection. Implements `Agent`; subclasses add operations."""

    def __init__(self, spec: AgentSpec, rag: Rag) -> None:
        self.spec = spec
        self._rag = rag

    async def answer(self, ask: Ask) -> Answer:
        """The complete answer. Raises InvalidRequest, PromptTooLong, DeadlineExceeded, Unavailable."""
        return await self._rag.generate_with_rag(question_of(self.spec, ask))

    def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas as the engine makes them, then the complete answer. Raises what `answer` raises."""
        return self._rag.stream(question_of(self.spec, ask))

    async def retrieve_tokens(self, ask: Ask) -> PromptTokens:
        """The prompt that `ask` would be answered with. Raises what `answer` raises."""
        return await self._rag.retrieve_tokens(question_of(self.spec, ask))

    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """Figures of the token cache for this tenant and agent. Raises CacheUnavailable."""
        return await self._rag.get_cache_stats(self.scope(tenant))

    async def reset_stats(self, tenant: TenantId) -> None:
        """Sets the counters for this tenant and agent to zero. Raises CacheUnavailable."""
        await self._rag.reset_stats(self.scope(tenant))

    async def clear_local(self, tenant: TenantId) -> None:
        """Empties the tenant's part of this replica's L1."""
        self._rag.clear_local(self.scope(tenant))

    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        """Prefills the prompts of `asks`, each in one engine replica. Without any, prefills the tenant's
        most frequent prompts, in every replica.

        Raises what `answer` raises.
        """
        if not asks:
            return await self._rag.warm(self.scope(tenant))
        warmed = Warmed()
        for ask in asks:
            warmed += await self._rag.prefill(question_of(self.spec, ask))
        return warmed

    def scope(self, tenant: TenantId) -> Scope:
        """The tenant's part of the agent's collection."""
        return Scope(tenant, self.spec.collection)
