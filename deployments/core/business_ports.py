"""The seams to stored templates and ideas; see `ports` for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deployments.core.business import Template, TemplateDraft, TemplateQuery
from deployments.core.business_ideas import (
    Evidence,
    EvidenceQuery,
    IdeaDraft,
    StoredIdea,
    TypeSummary,
)
from deployments.core.documents import Retrieval
from deployments.core.ids import DocId, Scope, TenantId


class PassageReader(Protocol):
    """Knowledge, as those see it who know which documents they want. Raises KnowledgeUnavailable."""

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """All passages of documents, in the order of `doc_ids` and of their text; unknown ids are absent."""


class BusinessMemory(Protocol):
    """Templates and ideas, stored before a call returns. All methods raise KnowledgeUnavailable."""

    async def add_template(self, tenant: TenantId, draft: TemplateDraft, token: str | None) -> Template:
        """Stores a new template. The same `token` (see `Claim`) never stores two."""

    async def put_template(self, tenant: TenantId, template_id: str, draft: TemplateDraft) -> Template:
        """Stores a template or its new version, as record and as document; an equal one changes nothing.

        A call that failed half-way is completed by repeating it.
        """

    async def get_template(self, tenant: TenantId, template_id: str) -> Template:
        """Raises: NotFound."""

    async def delete_template(self, tenant: TenantId, template_id: str) -> None:
        """Deletes record and document. Raises: NotFound."""

    async def recall_templates(self, query: TemplateQuery) -> tuple[Template, ...]:
        """Best first; see `TemplateQuery`."""

    async def type_summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        """One for each type that has a template, by name."""

    async def evidence(self, query: EvidenceQuery) -> Evidence:
        """What is stored, compared with an idea."""

    async def put_idea(self, tenant: TenantId, draft: IdeaDraft, token: str | None) -> StoredIdea:
        """Stores an idea. The same `token` (see `Claim`) never stores two: the first one is returned."""

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """Raises: NotFound."""

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """Latest first, those behind `after`."""
