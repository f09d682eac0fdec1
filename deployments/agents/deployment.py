"""Serve's shells around the agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from deployments.agents.support import SupportService
from deployments.core.ids import TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask, CacheStats, Delta


class Support:
    """A replica of the support agent."""

    async def __init__(self, build: Callable[[], Awaitable[SupportService]]) -> None:  # type: ignore[misc]  # Serve awaits constructors
        self._service = await build()

    async def answer(self, ask: Ask) -> Answer:
        """See `SupportService.answer_support_query_cached`."""
        return await self._service.answer_support_query_cached(ask)

    async def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """See `SupportService.stream_support_answer`."""
        async with aclosing(self._service.stream_support_answer(ask)) as events:
            async for event in events:
                yield event

    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """See `SupportService.get_cache_stats`."""
        return await self._service.get_cache_stats(tenant)

    async def clear_cache(self, tenant: TenantId) -> int:
        """See `SupportService.clear_cache`."""
        return await self._service.clear_cache(tenant)

    async def clear_local(self, tenant: TenantId) -> int:
        """See `SupportService.clear_local`; broadcast to all replicas."""
        return self._service.clear_local(tenant)
