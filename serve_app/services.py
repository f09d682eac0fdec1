"""What the API is served from: clients of the deployments, as the routes see them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol

from deployments.core.ids import CollectionName, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask, CacheStats, Delta
from deployments.core.ports import DocumentLibrary
from serve_app.auth import Tenants
from serve_app.settings import Settings


class Agent(Protocol):
    """A client of one agent deployment."""

    async def answer(self, ask: Ask) -> Answer:
        """The complete answer."""

    def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas, then the answer."""

    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """The agent's cluster-wide cache figures."""

    async def clear_local(self, tenant: TenantId) -> None:
        """Empties the tenant's part of L1 in every replica of the agent."""


class SharedCache(Protocol):
    """A client of the TokenCache deployment."""

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes the tenant's cached segments; returns the exact count."""


class Readiness(Protocol):
    """Tells whether the parts that answers need are ready."""

    async def report(self) -> dict[str, str]:
        """Part -> "ready", or why it is not."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the routes use. `agents` and `collections` are keyed by the agent's name."""

    settings: Settings
    tenants: Tenants
    agents: Mapping[str, Agent]
    collections: Mapping[str, CollectionName]
    library: DocumentLibrary
    cache: SharedCache
    readiness: Readiness
