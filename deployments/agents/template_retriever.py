"""Retrieval of business templates: of one type by their success, otherwise by the question."""

from __future__ import annotations

from dataclasses import replace

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import DocId
from deployments.core.library_ports import PassageReader
from deployments.core.ports import Retriever
from deployments.core.records.ports import BusinessMemory
from deployments.core.records.templates import BusinessType, TemplateQuery


class TemplateRetriever:
    """A `Retriever`. `search_by_question` is the knowledge base's own."""

    def __init__(
        self, search_by_question: Retriever, memory: BusinessMemory, passages: PassageReader
    ) -> None:
        self._search = search_by_question
        self._memory = memory
        self._passages = passages

    async def search(self, query: SearchQuery) -> Retrieval:
        """With a section, which is a type of business, all passages of its `top_k` most successful templates.

        Their score is the template's success score. A question could not rank them: it only says the type.
        Where the type has documents but no templates, and without a section, passages are searched for.
        """
        if query.section is None:
            return await self._search.search(query)
        wanted = TemplateQuery(query.scope.tenant, BusinessType(query.section), 0.0, query.top_k)
        recalled = await self._memory.recall_templates(wanted)
        if not recalled:
            return await self._search.search(query)
        scores = {template.template_id: template.draft.success_score for template in recalled}
        found = await self._passages.passages_of(query.scope, [DocId(id_) for id_ in scores])
        scored = tuple(replace(passage, score=scores[passage.doc_id]) for passage in found.passages)
        # A template without its document is being written or deleted: nobody is to keep such an answer.
        is_complete = {passage.doc_id for passage in scored} == scores.keys()
        return replace(found, passages=scored, state=found.state if is_complete else "")
