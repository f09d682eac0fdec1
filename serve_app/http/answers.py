"""Bodies of questions to agents and of their answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar, Self

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
from deployments.core.token_ids import from_bytes
from serve_app.http.body import Body
from serve_app.http.cache_bodies import CacheStatsBody


class AskBody(Body):
    """What every question to an agent can say."""

    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MAX_TOP_K, description="passages to answer from")
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="0 is greedy")
    seed: int | None = Field(None, ge=-MAX_SEED, le=MAX_SEED)
    share_answer: bool | None = Field(
        None, description="an equal greedy request's answer may be given again; else as configured"
    )
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

    text_field: ClassVar[str] = ""

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
        text = {cls.text_field: answer.text} if cls.text_field else {}
        return cls(
            **text,
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
