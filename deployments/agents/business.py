"""The business generation agent."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.agents.cached_agent import CachedAgent
from deployments.agents.idea_generation import IdeaGenerator
from deployments.core.agent_spec import AgentSpec
from deployments.core.business import BusinessType, Template, TemplateDraft, TemplateQuery
from deployments.core.business_ideas import (
    MAX_IDEAS_PER_PAGE,
    IdeaBatch,
    IdeaRequest,
    IdeaResult,
    StoredIdea,
)
from deployments.core.business_ports import BusinessMemory
from deployments.core.errors import InvalidRequest
from deployments.core.ids import TenantId, doc_id
from deployments.core.ledger import Answer
from deployments.core.messages import Ask
from deployments.core.ports import Rag
from deployments.core.texts import check_storable


def recall_query(business_type: BusinessType) -> str:
    """What `recall_business_templates_cached` asks the model, over the templates of the type."""
    kind = business_type.replace("_", " ")
    return (
        f"Which {kind} businesses are among the templates, what made each of them succeed or fail, and what "
        f"should a new {kind} business copy from them?"
    )


class BusinessService(CachedAgent):
    """Recalls business templates and generates ideas from them.

    Its memory is what the tenant has stored: templates, which are recalled for ideas and which ideas are
    scored by, and known ideas, which new ones are compared with. A call without memory reads and writes none
    of it: templates can't be stored or recalled then, and ideas are generated without templates, scored as
    if nothing were known, and not stored. The documents that `answer` retrieves are no memory but what the
    question is about.
    """

    def __init__(self, spec: AgentSpec, rag: Rag, memory: BusinessMemory, ideas: IdeaGenerator) -> None:
        super().__init__(spec, rag)
        self._memory = memory
        self._ideas = ideas

    async def recall_business_templates_cached(self, ask: Ask) -> Answer:
        """The seed's name of `answer`; see `recall_query`. The type is the question's section."""
        return await self.answer(ask)

    async def store_business_template(
        self, tenant: TenantId, draft: TemplateDraft, token: str | None = None, use_memory: bool = True
    ) -> Template:
        """Stores a template, found by recall and retrieval once this has returned.

        The same `token` stores one. Raises: InvalidRequest (without memory), KnowledgeUnavailable.
        """
        _check_memory(use_memory)
        return await self._memory.add_template(tenant, draft, token)

    async def put_business_template(
        self, tenant: TenantId, template_id: str, draft: TemplateDraft
    ) -> Template:
        """Stores a template under an id, in place of one that is there. Raises: InvalidRequest,
        KnowledgeUnavailable.
        """
        return await self._memory.put_template(tenant, doc_id(template_id), draft)

    async def get_business_template(self, tenant: TenantId, template_id: str) -> Template:
        """Raises: NotFound, KnowledgeUnavailable."""
        return await self._memory.get_template(tenant, template_id)

    async def delete_business_template(self, tenant: TenantId, template_id: str) -> None:
        """No answer and no idea uses it once this has returned. Raises: NotFound, KnowledgeUnavailable."""
        await self._memory.delete_template(tenant, template_id)

    async def recall_business_templates(
        self, query: TemplateQuery, use_memory: bool = True
    ) -> tuple[Template, ...]:
        """Best first; see `TemplateQuery`. None without memory. Raises: KnowledgeUnavailable."""
        return await self._memory.recall_templates(query) if use_memory else ()

    async def generate_idea_with_memory(self, request: IdeaRequest) -> IdeaResult:
        """See `IdeaGenerator.generate`."""
        return await self._ideas.generate(request)

    async def generate_batch_with_memory(
        self, request: IdeaRequest, count: int, business_types: Sequence[BusinessType] = ()
    ) -> IdeaBatch:
        """See `IdeaGenerator.generate_batch`."""
        return await self._ideas.generate_batch(request, count, business_types)

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """Raises: NotFound, KnowledgeUnavailable."""
        return await self._memory.get_idea(tenant, idea_id)

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """Latest first, those behind `after`. Raises: InvalidRequest, KnowledgeUnavailable."""
        if not 1 <= limit <= MAX_IDEAS_PER_PAGE + 1:  # one more shows whether there is another page
            raise InvalidRequest(f"limit must be 1 to {MAX_IDEAS_PER_PAGE + 1}", "limit")
        if after is not None:
            check_storable(after, "after")
        return await self._memory.list_ideas(tenant, limit, after)


def _check_memory(use_memory: bool) -> None:
    if not use_memory:
        raise InvalidRequest(
            "a template is stored in memory, which enable_memory switches off", "enable_memory"
        )
