"""Business templates: asked about, stored, recalled."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from deployments.agents.business import recall_query
from deployments.agents.specs import BUSINESS
from deployments.core.business import BusinessType, TemplateQuery
from deployments.core.ids import Scope, TenantId
from deployments.core.messages import Ask
from serve_app.http.answering import EVENTS, answered
from serve_app.http.context import ClockDep, RequestIdDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, ErrorBody
from serve_app.http.repeatable import CREATED, IdempotencyKey, created_once
from serve_app.http.template_bodies import (
    NewTemplateRequest,
    RecallAnswer,
    RecallQuestion,
    TemplateBody,
    TemplateFilter,
    TemplateRequest,
    TemplatesBody,
)

router = APIRouter(prefix="/v1/business/templates", tags=["business"], responses=ERROR_RESPONSES)

_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody, "description": "No such template"}}


@router.post("/recall", response_model=RecallAnswer, responses=EVENTS)
async def recall_cached(
    body: RecallQuestion, parts: ServicesDep, owner: TenantDep, request_id: RequestIdDep, clock: ClockDep
) -> Response:
    """Says what the best templates of a type teach, as JSON or, with `stream`, as events."""
    kind = BusinessType(body.business_type)
    ask = Ask(
        tenant=owner,
        query=recall_query(kind),
        request_id=request_id,
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        seed=body.seed,
        share_answer=body.share_answer,
        section=kind,
        deadline_s=parts.settings.request_timeout_s,
        arrived_unix_s=clock.arrived_unix_s,
    )
    return await answered(parts.agents[BUSINESS.name], ask, body, RecallAnswer, clock)


@router.post("", response_model=TemplateBody, status_code=201, responses=CREATED)
async def create(
    body: NewTemplateRequest, parts: ServicesDep, owner: TenantDep, key: IdempotencyKey = None
) -> Response:
    """Stores a template, as record and as document: the very next recall finds it."""
    draft = body.draft()

    async def store(token: str | None) -> BaseModel:
        call = parts.business.store_business_template
        return TemplateBody.of(await call(owner, draft, token, body.enable_memory))

    return await created_once(parts.idempotency, (owner, "templates.create"), key, body, store)


@router.get("")
async def recall(
    parts: ServicesDep, owner: TenantDep, wanted: Annotated[TemplateFilter, Query()]
) -> TemplatesBody:
    """The best templates of a type, or of all: those of the highest success score, latest changed first."""
    kind = None if wanted.business_type is None else BusinessType(wanted.business_type)
    query = TemplateQuery(owner, kind, wanted.min_success_score, wanted.top_k, wanted.user_id)
    found = await parts.business.recall_business_templates(query, wanted.enable_memory)
    return TemplatesBody(templates=[TemplateBody.of(template) for template in found])


@router.get("/{template_id}", responses=_MISSING)
async def get(template_id: str, parts: ServicesDep, owner: TenantDep) -> TemplateBody:
    """A template."""
    return TemplateBody.of(await parts.business.get_business_template(owner, template_id))


@router.put("/{template_id}")
async def put(template_id: str, body: TemplateRequest, parts: ServicesDep, owner: TenantDep) -> TemplateBody:
    """Stores a template under an id, in place of one that is there; no answer uses the old one any more."""
    template = await parts.business.put_business_template(owner, template_id, body.draft())
    if template.version > 1:
        parts.changed(_scope(owner), 1)
    return TemplateBody.of(template)


@router.delete("/{template_id}", status_code=204, responses=_MISSING)
async def delete(template_id: str, parts: ServicesDep, owner: TenantDep) -> None:
    """Deletes a template; no answer and no idea uses it any more."""
    await parts.business.delete_business_template(owner, template_id)
    parts.changed(_scope(owner), 1)


def _scope(owner: TenantId) -> Scope:
    return Scope(owner, BUSINESS.collection)
