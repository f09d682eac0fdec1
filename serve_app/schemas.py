"""Bodies of the HTTP API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.ledger import Answer
from deployments.core.limits import (
    DEFAULT_TOP_K,
    MAX_ANSWER_TOKENS,
    MAX_QUERY_CHARS,
    MAX_SEED,
    MAX_TEMPERATURE,
    MAX_TOP_K,
)
from deployments.core.messages import CacheStats, Document, Ingested
from deployments.core.token_ids import from_bytes


class Body(BaseModel):
    """A request's body: a field it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class AskBody(Body):
    """What every question to an agent can say."""

    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MAX_TOP_K, description="passages to answer from")
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="0 is greedy")
    seed: int | None = Field(None, ge=-MAX_SEED, le=MAX_SEED)
    stream: bool = Field(False, description="server-sent events: `delta`s, then `ledger`, then [DONE]")
    return_token_ids: bool = Field(False, description="the prompt's and the answer's ids in the answer")


class SupportQuestion(AskBody):
    """A question to the support agent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How do I reset my password?", "max_tokens": 64}]}
    )

    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
    max_tokens: int = Field(500, ge=1, le=MAX_ANSWER_TOKENS, description="of the answer")


class CitationBody(BaseModel):
    """A document the answer was given from, in rank order."""

    doc_id: str
    title: str
    section: str | None
    version: int
    score: float
    snippet: str


class CacheStatsBody(BaseModel):
    """Counters of one agent's token cache in the whole cluster; rates in percent.

    Latencies are means from the question to its prompt's ids. What Redis holds was measured
    `measured_s_ago` seconds ago.
    """

    cache_hits: int
    cache_misses: int
    hit_rate: float
    request_hit_rate: float
    total_tokens_cached: int
    cache_size_mb: float
    avg_hit_latency_ms: float
    avg_miss_latency_ms: float
    measured_s_ago: float | None

    @classmethod
    def of(cls, stats: CacheStats) -> CacheStatsBody:
        """From the message."""
        return cls(**asdict(stats))


class ReuseBody(BaseModel):
    """What this answer reused. `segments` = `l1` + `redis` + `tokenized`, counting document segments."""

    segments: int
    l1: int
    redis: int
    tokenized: int
    prompt_tokens: int
    kv_cached_tokens: int
    order: str
    dropped: list[str]
    answer: str


class AnswerBody(BaseModel):
    """An answer with its ledger; the same shape in every case. Each agent's names its text otherwise."""

    text_field: ClassVar[str]

    finish_reason: str
    cache_hit: bool
    cache_available: bool
    cache_error: str | None
    latency_ms: float
    context_tokens: int
    query_tokens: int
    total_tokens: int
    cache_stats: CacheStatsBody
    citations: list[CitationBody]
    reuse: ReuseBody
    timings_ms: dict[str, float]
    request_id: str
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None

    @classmethod
    def of(cls, answer: Answer, with_ids: bool) -> Self:
        """From the message; `with_ids` adds the ids that were sent to the engine and came from it."""
        return cls(
            **{cls.text_field: answer.text},
            finish_reason=answer.finish_reason,
            cache_hit=answer.cache_hit,
            cache_available=answer.cache_available,
            cache_error=answer.cache_error,
            latency_ms=answer.latency_ms,
            context_tokens=answer.context_tokens,
            query_tokens=answer.query_tokens,
            total_tokens=answer.total_tokens,
            cache_stats=CacheStatsBody.of(answer.cache_stats),
            citations=[CitationBody(**asdict(citation)) for citation in answer.citations],
            reuse=ReuseBody.model_validate(answer.reuse_dict()),
            timings_ms=dict(answer.timings_ms),
            request_id=answer.request_id,
            prompt_token_ids=from_bytes(answer.prompt_ids).tolist() if with_ids else None,
            token_ids=from_bytes(answer.answer_ids).tolist() if with_ids else None,
        )


class SupportAnswer(AnswerBody):
    """The support agent's answer."""

    text_field = "response"
    response: str


class DocumentLabels(Body):
    """A document's title and section."""

    title: str = Field("", max_length=500, description="empty: taken from the content")
    section: str | None = Field(None, max_length=100)


class DocumentUpload(DocumentLabels):
    """A document as JSON; `content` is Markdown. Any other type is sent as the raw body."""

    content: str = Field(min_length=1)


class DocumentBody(BaseModel):
    """A stored document."""

    doc_id: str
    collection: str
    title: str
    section: str | None
    version: int
    chunks: int
    created_at_s: float
    updated_at_s: float
    content: str | None = None

    @classmethod
    def of(cls, document: Document, with_content: bool) -> DocumentBody:
        """From the message."""
        return cls(
            doc_id=document.doc_id,
            collection=document.scope.collection,
            title=document.title,
            section=document.section,
            version=document.version,
            chunks=document.chunks,
            created_at_s=document.created_at_s,
            updated_at_s=document.updated_at_s,
            content=document.content if with_content else None,
        )


class DocumentPage(BaseModel):
    """Documents by id; `next` is what to pass as `after` for those behind them."""

    documents: list[DocumentBody]
    next: str | None


class IngestedBody(BaseModel):
    """What storing or deleting a document did. `kept` chunks were unchanged and stay cached."""

    doc_id: str
    version: int
    chunks: int
    kept: int
    invalidated: int
    generation: int
    tokens_written: int

    @classmethod
    def of(cls, ingested: Ingested) -> IngestedBody:
        """From the message."""
        return cls(**asdict(ingested))


class ClearRequest(Body):
    """Which entries to clear: one agent's, or the tenant's of all agents."""

    agent: str | None = None


class ClearedBody(BaseModel):
    """How many cached segments were deleted."""

    cleared: int


class ErrorDetail(BaseModel):
    """OpenAI's error object."""

    message: str
    type: str
    code: str
    param: str | None


class ErrorBody(BaseModel):
    """The one body of all errors."""

    error: ErrorDetail


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request can't be used; `param` names the field"},
    401: {"model": ErrorBody, "description": "No API key, or an unknown one"},
    403: {"model": ErrorBody, "description": "The key belongs to another tenant"},
    413: {"model": ErrorBody, "description": "The body is too large"},
    429: {"model": ErrorBody, "description": "Too many requests at once"},
    503: {"model": ErrorBody, "description": "A part is not ready"},
    504: {"model": ErrorBody, "description": "The request's deadline passed"},
}
