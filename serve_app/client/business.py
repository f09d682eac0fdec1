"""The client of the business generation agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.agents.specs import BUSINESS
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.records.ideas import DEFAULT_ATTEMPTS, DEFAULT_MIN_REVENUE
from deployments.core.records.templates import DEFAULT_MIN_SUCCESS
from serve_app.client.agent import AgentClient
from serve_app.client.results import Idea, IdeaBatch, Template, Templates, TemplatesAnswer


class BusinessGenerationAgent(AgentClient):
    """Recalls business templates, and generates ideas from them."""

    agent_name = BUSINESS.name

    async def recall_business_templates_cached(
        self,
        business_type: str,
        top_k: int = DEFAULT_TOP_K,
        max_tokens: int = BUSINESS.max_tokens,
        *,
        conversation_id: str | None = None,
    ) -> TemplatesAnswer:
        """What the templates of a type teach, as the text `templates`, with what it reused."""
        answer: TemplatesAnswer = await self._connection.post(
            "/v1/business/templates/recall",
            business_type=business_type,
            top_k=top_k,
            max_tokens=max_tokens,
            conversation_id=conversation_id,
        )
        return answer

    async def store_business_template(
        self,
        business_type: str,
        template_data: Mapping[str, Any],
        success_metrics: Mapping[str, float],
        user_id: str | None = None,
    ) -> Template:
        """Stores a template and returns it; the next call finds it.

        `template_data` has a `name`, and `success_metrics` a `success_score` of 0 to 1.
        """
        template: Template = await self._connection.post(
            "/v1/business/templates",
            business_type=business_type,
            template_data=dict(template_data),
            success_metrics=dict(success_metrics),
            user_id=user_id,
            enable_memory=self.enable_memory,
        )
        return template

    async def recall_business_templates(
        self,
        business_type: str,
        min_success_score: float = DEFAULT_MIN_SUCCESS,
        top_k: int = DEFAULT_TOP_K,
        user_id: str | None = None,
    ) -> Templates:
        """The best `templates` of a type whose success score is at least `min_success_score`."""
        found: Templates = await self._connection.get(
            "/v1/business/templates",
            business_type=business_type,
            min_success_score=min_success_score,
            top_k=top_k,
            user_id=user_id,
            enable_memory=self.enable_memory,
        )
        return found

    async def generate_idea_with_memory(
        self,
        business_type: str | None = None,
        min_revenue_score: float = DEFAULT_MIN_REVENUE,
        max_attempts: int = DEFAULT_ATTEMPTS,
        user_id: str | None = None,
        learn_from_past: bool = True,
    ) -> Idea:
        """An idea with its scores and their explanation.

        The agent makes up to `max_attempts`, until the `revenue_score` of one reaches `min_revenue_score`.
        """
        idea: Idea = await self._connection.post(
            "/v1/business/ideas",
            business_type=business_type,
            min_revenue_score=min_revenue_score,
            max_attempts=max_attempts,
            user_id=user_id,
            learn_from_past=learn_from_past,
            enable_memory=self.enable_memory,
        )
        return idea

    async def generate_batch_with_memory(
        self,
        count: int,
        business_types: Sequence[str] | None = None,
        *,
        min_revenue_score: float = DEFAULT_MIN_REVENUE,
        max_attempts: int = DEFAULT_ATTEMPTS,
        user_id: str | None = None,
        learn_from_past: bool = True,
    ) -> IdeaBatch:
        """Up to `count` different `ideas`, best first; they take the given types in turn."""
        batch: IdeaBatch = await self._connection.post(
            "/v1/business/ideas/batch",
            count=count,
            business_types=None if business_types is None else list(business_types),
            min_revenue_score=min_revenue_score,
            max_attempts=max_attempts,
            user_id=user_id,
            learn_from_past=learn_from_past,
            enable_memory=self.enable_memory,
        )
        return batch
