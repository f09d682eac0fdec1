"""The business generation agent."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.agents.cached_agent import CachedAgent
from deployments.agents.idea_generation import IdeaGenerator
from deployments.core.agent_spec import AgentSpec
from deployments.core.ports import Rag
from deployments.core.records.ideas import IdeaBatch, IdeaRequest, IdeaResult
from deployments.core.records.templates import BusinessType


def recall_query(business_type: BusinessType) -> str:
    """The question to the model when a caller recalls the templates of a type."""
    kind = business_type.replace("_", " ")
    return (
        f"Which {kind} businesses are among the templates, what made each of them succeed or fail, and what "
        f"should a new {kind} business copy from them?"
    )


class BusinessService(CachedAgent):
    """Answers from business templates and generates ideas. Implements `Agent` and `IdeaGeneration`.

    The memory is what the tenant has stored: templates, from which ideas are generated and scored, and
    ideas, with which new ones are compared. A request without memory reads and writes none of it: its
    idea is generated without templates, scored without evidence, and not stored.
    """

    def __init__(self, spec: AgentSpec, rag: Rag, ideas: IdeaGenerator) -> None:
        super().__init__(spec, rag)
        self._ideas = ideas

    async def generate_idea_with_memory(self, request: IdeaRequest) -> IdeaResult:
        """A new idea with its scores. Raises what `IdeaGenerator.generate` raises."""
        return await self._ideas.generate(request)

    async def generate_batch_with_memory(
        self, request: IdeaRequest, count: int, business_types: Sequence[BusinessType] = ()
    ) -> IdeaBatch:
        """`count` ideas that differ from each other. Raises what `generate_batch` raises."""
        return await self._ideas.generate_batch(request, count, business_types)
