"""Serve's shells around the agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

from deployments.agents.business import BusinessService
from deployments.agents.cached_agent import CachedAgent
from deployments.agents.documentation import DocumentationService
from deployments.agents.support import SupportService
from deployments.core import process_memory
from deployments.core.business import BusinessType, Template, TemplateDraft, TemplateQuery
from deployments.core.business_ideas import IdeaBatch, IdeaRequest, IdeaResult, StoredIdea
from deployments.core.documents import Ingested, Retrieval, TextHit
from deployments.core.ids import DocId, TenantId
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.messages import Ask, CacheStats, Delta, Warmed
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
from deployments.core.writing import WritingOrder, WrittenDocument

Service = TypeVar("Service", bound=CachedAgent)


class AgentReplica(Generic[Service]):
    """What the replicas of all agents have in common."""

    async def __init__(self, build: Callable[[], Awaitable[Service]]) -> None:  # type: ignore[misc]  # Serve awaits constructors
        self._service = await build()
        process_memory.give_back()

    async def answer(self, ask: Ask) -> Answer:
        """See `CachedAgent`."""
        return await self._service.answer(ask)

    async def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """See `CachedAgent`."""
        async with aclosing(self._service.stream(ask)) as events:
            async for event in events:
                yield event

    async def retrieve_tokens(self, ask: Ask) -> PromptTokens:
        """See `CachedAgent`."""
        return await self._service.retrieve_tokens(ask)

    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """See `CachedAgent.get_cache_stats`."""
        return await self._service.get_cache_stats(tenant)

    async def reset_stats(self, tenant: TenantId) -> None:
        """See `CachedAgent`."""
        await self._service.reset_stats(tenant)

    async def clear_cache(self, tenant: TenantId) -> int:
        """See `CachedAgent`."""
        return await self._service.clear_cache(tenant)

    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        """See `CachedAgent`."""
        return await self._service.warm(tenant, asks)

    async def clear_local(self, tenant: TenantId) -> int:
        """See `CachedAgent`; broadcast to all replicas."""
        return self._service.clear_local(tenant)


class Support(AgentReplica[SupportService]):
    """A replica of the support agent."""

    async def create_ticket(self, tenant: TenantId, draft: TicketDraft, token: str | None) -> Ticket:
        """See `SupportService`."""
        return await self._service.create_ticket(tenant, draft, token)

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """See `SupportService`."""
        return await self._service.change_ticket(tenant, ticket_id, change)

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """See `SupportService`."""
        return await self._service.get_ticket(tenant, ticket_id)

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """See `SupportService`."""
        return await self._service.list_tickets(query)

    async def generate_support_report(
        self, tenant: TenantId, start_date: str, end_date: str
    ) -> SupportReport:
        """See `SupportService`."""
        return await self._service.generate_support_report(tenant, start_date, end_date)

    async def search_knowledge_base(
        self, tenant: TenantId, query: str, category: str | None, top_k: int
    ) -> Retrieval:
        """See `SupportService`."""
        return await self._service.search_knowledge_base(tenant, query, category, top_k)

    async def process_ticket_image(
        self, image: bytes, media_type: str | None, expected_issues: list[str] | None
    ) -> TicketImage:
        """See `SupportService`."""
        return await self._service.process_ticket_image(image, media_type, expected_issues)


class BusinessGeneration(AgentReplica[BusinessService]):
    """A replica of the business generation agent."""

    async def store_business_template(
        self, tenant: TenantId, draft: TemplateDraft, token: str | None, use_memory: bool
    ) -> Template:
        """See `BusinessService`."""
        return await self._service.store_business_template(tenant, draft, token, use_memory)

    async def put_business_template(
        self, tenant: TenantId, template_id: str, draft: TemplateDraft
    ) -> Template:
        """See `BusinessService`."""
        return await self._service.put_business_template(tenant, template_id, draft)

    async def get_business_template(self, tenant: TenantId, template_id: str) -> Template:
        """See `BusinessService`."""
        return await self._service.get_business_template(tenant, template_id)

    async def delete_business_template(self, tenant: TenantId, template_id: str) -> None:
        """See `BusinessService`."""
        await self._service.delete_business_template(tenant, template_id)

    async def recall_business_templates(self, query: TemplateQuery, use_memory: bool) -> tuple[Template, ...]:
        """See `BusinessService`."""
        return await self._service.recall_business_templates(query, use_memory)

    async def generate_idea_with_memory(self, request: IdeaRequest) -> IdeaResult:
        """See `BusinessService`."""
        return await self._service.generate_idea_with_memory(request)

    async def generate_batch_with_memory(
        self, request: IdeaRequest, count: int, business_types: Sequence[BusinessType]
    ) -> IdeaBatch:
        """See `BusinessService`."""
        return await self._service.generate_batch_with_memory(request, count, business_types)

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """See `BusinessService`."""
        return await self._service.get_idea(tenant, idea_id)

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """See `BusinessService`."""
        return await self._service.list_ideas(tenant, limit, after)


class Documentation(AgentReplica[DocumentationService]):
    """A replica of the documentation agent."""

    async def generate_documentation(self, order: WritingOrder) -> WrittenDocument:
        """See `DocumentationService`."""
        return await self._service.generate_documentation(order)

    async def update_documentation(
        self, tenant: TenantId, doc_id: DocId, content: str, invalidate_cache: bool
    ) -> Ingested:
        """See `DocumentationService`."""
        return await self._service.update_documentation(tenant, doc_id, content, invalidate_cache)

    async def search_documentation(self, tenant: TenantId, query: str, limit: int) -> tuple[TextHit, ...]:
        """See `DocumentationService`."""
        return await self._service.search_documentation(tenant, query, limit)

    async def clear_cache(self, tenant: TenantId, pattern: str | None = None) -> int:
        """See `DocumentationService`."""
        return await self._service.clear_cache(tenant, pattern)
