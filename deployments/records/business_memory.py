"""Business templates and ideas: their records, the templates' documents, evidence and samples."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployments.core.errors import NotFound
from deployments.core.ids import DEFAULT_TENANT, DocId, Scope, TenantId
from deployments.core.ports import DocumentLibrary
from deployments.core.records.ideas import Evidence, EvidenceQuery, IdeaDraft, StoredIdea, TypeSummary
from deployments.core.records.templates import Template, TemplateDraft, TemplateQuery, business_type
from deployments.database.milestones import Milestones
from deployments.records.idea_evidence import IdeaEvidence
from deployments.records.idea_store import IdeaStore
from deployments.records.template_document import COLLECTION, document_of
from deployments.records.template_store import TemplateStore

log = logging.getLogger(__name__)

_SAMPLES_LOADED = "samples:business_template_records"


@dataclass(frozen=True, slots=True)
class BusinessParts:
    """What `StoredBusiness` is made of."""

    templates: TemplateStore
    ideas: IdeaStore
    evidence: IdeaEvidence
    library: DocumentLibrary
    milestones: Milestones
    clock: Callable[[], float]
    """Gives Unix seconds."""
    new_record_id: Callable[[], str]
    """Makes the part of an id after its kind."""


class StoredBusiness:
    """Implements `BusinessMemory`. All methods raise KnowledgeUnavailable."""

    def __init__(self, parts: BusinessParts) -> None:
        self._templates = parts.templates
        self._ideas = parts.ideas
        self._evidence = parts.evidence
        self._library = parts.library
        self._milestones = parts.milestones
        self._clock = parts.clock
        self._new_record_id = parts.new_record_id

    async def prepare(self, samples: Path | None) -> None:
        """Writes the documents that an earlier process did not write, and loads the samples.

        `samples` is a JSON file, loaded once in the life of a database; None loads none.
        """
        for template in await self._templates.unpublished():
            log.info("template %s has no document yet; writing it", template.template_id)
            await self._complete(template.tenant, template.template_id)
        if samples is None or await self._milestones.reached(_SAMPLES_LOADED):
            return
        drafts = await asyncio.to_thread(_read_samples, samples)
        log.info("loading %d sample business templates", len(drafts))
        for template_id, draft in drafts.items():
            await self.put_template(DEFAULT_TENANT, template_id, draft)
        await self._milestones.reach(_SAMPLES_LOADED)

    async def add_template(
        self, tenant: TenantId, draft: TemplateDraft, idempotency_key: str | None
    ) -> Template:
        """Stores a new template. The same `idempotency_key` never makes two."""
        return await self.put_template(tenant, f"template-{idempotency_key or self._new_record_id()}", draft)

    async def put_template(self, tenant: TenantId, template_id: str, draft: TemplateDraft) -> Template:
        """Stores a template or its new version, and its document.

        An equal template changes nothing. Repeating a call that failed half-way completes it.
        """
        async with self._templates.lock(tenant, template_id):
            template = await self._templates.put(tenant, template_id, draft, self._clock())
            await self._publish(template)
        return template

    async def get_template(self, tenant: TenantId, template_id: str) -> Template:
        """Returns a template. Raises NotFound."""
        return await self._templates.get(tenant, template_id)

    async def delete_template(self, tenant: TenantId, template_id: str) -> None:
        """Deletes a template and its document. Raises NotFound."""
        async with self._templates.lock(tenant, template_id):
            template = await self._templates.get(tenant, template_id)
            # The record last: as long as it exists, a call that failed can be repeated.
            await self._delete_document(template)
            await self._templates.delete(tenant, template_id)

    async def recall_templates(self, query: TemplateQuery) -> tuple[Template, ...]:
        """Returns the templates that a query asks for, best first."""
        return await self._templates.recall(query)

    async def type_summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        """Returns a summary of each business type, by name."""
        return await self._templates.summaries(tenant)

    async def evidence(self, query: EvidenceQuery) -> Evidence:
        """Compares an idea with what is stored."""
        return await self._evidence.of(query)

    async def put_idea(self, tenant: TenantId, draft: IdeaDraft, idempotency_key: str | None) -> StoredIdea:
        """Stores an idea, or returns the one that the same `idempotency_key` made."""
        idea_id = f"idea-{idempotency_key or self._new_record_id()}"
        return await self._ideas.add(tenant, StoredIdea(idea_id, draft), self._clock())

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """Returns an idea. Raises NotFound."""
        return await self._ideas.get(tenant, idea_id)

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """Returns ideas, latest first, starting after the id `after`."""
        return await self._ideas.list(tenant, limit, after)

    async def _complete(self, tenant: TenantId, template_id: str) -> None:
        """Writes the document of a template as it is now; does nothing if the template was deleted."""
        async with self._templates.lock(tenant, template_id):
            try:
                template = await self._templates.get(tenant, template_id)
            except NotFound:
                return
            await self._publish(template)

    async def _publish(self, template: Template) -> None:
        """Writes a template's document. Writes it again if the template was changed in the meantime.

        That can happen in spite of the lock, because a lock is lost with its connection. If the template
        was deleted in the meantime, deletes the document.
        """
        unwritten: Template | None = template
        while unwritten is not None:
            await self._library.put(_scope(template), document_of(unwritten))
            try:
                unwritten = await self._templates.mark_published(unwritten)
            except NotFound:
                await self._delete_document(template)
                return

    async def _delete_document(self, template: Template) -> None:
        try:
            await self._library.delete(_scope(template), DocId(template.template_id))
        except NotFound:
            log.info("template %s had no document", template.template_id)


def _scope(template: Template) -> Scope:
    return Scope(template.tenant, COLLECTION)


def _read_samples(file: Path) -> dict[str, TemplateDraft]:
    """Returns the samples by template id."""
    return {
        entry["template_id"]: TemplateDraft(
            business_type(entry["business_type"]), entry["template_data"], entry["success_metrics"]
        )
        for entry in json.loads(file.read_text(encoding="utf-8"))
    }
