"""Comparing an idea with the stored templates and ideas, by embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from deployments.core.ids import Fingerprint, TenantId
from deployments.core.records.ideas import Evidence, EvidenceQuery, KnownIdea, TemplateFact
from deployments.database.vectors import Vector
from deployments.records.idea_store import IdeaStore
from deployments.records.template_document import idea_text
from deployments.records.template_store import TemplateStore
from deployments.records.text_vectors import Compared, TextVectors, cosine


class _VectorStore(Protocol):
    """What the stores of templates and ideas have in common here."""

    async def texts(self, tenant: TenantId, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Returns the versions and the texts to embed, by id."""

    async def keep_vectors(
        self, tenant: TenantId, model: Fingerprint, vectors: Mapping[tuple[str, int], Vector]
    ) -> None:
        """Stores vectors by id and version."""


class IdeaEvidence:
    """Compares ideas with what is stored. Makes and stores vectors when they are first needed."""

    def __init__(self, templates: TemplateStore, ideas: IdeaStore, vectors: TextVectors) -> None:
        self._templates = templates
        self._ideas = ideas
        self._vectors = vectors

    async def of(self, query: EvidenceQuery) -> Evidence:
        """Compares an idea with the other texts of the query and, if wanted, with what is stored.

        Raises KnowledgeUnavailable.
        """
        own, *others = await self._vectors.of([idea_text(text) for text in (query.text, *query.others)])
        siblings = tuple(cosine(own, other) for other in others)
        if not query.use_memory:
            return Evidence(others=siblings)
        return Evidence(
            templates=await self._template_facts(query.tenant, own),
            known_ideas=await self._ideas.count(query.tenant),
            nearest_idea=await self._nearest_idea(query.tenant, own),
            others=siblings,
        )

    async def _template_facts(self, tenant: TenantId, own: Vector) -> tuple[TemplateFact, ...]:
        found = await self._templates.compared(tenant, self._vectors.fingerprint)
        vectors = await self._vectors_of(self._templates, tenant, [row.compared for row in found])
        return tuple(
            TemplateFact(
                row.compared.id,
                row.name,
                row.business_type,
                row.success_metrics,
                row.updated_at_s,
                cosine(own, vectors[row.compared.id]),
            )
            for row in found
            if row.compared.id in vectors  # otherwise it was deleted in the meantime
        )

    async def _nearest_idea(self, tenant: TenantId, own: Vector) -> KnownIdea | None:
        found = await self._ideas.compared(tenant, self._vectors.fingerprint)
        vectors = await self._vectors_of(self._ideas, tenant, [row.compared for row in found])
        known = [
            KnownIdea(row.compared.id, row.name, cosine(own, vectors[row.compared.id]))
            for row in found
            if row.compared.id in vectors
        ]
        return max(known, key=lambda idea: (idea.similarity, idea.idea_id), default=None)

    async def _vectors_of(
        self, store: _VectorStore, tenant: TenantId, rows: Sequence[Compared]
    ) -> dict[str, Vector]:
        """Returns the vectors of rows by id. Makes and stores those that are missing."""
        vectors = {row.id: row.vector for row in rows if row.vector is not None}
        missing = [row.id for row in rows if row.vector is None]
        if missing:
            texts = await store.texts(tenant, missing)
            made = dict(zip(texts, await self._vectors.of([text for _, text in texts.values()]), strict=True))
            by_version = {(id_, version): made[id_] for id_, (version, _) in texts.items()}
            await store.keep_vectors(tenant, self._vectors.fingerprint, by_version)
            vectors |= made
        return vectors
