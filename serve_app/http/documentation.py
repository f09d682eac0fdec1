"""Documentation: looked up, written, updated, searched, and what it said before."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from deployments.agents.specs import DOCUMENTATION
from deployments.core.ids import Scope, TenantId, doc_id
from deployments.core.limits import DEFAULT_TOP_K, MAX_QUERY_CHARS, MAX_TOP_K
from deployments.core.messages import Ask
from deployments.core.writing import WritingOrder
from serve_app.http.answering import EVENTS, answered
from serve_app.http.context import ClockDep, RequestIdDep, ServicesDep, TenantDep
from serve_app.http.documentation_bodies import (
    DocumentationAnswer,
    DocumentationQuestion,
    TextHitBody,
    TextSearchBody,
    UpdateRequest,
    VersionBody,
    VersionPage,
    WritingRequest,
    WrittenBody,
)
from serve_app.http.documents_bodies import IngestedBody
from serve_app.http.error_bodies import ERROR_RESPONSES, ErrorBody
from serve_app.http.repeatable import CREATED, IdempotencyKey, created_once

router = APIRouter(prefix="/v1/documentation", tags=["documentation"], responses=ERROR_RESPONSES)

_MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorBody, "description": "No such document, or no such version of it"}
}
_UNREADABLE: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorBody, "description": "No text to store; nothing was stored"}
}
_MAX_VERSION = 2**31 - 1


@router.post("/lookup", response_model=DocumentationAnswer, responses=EVENTS)
async def lookup(
    body: DocumentationQuestion,
    parts: ServicesDep,
    owner: TenantDep,
    request_id: RequestIdDep,
    clock: ClockDep,
) -> Response:
    """Answers a question from the documentation, as JSON or, with `stream`, as events."""
    ask = Ask(
        tenant=owner,
        query=body.query,
        request_id=request_id,
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        seed=body.seed,
        share_answer=body.share_answer,
        section=body.section,
        deadline_s=parts.settings.request_timeout_s,
        arrived_unix_s=clock.arrived_unix_s,
    )
    return await answered(parts.agents[DOCUMENTATION.name], ask, body, DocumentationAnswer, clock)


@router.post("/generate", response_model=WrittenBody, status_code=201, responses={**CREATED, **_UNREADABLE})
async def generate(
    body: WritingRequest,
    parts: ServicesDep,
    owner: TenantDep,
    *,
    request_id: RequestIdDep,
    clock: ClockDep,
    key: IdempotencyKey = None,
) -> Response:
    """Has the model write a document from source code and specifications, and stores it."""
    order = WritingOrder(
        owner,
        request_id=request_id,
        deadline_s=parts.settings.request_timeout_s,
        arrived_unix_s=clock.arrived_unix_s,
        **body.model_dump(),
    )

    async def write(token: str | None) -> BaseModel:
        written = await parts.documentation.generate_documentation(replace(order, token=token))
        return WrittenBody.of(replace(written, answer=clock.stamp(written.answer)))

    return await created_once(parts.idempotency, (owner, "documentation.generate"), key, body, write)


@router.get("/search")
async def search(
    parts: ServicesDep,
    owner: TenantDep,
    query: Annotated[str, Query(min_length=1, max_length=MAX_QUERY_CHARS, examples=["webhook signature"])],
    limit: Annotated[int, Query(ge=1, le=MAX_TOP_K)] = DEFAULT_TOP_K,
) -> TextSearchBody:
    """Documents with the words of a query, by full text, best first."""
    hits = await parts.documentation.search_documentation(owner, query, limit)
    results = [TextHitBody.of(hit) for hit in hits]
    return TextSearchBody(query=query, total_results=len(results), results=results)


@router.put("/{identifier}", responses={**_MISSING, **_UNREADABLE})
async def update(identifier: str, body: UpdateRequest, parts: ServicesDep, owner: TenantDep) -> IngestedBody:
    """Stores a new version of a document; no answer uses the old text once this has returned."""
    call = parts.documentation.update_documentation
    ingested = await call(owner, doc_id(identifier), body.content, body.invalidate_cache)
    parts.changed(_scope(owner), ingested.invalidated)
    return IngestedBody.of(ingested)


@router.get("/{identifier}", responses=_MISSING)
async def get(
    identifier: str,
    parts: ServicesDep,
    owner: TenantDep,
    version: Annotated[
        int | None, Query(ge=1, le=_MAX_VERSION, description="the present one if none")
    ] = None,
) -> VersionBody:
    """A document as it is, or as it was."""
    name = doc_id(identifier)
    if version is None:
        return VersionBody.present(await parts.library.get(_scope(owner), name))
    return VersionBody.of(name, await parts.library.version(_scope(owner), name, version))


@router.get("/{identifier}/versions", responses=_MISSING)
async def versions(
    identifier: str,
    parts: ServicesDep,
    owner: TenantDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=_MAX_VERSION)] = None,
) -> VersionPage:
    """A document's versions, newest first, without their contents."""
    name = doc_id(identifier)
    found = await parts.library.versions(_scope(owner), name, limit + 1, before)
    shown = [VersionBody.of(name, version) for version in found[:limit]]
    return VersionPage(versions=shown, next=shown[-1].version if len(found) > limit else None)


def _scope(owner: TenantId) -> Scope:
    return Scope(owner, DOCUMENTATION.collection)
