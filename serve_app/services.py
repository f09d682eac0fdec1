"""The objects that the HTTP routes use: clients of the deployments, and the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deployments.core.access import KeyDesk
from deployments.core.conversations import ConversationDesk
from deployments.core.erasure import ErasureDesk
from deployments.core.ids import CollectionName, Scope
from deployments.core.metrics import SILENT, Meter
from deployments.core.quotas import QuotaDesk, Spending, StoredAmounts
from deployments.core.records.ports import BusinessMemory, IdempotencyKeys, TicketDesk
from deployments.core.services import (
    Agent,
    DocumentationWriter,
    IdeaGeneration,
    KnowledgeBase,
    ReuseHistory,
    TicketImages,
    TokenCache,
)
from deployments.core.usage import UsageDesk
from serve_app.auth import KeyRing
from serve_app.draining import Gate
from serve_app.settings import Settings


class Readiness(Protocol):
    """Reports whether the deployments that answers need are ready."""

    async def report(self) -> dict[str, str]:
        """Deployment -> "ready", or why it is not."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the routes use."""

    settings: Settings
    key_ring: KeyRing
    keys: KeyDesk
    spending: Spending
    """What tenants use now."""
    limits: QuotaDesk
    """Tenants' limits."""
    stored: StoredAmounts
    usage: UsageDesk
    erasures: ErasureDesk
    agents: Mapping[str, Agent]
    """The agents by name."""
    images: TicketImages
    ideas: IdeaGeneration
    writer: DocumentationWriter
    tickets: TicketDesk
    conversations: ConversationDesk
    business: BusinessMemory
    """Stored templates and ideas."""
    idempotency: IdempotencyKeys
    collections: Mapping[str, CollectionName]
    """The collection that each agent answers from, by the agent's name."""
    library: KnowledgeBase
    cache: TokenCache
    reused: ReuseHistory
    """What answers reused."""
    readiness: Readiness
    metrics: Callable[[], Awaitable[bytes]]
    """Gives the metrics of the whole cluster, in Prometheus's text format."""
    changed: Callable[[Scope, int], None] = lambda _scope, _invalidated: None
    """Called after a change of documents, with the number of segments that the change invalidated."""
    meter: Meter = SILENT
    """Where requests are recorded."""
    gate: Gate = field(default_factory=Gate)
    """Lets requests in, until this replica stops."""
