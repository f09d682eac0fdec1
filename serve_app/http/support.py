"""The support agent: questions, search in its knowledge base, and the report about its tickets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from deployments.agents.specs import SUPPORT
from deployments.core.documents import SearchQuery
from deployments.core.ids import Scope
from deployments.core.limits import DEFAULT_TOP_K, MAX_QUERY_CHARS, MAX_SECTION_CHARS, MAX_TOP_K
from deployments.core.records.support_report import Spread, SupportReport, Topic
from deployments.core.records.tickets import Priority, TicketStatus
from deployments.core.texts import check_text
from serve_app.http.answers import EVENTS, AnswerBody, AskBody, answered
from serve_app.http.body import FromCore
from serve_app.http.context import CallDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES
from serve_app.http.fields import AnswerTokens, Moment, QueryText, Seconds, SectionName
from serve_app.http.filters import OnlyDep
from serve_app.http.periods import period_of

router = APIRouter(prefix="/v1/support", tags=["support"], responses=ERROR_RESPONSES)

_MAX_MOMENT_CHARS = 100


class SupportQuestion(AskBody):
    """A question to the support agent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How do I reset my password?", "max_tokens": 64}]}
    )

    query: QueryText
    max_tokens: AnswerTokens = SUPPORT.max_tokens


class SupportAnswer(AnswerBody):
    """The support agent's answer."""

    text_field = "response"
    response: str


class PassageBody(FromCore, BaseModel):
    """A found passage. `score` is its fused rank score, `similarity` its cosine with the query."""

    doc_id: str
    title: str
    heading: str
    section: str | None
    version: int
    text: str
    score: float
    similarity: float | None
    url: str | None
    start: int | None
    end: int | None


class KnowledgeSearchBody(BaseModel):
    """What was found in the knowledge base, best first."""

    query: str
    category: str | None
    total_results: int
    results: list[PassageBody]


class PeriodBody(FromCore, BaseModel):
    """A period that begins at `start` and ends before `end`."""

    start: Moment
    end: Moment


@dataclass(frozen=True, slots=True)
class SpreadBody(FromCore, Spread):
    """Median and 95th percentile of `count` durations; null without any."""

    median_s: Seconds | None
    p95_s: Seconds | None


class SatisfactionBody(BaseModel):
    """How many ratings were given, and their mean, 1 to 5; null without any."""

    ratings: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class TopicBody(FromCore, Topic):
    """A word, and the number of tickets that have it in their issue."""


class SupportReportBody(FromCore, BaseModel):
    """Figures of the tickets that were opened in a period, as the tickets are now. Rates are percent.

    `first_response` and `resolution` are counted from a ticket's opening. Without tickets, `empty` is true
    and `note` says so.
    """

    period: PeriodBody
    generated_at: Moment
    empty: bool
    note: str | None
    tickets: int
    by_status: dict[TicketStatus, int]
    by_priority: dict[Priority, int]
    first_response: SpreadBody
    resolution: SpreadBody
    sla_breaches: int
    sla_breach_rate: float | None
    escalated: int
    escalation_rate: float | None
    reopened: int
    satisfaction: SatisfactionBody
    top_topics: list[TopicBody]

    @classmethod
    def from_report(cls, report: SupportReport) -> Self:
        """The body of a report."""
        empty = report.tickets == 0
        return cls.of(
            report,
            period=PeriodBody.of(report.period),
            generated_at=report.made_at_s,
            empty=empty,
            note="no ticket was opened in this period" if empty else None,
            satisfaction=SatisfactionBody(ratings=report.ratings, mean=report.mean_rating),
        )


@router.post("/answer", response_model=SupportAnswer, responses=EVENTS)
async def answer(body: SupportQuestion, parts: ServicesDep, call: CallDep) -> Response:
    """Answers a question from the support knowledge base, as JSON or, with `stream`, as events."""
    ask = body.ask(call, body.query)
    return await answered(parts.agents[SUPPORT.name], ask, body, SupportAnswer, call.clock)


@router.get("/search")
async def search(
    parts: ServicesDep,
    owner: TenantDep,
    *,
    query: Annotated[str, Query(min_length=1, max_length=MAX_QUERY_CHARS, examples=["reset password"])],
    only: OnlyDep,
    category: SectionName | None = None,
    top_k: Annotated[int, Query(ge=1, le=MAX_TOP_K)] = DEFAULT_TOP_K,
) -> KnowledgeSearchBody:
    """Finds the passages of the knowledge base that are nearest to a query."""
    check_text(query, "query", MAX_QUERY_CHARS)
    if category is not None:
        check_text(category, "category", MAX_SECTION_CHARS)
    wanted = SearchQuery(Scope(owner, SUPPORT.collection), query, top_k, category, only)
    found = await parts.library.search(wanted)
    results = [PassageBody.of(passage, text=passage.body) for passage in found.passages]
    return KnowledgeSearchBody(query=query, category=category, total_results=len(results), results=results)


@router.get("/report")
async def report(
    parts: ServicesDep,
    owner: TenantDep,
    start: Annotated[
        str,
        Query(max_length=_MAX_MOMENT_CHARS, description="date or time, ISO 8601", examples=["2026-11-01"]),
    ],
    end: Annotated[
        str,
        Query(
            max_length=_MAX_MOMENT_CHARS,
            description="date or time, ISO 8601; a date includes its day",
            examples=["2026-11-30"],
        ),
    ],
) -> SupportReportBody:
    """Shows figures of the tickets that were opened from `start` to `end`."""
    return SupportReportBody.from_report(await parts.tickets.support_report(owner, period_of(start, end)))
