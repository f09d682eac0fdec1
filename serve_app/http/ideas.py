"""Business ideas: generated, listed."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from deployments.core.business import BusinessType
from deployments.core.business_ideas import MAX_IDEAS_PER_PAGE, IdeaRequest
from deployments.core.ids import RequestId, TenantId
from serve_app.http.context import RequestIdDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, ErrorBody
from serve_app.http.ideas_bodies import (
    GeneratedBatch,
    GeneratedIdea,
    GenerationBody,
    IdeaBatchBody,
    IdeaBody,
    IdeaPage,
    KnownIdeaBody,
)
from serve_app.http.repeatable import CREATED, IdempotencyKey, created_once
from serve_app.services import Services

router = APIRouter(prefix="/v1/business/ideas", tags=["business"], responses=ERROR_RESPONSES)

_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody, "description": "No such idea"}}


@router.post("", response_model=GeneratedIdea, status_code=201, responses=CREATED)
async def generate(
    body: IdeaBody,
    parts: ServicesDep,
    owner: TenantDep,
    request_id: RequestIdDep,
    key: IdempotencyKey = None,
) -> Response:
    """Has the model write an idea, learning from the best templates, and scores it by what is stored."""
    kind = None if body.business_type is None else BusinessType(body.business_type)
    request = replace(_request(body, parts, owner, request_id), business_type=kind)

    async def create(token: str | None) -> BaseModel:
        call = parts.business.generate_idea_with_memory
        return GeneratedIdea.of(await call(replace(request, token=token)))

    return await created_once(parts.idempotency, (owner, "ideas.create"), key, body, create)


@router.post("/batch", response_model=GeneratedBatch, status_code=201, responses=CREATED)
async def generate_batch(
    body: IdeaBatchBody,
    parts: ServicesDep,
    owner: TenantDep,
    request_id: RequestIdDep,
    key: IdempotencyKey = None,
) -> Response:
    """Generates ideas that differ from each other, best overall score first."""
    kinds = [BusinessType(kind) for kind in body.business_types or ()]
    request = _request(body, parts, owner, request_id)

    async def create(token: str | None) -> BaseModel:
        call = parts.business.generate_batch_with_memory
        return GeneratedBatch.of(await call(replace(request, token=token), body.count, kinds))

    return await created_once(parts.idempotency, (owner, "ideas.batch"), key, body, create)


@router.get("")
async def listing(
    parts: ServicesDep,
    owner: TenantDep,
    limit: Annotated[int, Query(ge=1, le=MAX_IDEAS_PER_PAGE)] = 100,
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> IdeaPage:
    """Stored ideas, latest first."""
    found = await parts.business.list_ideas(owner, limit + 1, after)
    shown = [KnownIdeaBody.of(stored) for stored in found[:limit]]
    return IdeaPage(ideas=shown, next=shown[-1].idea_id if len(found) > limit else None)


@router.get("/{idea_id}", responses=_MISSING)
async def get(idea_id: str, parts: ServicesDep, owner: TenantDep) -> KnownIdeaBody:
    """A stored idea with its scores."""
    return KnownIdeaBody.of(await parts.business.get_idea(owner, idea_id))


def _request(body: GenerationBody, parts: Services, owner: TenantId, request_id: RequestId) -> IdeaRequest:
    return IdeaRequest(
        tenant=owner,
        request_id=request_id,
        min_revenue_score=body.min_revenue_score,
        max_attempts=body.max_attempts,
        user_id=body.user_id,
        learn_from_past=body.learn_from_past,
        use_memory=body.enable_memory,
        deadline_s=parts.settings.request_timeout_s,
    )
