"""The business generation agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.agents.specs import BUSINESS
from deployments.core.business import DEFAULT_MIN_SUCCESS
from deployments.core.business_ideas import DEFAULT_ATTEMPTS, DEFAULT_MIN_REVENUE
from deployments.core.limits import DEFAULT_TOP_K
from serve_app.client.agent import AgentClient, Body


class BusinessGenerationAgent(AgentClient):
    """Recalls business templates, and generates ideas from them."""

    agent_name = BUSINESS.name

    async def recall_business_templates_cached(
        self, business_type: str, top_k: int = DEFAULT_TOP_K, max_tokens: int = BUSINESS.max_tokens
    ) -> Body:
        """What the templates of a type teach, as `templates`."""
        return await self._post(
            "/v1/business/templates/recall", business_type=business_type, top_k=top_k, max_tokens=max_tokens
        )

    async def store_business_template(
        self,
        business_type: str,
        template_data: Mapping[str, Any],
        success_metrics: Mapping[str, float],
        user_id: str | None = None,
    ) -> Body:
        """Stores a template, found by the next call; `success_metrics` has a `success_score` of 0..1."""
        return await self._post(
            "/v1/business/templates",
            business_type=business_type,
            template_data=dict(template_data),
            success_metrics=dict(success_metrics),
            user_id=user_id,
            enable_memory=self.enable_memory,
        )

    async def recall_business_templates(
        self,
        business_type: str,
        min_success_score: float = DEFAULT_MIN_SUCCESS,
        top_k: int = DEFAULT_TOP_K,
        user_id: str | None = None,
    ) -> Body:
        """The best templates of a type with at least `min_success_score`."""
        return await self._get(
            "/v1/business/templates",
            business_type=business_type,
            min_success_score=min_success_score,
            top_k=top_k,
            user_id=user_id,
            enable_memory=self.enable_memory,
        )

    async def generate_idea_with_memory(
        self,
        business_type: str | None = None,
        min_revenue_score: float = DEFAULT_MIN_REVENUE,
        max_attempts: int = DEFAULT_ATTEMPTS,
        user_id: str | None = None,
        learn_from_past: bool = True,
    ) -> Body:
        """An idea with its scores, explained; attempts end with the first that reaches the threshold."""
        return await self._post(
            "/v1/business/ideas",
            business_type=business_type,
            min_revenue_score=min_revenue_score,
            max_attempts=max_attempts,
            user_id=user_id,
            learn_from_past=learn_from_past,
            enable_memory=self.enable_memory,
        )

    async def generate_batch_with_memory(
        self,
        count: int,
        business_types: Sequence[str] | None = None,
        *,
        min_revenue_score: float = DEFAULT_MIN_REVENUE,
        max_attempts: int = DEFAULT_ATTEMPTS,
        user_id: str | None = None,
        learn_from_past: bool = True,
    ) -> Body:
        """Ideas that differ from each other, best first, of the given types in turn."""
        return await self._post(
            "/v1/business/ideas/batch",
            count=count,
            business_types=None if business_types is None else list(business_types),
            min_revenue_score=min_revenue_score,
            max_attempts=max_attempts,
            user_id=user_id,
            learn_from_past=learn_from_past,
            enable_memory=self.enable_memory,
        )
