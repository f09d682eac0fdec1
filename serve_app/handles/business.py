"""Clients of what is stored of business templates and ideas, and of the agent that works with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deployments.core.business import BusinessType, Template, TemplateDraft, TemplateQuery
from deployments.core.business_ideas import (
    Evidence,
    EvidenceQuery,
    IdeaBatch,
    IdeaDraft,
    IdeaRequest,
    IdeaResult,
    StoredIdea,
    TypeSummary,
)
from deployments.core.ids import TenantId
from serve_app.handles.errors import translated


class BusinessMemoryHandle:
    """Implements `BusinessMemory` over the Knowledge deployment."""

    def __init__(self, handle: Any) -> None:
        self._part = "the knowledge base"
        self._handle = handle

    async def add_template(self, tenant: TenantId, draft: TemplateDraft, token: str | None) -> Template:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: Template = await self._handle.add_template.remote(tenant, draft, token)
            return result

    async def put_template(self, tenant: TenantId, template_id: str, draft: TemplateDraft) -> Template:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: Template = await self._handle.put_template.remote(tenant, template_id, draft)
            return result

    async def get_template(self, tenant: TenantId, template_id: str) -> Template:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: Template = await self._handle.get_template.remote(tenant, template_id)
            return result

    async def delete_template(self, tenant: TenantId, template_id: str) -> None:
        """See `BusinessMemory`."""
        with translated(self._part):
            await self._handle.delete_template.remote(tenant, template_id)

    async def recall_templates(self, query: TemplateQuery) -> tuple[Template, ...]:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: tuple[Template, ...] = await self._handle.recall_templates.remote(query)
            return result

    async def type_summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: tuple[TypeSummary, ...] = await self._handle.type_summaries.remote(tenant)
            return result

    async def evidence(self, query: EvidenceQuery) -> Evidence:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: Evidence = await self._handle.evidence.remote(query)
            return result

    async def put_idea(self, tenant: TenantId, draft: IdeaDraft, token: str | None) -> StoredIdea:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: StoredIdea = await self._handle.put_idea.remote(tenant, draft, token)
            return result

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: StoredIdea = await self._handle.get_idea.remote(tenant, idea_id)
            return result

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """See `BusinessMemory`."""
        with translated(self._part):
            result: tuple[StoredIdea, ...] = await self._handle.list_ideas.remote(tenant, limit, after)
            return result


class BusinessHandle:
    """Implements the API's `BusinessDesk`."""

    def __init__(self, handle: Any) -> None:
        self._part = "the business generation agent"
        self._handle = handle

    async def store_business_template(
        self, tenant: TenantId, draft: TemplateDraft, token: str | None, use_memory: bool
    ) -> Template:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: Template = await self._handle.store_business_template.remote(
                tenant, draft, token, use_memory
            )
            return result

    async def put_business_template(
        self, tenant: TenantId, template_id: str, draft: TemplateDraft
    ) -> Template:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: Template = await self._handle.put_business_template.remote(tenant, template_id, draft)
            return result

    async def get_business_template(self, tenant: TenantId, template_id: str) -> Template:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: Template = await self._handle.get_business_template.remote(tenant, template_id)
            return result

    async def delete_business_template(self, tenant: TenantId, template_id: str) -> None:
        """See `BusinessDesk`."""
        with translated(self._part):
            await self._handle.delete_business_template.remote(tenant, template_id)

    async def recall_business_templates(self, query: TemplateQuery, use_memory: bool) -> tuple[Template, ...]:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: tuple[Template, ...] = await self._handle.recall_business_templates.remote(
                query, use_memory
            )
            return result

    async def generate_idea_with_memory(self, request: IdeaRequest) -> IdeaResult:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: IdeaResult = await self._handle.generate_idea_with_memory.remote(request)
            return result

    async def generate_batch_with_memory(
        self, request: IdeaRequest, count: int, business_types: Sequence[BusinessType]
    ) -> IdeaBatch:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: IdeaBatch = await self._handle.generate_batch_with_memory.remote(
                request, count, business_types
            )
            return result

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: StoredIdea = await self._handle.get_idea.remote(tenant, idea_id)
            return result

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """See `BusinessDesk`."""
        with translated(self._part):
            result: tuple[StoredIdea, ...] = await self._handle.list_ideas.remote(tenant, limit, after)
            return result
