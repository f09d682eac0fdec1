"""Questions to the support agent, search in its knowledge base, and its report."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from deployments.agents.specs import SUPPORT
from deployments.core.documents import SearchQuery
from deployments.core.ids import Scope
from deployments.core.limits import DEFAULT_TOP_K, MAX_CATEGORY_CHARS, MAX_QUERY_CHARS, MAX_TOP_K
from deployments.core.messages import Ask
from deployments.core.texts import check_text
from serve_app.api.answering import EVENTS, answered
from serve_app.api.context import ClockDep, RequestIdDep, ServicesDep, TenantDep
from serve_app.periods import period_of
from serve_app.schemas import ERROR_RESPONSES, SupportAnswer, SupportQuestion
from serve_app.schemas.support import KnowledgeSearchBody, PassageBody, SupportReportBody

router = APIRouter(prefix="/v1/support", tags=["support"], responses=ERROR_RESPONSES)


@router.post("/answer", response_model=SupportAnswer, responses=EVENTS)
async def answer(
    body: SupportQuestion, parts: ServicesDep, owner: TenantDep, request_id: RequestIdDep, clock: ClockDep
) -> Response:
    """Answers a question from the support knowledge base, as JSON or, with `stream`, as events."""
    ask = Ask(
        tenant=owner,
        query=body.query,
        request_id=request_id,
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        seed=body.seed,
        share_answer=body.share_answer,
        deadline_s=parts.settings.request_timeout_s,
        arrived_unix_s=clock.arrived_unix_s,
    )
    return await answered(parts.agents[SUPPORT.name], ask, body, SupportAnswer, clock)


@router.get("/search")
async def search(
    parts: ServicesDep,
    owner: TenantDep,
    query: Annotated[str, Query(min_length=1, max_length=MAX_QUERY_CHARS, examples=["reset password"])],
    category: Annotated[str | None, Query(description="a section of documents, such as `api`")] = None,
    top_k: Annotated[int, Query(ge=1, le=MAX_TOP_K)] = DEFAULT_TOP_K,
) -> KnowledgeSearchBody:
    """The passages of the knowledge base that are nearest to a query."""
    check_text(query, "query", MAX_QUERY_CHARS)
    if category is not None:
        check_text(category, "category", MAX_CATEGORY_CHARS)
    found = await parts.library.search(SearchQuery(Scope(owner, SUPPORT.collection), query, top_k, category))
    results = [PassageBody.of(passage) for passage in found.passages]
    return KnowledgeSearchBody(query=query, category=category, total_results=len(results), results=results)


@router.get("/report")
async def report(
    parts: ServicesDep,
    owner: TenantDep,
    start: Annotated[str, Query(description="date or moment, ISO 8601", examples=["2026-11-01"])],
    end: Annotated[str, Query(description="likewise; a date includes its day", examples=["2026-11-30"])],
) -> SupportReportBody:
    """Figures of the tickets that were opened from `start` to `end`."""
    return SupportReportBody.of(await parts.tickets.support_report(owner, period_of(start, end)))
