"""Clients of the agent deployments."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from deployments.core.ids import TenantId
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.messages import Ask, CacheStats, Delta, Warmed
from serve_app.handles.errors import translated, translated_stream


class AgentHandle:
    """Implements the API's `Agent`. `name` is for error messages."""

    def __init__(self, name: str, handle: Any) -> None:
        self._part = f"the {name} agent"
        self._handle = handle
        self._streaming = handle.options(stream=True)

    async def answer(self, ask: Ask) -> Answer:
        """See `Agent`."""
        with translated(self._part):
            answer: Answer = await self._handle.answer.remote(ask)
            return answer

    async def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """See `Agent`. Closing it ends the generation."""
        async with aclosing(translated_stream(self._part, self._streaming.stream.remote(ask))) as events:
            async for event in events:
                yield event

    async def retrieve_tokens(self, ask: Ask) -> PromptTokens:
        """See `Agent`."""
        with translated(self._part):
            tokens: PromptTokens = await self._handle.retrieve_tokens.remote(ask)
            return tokens

    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """See `Agent`."""
        with translated(self._part):
            stats: CacheStats = await self._handle.cache_stats.remote(tenant)
            return stats

    async def reset_stats(self, tenant: TenantId) -> None:
        """See `Agent`."""
        with translated(self._part):
            await self._handle.reset_stats.remote(tenant)

    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        """See `Agent`."""
        with translated(self._part):
            warmed: Warmed = await self._handle.warm.remote(tenant, tuple(asks))
            return warmed

    async def clear_local(self, tenant: TenantId) -> None:
        """See `Agent`: reaches every replica that runs now; a new one starts empty."""
        with translated(self._part):
            await self._handle.broadcast("clear_local", tenant).results_async()
