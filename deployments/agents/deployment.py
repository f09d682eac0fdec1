"""Serve's shells around the agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from deployments.agents.business import BusinessService
from deployments.agents.cached_agent import CachedAgent
from deployments.agents.documentation import DocumentationService
from deployments.agents.support import SupportService
from deployments.core.ids import TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask, CacheStats, Delta

Service = TypeVar("Service", bound=CachedAgent)


class AgentReplica(Generic[Service]):
    """What the replicas of all agents have in common."""

    async def __init__(self, build: Callable[[], Awaitable[Service]]) -> None:  # type: ignore[misc]  # Serve awaits constructors
        self._service = await build()

    async def answer(self, ask: Ask) -> Answer:
        """See `CachedAgent`."""
        return await self._service.answer(ask)

    async def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """See `CachedAgent`."""
        async with aclosing(self._service.stream(ask)) as events:
            async for event in events:
                yield event

    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """See `CachedAgent.get_cache_stats`."""
        return await self._service.get_cache_stats(tenant)

    async def clear_cache(self, tenant: TenantId) -> int:
        """See `CachedAgent`."""
        return await self._service.clear_cache(tenant)

    async def clear_local(self, tenant: TenantId) -> int:
        """See `CachedAgent`; broadcast to all replicas."""
        return self._service.clear_local(tenant)


class Support(AgentReplica[SupportService]):
    """A replica of the support agent."""


class BusinessGeneration(AgentReplica[BusinessService]):
    """A replica of the business generation agent."""


class Documentation(AgentReplica[DocumentationService]):
    """A replica of the documentation agent."""
