"""What the API is served from: clients of the deployments, as the routes see them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from deployments.core.business_ports import BusinessDesk
from deployments.core.documents import Retrieval
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.library_ports import VersionedLibrary
from deployments.core.messages import Ask, CacheStats, Delta, Warmed
from deployments.core.record_ports import IdempotencyKeys
from deployments.core.support_report import SupportReport
from deployments.core.ticket_image import TicketImage
from deployments.core.tickets import (
    Ticket,
    TicketChange,
    TicketDraft,
    TicketHistory,
    TicketOutcome,
    TicketQuery,
)
from deployments.core.writing import DocumentationDesk
from serve_app.auth import Tenants
from serve_app.settings import Settings


class Agent(Protocol):
    """A client of one agent deployment."""

    async def answer(self, ask: Ask) -> Answer:
        """The complete answer."""

    def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas, then the answer."""

    async def retrieve_tokens(self, ask: Ask) -> PromptTokens:
        """The prompt that would be answered, without an answer."""

    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """The agent's cluster-wide cache figures."""

    async def reset_stats(self, tenant: TenantId) -> None:
        """Starts the tenant's counters of the agent anew."""

    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        """Prefills the prompts of questions, or what the tenant asks for most."""

    async def clear_local(self, tenant: TenantId) -> None:
        """Empties the tenant's part of L1 in every replica of the agent."""


class SupportDesk(Protocol):
    """A client of what the support agent does besides answering; see `SupportService`."""

    async def create_ticket(self, tenant: TenantId, draft: TicketDraft, token: str | None) -> Ticket:
        """Opens a ticket; the same token never opens two."""

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """Responds, escalates, resolves, reopens, closes or rates."""

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """A ticket with its events."""

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """Newest first."""

    async def generate_support_report(
        self, tenant: TenantId, start_date: str, end_date: str
    ) -> SupportReport:
        """Figures of the tickets opened in between."""

    async def search_knowledge_base(
        self, tenant: TenantId, query: str, category: str | None, top_k: int
    ) -> Retrieval:
        """The passages nearest to the query, of one category or all."""

    async def process_ticket_image(
        self, image: bytes, media_type: str | None, expected_issues: list[str] | None
    ) -> TicketImage:
        """The text in a customer's picture."""


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
    """Everything the routes use. `agents` and `collections` are keyed by the agent's name.

    `changed` is told how many segments a change of documents has left obsolete.
    """

    settings: Settings
    tenants: Tenants
    agents: Mapping[str, Agent]
    support: SupportDesk
    business: BusinessDesk
    documentation: DocumentationDesk
    idempotency: IdempotencyKeys
    collections: Mapping[str, CollectionName]
    library: VersionedLibrary
    cache: SharedCache
    readiness: Readiness
    changed: Callable[[Scope, int], None] = lambda _scope, _invalidated: None
