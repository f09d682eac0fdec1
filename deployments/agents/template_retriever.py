"""Retrieves business templates: those of a given type by success, otherwise by similarity."""

from __future__ import annotations

from dataclasses import replace

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import DocId
from deployments.core.library_ports import PassageReader
from deployments.core.ports import Retriever
from deployments.core.records.ports import BusinessMemory
from deployments.core.records.templates import BusinessType, TemplateQuery


class TemplateRetriever:
    """A `Retriever` over the templates of a tenant."""

    def __init__(
        self, search_by_question: Retriever, memory: BusinessMemory, passages: PassageReader
    ) -> None:
        """`search_by_question` is the knowledge base's own retriever."""
        self._search = search_by_question
        self._memory = memory
        self._passages = passages

    async def search(self, query: SearchQuery) -> Retrieval:
        """With a section (a business type), all passages of its `top_k` most successful templates.

        The score of a passage is its template's success score: the question only says the type, so it
        can't rank them. Without a section, with a filter of documents, or if the type has no templates,
        searches by the question.
        Raises KnowledgeUnavailable.
        """
        if query.section is None or query.only:
            return await self._search.search(query)
        wanted = TemplateQuery(query.scope.tenant, BusinessType(query.section), 0.0, query.top_k)
        recalled = await self._memory.recall_templates(wanted)
        if not recalled:
            return await self._search.search(query)
        scores = {template.template_id: template.draft.success_score for template in recalled}
        found = await self._passages.passages_of(query.scope, [DocId(id_) for id_ in scores])
        scored = tuple(replace(passage, score=scores[passage.doc_id]) for passage in found.passages)
        # A template without its document is being written or deleted; state "" keeps the answer out of
        # caches.
        is_complete = {passage.doc_id for passage in scored} == scores.keys()
        return replace(found, passages=scored, state=found.state if is_complete else "")
