"""Questions to the support agent, search in its knowledge base, and its report."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from deployments.core.errors import InvalidRequest
from deployments.core.limits import DEFAULT_TOP_K, MAX_QUERY_CHARS, MAX_TOP_K
from deployments.core.messages import Ask
from serve_app.http.answering import EVENTS, answered
from serve_app.http.answers import SupportAnswer, SupportQuestion
from serve_app.http.context import ClockDep, RequestIdDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES
from serve_app.http.support_bodies import KnowledgeSearchBody, PassageBody, SupportReportBody

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
    return await answered(parts.agents["support"], ask, body, SupportAnswer, clock)


@router.get("/search")
async def search(
    parts: ServicesDep,
    owner: TenantDep,
    query: Annotated[str, Query(min_length=1, max_length=MAX_QUERY_CHARS, examples=["reset password"])],
    category: Annotated[str | None, Query(description="a section of documents, such as `api`")] = None,
    top_k: Annotated[int, Query(ge=1, le=MAX_TOP_K)] = DEFAULT_TOP_K,
) -> KnowledgeSearchBody:
    """The passages of the knowledge base that are nearest to a query."""
    found = await parts.support.search_knowledge_base(owner, query, category, top_k)
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
    with _fields_as_here():
        return SupportReportBody.of(await parts.support.generate_support_report(owner, start, end))


@contextmanager
def _fields_as_here() -> Iterator[None]:
    """The agent's `start_date` and `end_date` are `start` and `end` here, since they may be moments."""
    try:
        yield
    except InvalidRequest as error:
        if error.param in {"start_date", "end_date"}:
            here = error.message.replace("_date", "")
            raise type(error)(here, error.param.removesuffix("_date")) from error
        raise
