"""Bodies of business ideas."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.business import MAX_USER_ID_CHARS
from deployments.core.business_ideas import (
    DEFAULT_ATTEMPTS,
    DEFAULT_MIN_REVENUE,
    MAX_ATTEMPTS,
    MAX_BATCH,
    BusinessIdea,
    IdeaBatch,
    IdeaResult,
    StoredIdea,
)
from serve_app.http.answers import ReuseBody
from serve_app.http.body import Body
from serve_app.http.template_bodies import ENABLE_MEMORY, BusinessTypeField


class GenerationBody(Body):
    """How ideas are generated."""

    min_revenue_score: float = Field(DEFAULT_MIN_REVENUE, ge=0, le=100)
    max_attempts: int = Field(DEFAULT_ATTEMPTS, ge=1, le=MAX_ATTEMPTS, description="for each idea")
    user_id: str | None = Field(None, min_length=1, max_length=MAX_USER_ID_CHARS)
    learn_from_past: bool = Field(True, description="puts the best templates of the type into the prompt")
    enable_memory: bool = ENABLE_MEMORY


class IdeaBody(GenerationBody):
    """An idea to generate. Without a type, that of the best record is taken."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"business_type": "saas", "max_attempts": 3}]})

    business_type: BusinessTypeField | None = None


class IdeaBatchBody(GenerationBody):
    """Ideas to generate, of the given types in turn; without types, of those with the best record."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"count": 3, "business_types": ["saas", "content"]}]}
    )

    count: int = Field(ge=1, le=MAX_BATCH)
    business_types: list[BusinessTypeField] | None = Field(None, min_length=1, max_length=MAX_BATCH)


class IdeaFields(BaseModel):
    """An idea. Scores are 0 to 100 and computed from what is stored, as `score_explanation` says.

    `success_metrics` are what similar templates have reached (medians): a goal, not a forecast.
    """

    idea_id: str | None = Field(description="null: not stored, since memory was off")
    name: str
    business_type: str
    description: str
    target_audience: str
    monetization_model: str
    mvp_features: list[str]
    tech_stack: list[str]
    success_metrics: dict[str, float]
    revenue_score: float
    market_trend_score: float
    differentiation_score: float
    overall_score: float
    generated_at: datetime
    score_explanation: dict[str, str]


class GeneratedIdea(IdeaFields):
    """A generated idea, and how it came about.

    `failures` counts the attempts without a usable idea, by reason. `learned_from` are the templates in the
    prompt, and `reuse` is what that prompt reused.
    """

    min_revenue_score: float
    met_threshold: bool
    attempts: int
    stopped_by: str = Field(description="threshold, attempts, deadline or no_evidence")
    failures: dict[str, int]
    learned_from: list[str]
    reuse: ReuseBody
    request_id: str

    @classmethod
    def of(cls, result: IdeaResult) -> GeneratedIdea:
        """From the message."""
        return cls(
            **_fields(result.idea),
            idea_id=result.idea_id,
            score_explanation=dict(result.score_explanation),
            min_revenue_score=result.min_revenue_score,
            met_threshold=result.met_threshold,
            attempts=result.attempts,
            stopped_by=result.stopped_by,
            failures=dict(result.failures),
            learned_from=list(result.learned_from),
            reuse=ReuseBody.model_validate(asdict(result.reuse)),
            request_id=result.request_id,
        )


class GeneratedBatch(BaseModel):
    """Ideas that differ from each other, best overall score first; `missing` says why others did not come."""

    ideas: list[GeneratedIdea]
    missing: list[str]

    @classmethod
    def of(cls, batch: IdeaBatch) -> GeneratedBatch:
        """From the message."""
        return cls(ideas=[GeneratedIdea.of(result) for result in batch.ideas], missing=list(batch.missing))


class KnownIdeaBody(IdeaFields):
    """An idea in memory."""

    user_id: str | None

    @classmethod
    def of(cls, stored: StoredIdea) -> KnownIdeaBody:
        """From the message."""
        return cls(
            **_fields(stored.draft.idea),
            idea_id=stored.idea_id,
            score_explanation=dict(stored.draft.score_explanation),
            user_id=stored.draft.user_id,
        )


class IdeaPage(BaseModel):
    """Ideas, latest first; `next` is what to pass as `after` for those before them."""

    ideas: list[KnownIdeaBody]
    next: str | None


def _fields(idea: BusinessIdea) -> dict[str, Any]:
    text = idea.text
    return {
        "name": text.name,
        "business_type": idea.business_type,
        "description": text.description,
        "target_audience": text.target_audience,
        "monetization_model": text.monetization_model,
        "mvp_features": list(text.mvp_features),
        "tech_stack": list(text.tech_stack),
        "success_metrics": dict(idea.success_metrics),
        "revenue_score": idea.revenue_score,
        "market_trend_score": idea.market_trend_score,
        "differentiation_score": idea.differentiation_score,
        "overall_score": idea.overall_score,
        "generated_at": datetime.fromisoformat(idea.generated_at),
    }
