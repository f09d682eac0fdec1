"""Business ideas: generated, listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

import fastapi
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deployments.core.records.ideas import (
    DEFAULT_ATTEMPTS,
    DEFAULT_MIN_REVENUE,
    MAX_ATTEMPTS,
    MAX_BATCH,
    MAX_IDEAS_PER_PAGE,
    IdeaBatch,
    IdeaRequest,
    IdeaResult,
    StoredIdea,
)
from deployments.core.records.templates import BusinessType
from serve_app.http.answers import ReuseBody
from serve_app.http.body import Body, FromCore
from serve_app.http.context import Call, CallDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import PageMark, RecordId, UserId, UsesMemory
from serve_app.http.repeatable import CREATED, IdempotencyKey, created_once
from serve_app.http.templates import BusinessTypeField

router = APIRouter(prefix="/v1/business/ideas", tags=["business"], responses=ERROR_RESPONSES)


class GenerationBody(Body):
    """How ideas are generated."""

    min_revenue_score: float = Field(DEFAULT_MIN_REVENUE, ge=0, le=100)
    max_attempts: int = Field(DEFAULT_ATTEMPTS, ge=1, le=MAX_ATTEMPTS, description="for each idea")
    user_id: UserId | None = None
    learn_from_past: bool = Field(True, description="puts the best templates of the type into the prompt")
    enable_memory: UsesMemory = True

    def request(self, call: Call) -> IdeaRequest:
        """What to generate, without a type."""
        return IdeaRequest(
            tenant=call.tenant,
            request_id=call.request_id,
            min_revenue_score=self.min_revenue_score,
            max_attempts=self.max_attempts,
            user_id=self.user_id,
            learn_from_past=self.learn_from_past,
            use_memory=self.enable_memory,
            deadline_s=call.timeout_s,
            key_id=call.key_id,
        )


class IdeaBody(GenerationBody):
    """An idea to generate. Without a type, the type with the best record is taken."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"business_type": "saas", "max_attempts": 3}]})

    business_type: BusinessTypeField | None = None


class IdeaBatchBody(GenerationBody):
    """Ideas to generate, of the given types in turn; without types, of those with the best record."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"count": 3, "business_types": ["saas", "content"]}]}
    )

    count: int = Field(ge=1, le=MAX_BATCH)
    business_types: list[BusinessTypeField] | None = Field(
        None, min_length=1, max_length=MAX_BATCH, fail_fast=True
    )


class IdeaFields(FromCore, BaseModel):
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
    """A generated idea, and how it was found.

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
    def from_result(cls, result: IdeaResult) -> Self:
        """The body of a result."""
        return cls.of(result.idea, result.idea.text, result)


class GeneratedBatch(BaseModel):
    """Ideas that differ from each other, best overall score first; `missing` has the reasons for others."""

    ideas: list[GeneratedIdea]
    missing: list[str]

    @classmethod
    def from_batch(cls, batch: IdeaBatch) -> Self:
        """The body of a batch."""
        ideas = [GeneratedIdea.from_result(result) for result in batch.ideas]
        return cls(ideas=ideas, missing=list(batch.missing))


class KnownIdeaBody(IdeaFields):
    """An idea in memory."""

    user_id: str | None

    @classmethod
    def from_stored(cls, stored: StoredIdea) -> Self:
        """The body of a stored idea."""
        return cls.of(stored.draft.idea, stored.draft.idea.text, stored.draft, stored)


class IdeaPage(BaseModel):
    """Ideas, latest first; `next` is what to pass as `after` for older ones."""

    ideas: list[KnownIdeaBody]
    next: str | None


@router.post("", response_model=GeneratedIdea, status_code=201, responses=CREATED)
async def generate(
    body: Annotated[IdeaBody, fastapi.Body(default_factory=IdeaBody)],
    parts: ServicesDep,
    call: CallDep,
    key: IdempotencyKey = None,
) -> Response:
    """Has the model write an idea, learning from the best templates, and scores it by what is stored."""
    kind = None if body.business_type is None else BusinessType(body.business_type)
    request = replace(body.request(call), business_type=kind)

    async def create(idempotency_key: str | None) -> BaseModel:
        keyed = replace(request, idempotency_key=idempotency_key)
        result = await parts.ideas.generate_idea_with_memory(keyed)
        return GeneratedIdea.from_result(result)

    return await created_once(parts.idempotency, (call.tenant, "ideas.create"), key, body, create)


@router.post("/batch", response_model=GeneratedBatch, status_code=201, responses=CREATED)
async def generate_batch(
    body: IdeaBatchBody, parts: ServicesDep, call: CallDep, key: IdempotencyKey = None
) -> Response:
    """Generates ideas that differ from each other, best overall score first."""
    kinds = [BusinessType(kind) for kind in body.business_types or ()]
    request = body.request(call)

    async def create(idempotency_key: str | None) -> BaseModel:
        generating = parts.ideas.generate_batch_with_memory
        keyed = replace(request, idempotency_key=idempotency_key)
        return GeneratedBatch.from_batch(await generating(keyed, body.count, kinds))

    return await created_once(parts.idempotency, (call.tenant, "ideas.batch"), key, body, create)


@router.get("")
async def listing(
    parts: ServicesDep,
    owner: TenantDep,
    limit: Annotated[int, Query(ge=1, le=MAX_IDEAS_PER_PAGE)] = 100,
    after: PageMark | None = None,
) -> IdeaPage:
    """Lists stored ideas, latest first."""
    found = await parts.business.list_ideas(owner, limit + 1, after)
    shown = [KnownIdeaBody.from_stored(stored) for stored in found[:limit]]
    return IdeaPage(ideas=shown, next=shown[-1].idea_id if len(found) > limit else None)


@router.get("/{idea_id}", responses=error_responses({404: "No such idea"}))
async def get(idea_id: RecordId, parts: ServicesDep, owner: TenantDep) -> KnownIdeaBody:
    """Reads a stored idea with its scores."""
    return KnownIdeaBody.from_stored(await parts.business.get_idea(owner, idea_id))
