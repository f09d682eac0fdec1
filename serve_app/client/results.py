"""What the clients' methods return, and filters that they take: the JSON objects of the HTTP API.

A time is a string in ISO 8601, in UTC. A rate is in percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

Filter: TypeAlias = Mapping[str, str | Sequence[str]]
"""Metadata of documents: a value, or several of which a document must have one, for each key."""
SegmentSource: TypeAlias = Literal["l1", "redis", "tokenized"]


class CacheStats(TypedDict):
    """Counters of the token cache for one agent of one tenant, in the whole cluster."""

    cache_hits: int  # document segments whose token ids were cached
    cache_misses: int  # document segments that were tokenized
    hit_rate: float  # of segments
    request_hit_rate: float  # of prompts whose segments were all cached
    total_tokens_cached: int | None  # in Redis; None: not measured yet
    cache_size_mb: float | None  # in Redis; None: not measured yet
    avg_hit_latency_ms: float  # from a question to the token ids of its prompt
    avg_miss_latency_ms: float
    measured_s_ago: float | None  # age of the two figures about Redis


class Citation(TypedDict):
    """A document that an answer was given from."""

    doc_id: str
    title: str
    section: str | None
    version: int
    score: float
    snippet: str
    url: str | None  # of the document
    heading: str  # path of the headings above the passage
    start: int | None  # the passage is made from the document's content[start:end]
    end: int | None


class PromptPassage(TypedDict):
    """A passage of a prompt."""

    doc_id: str
    tokens: int
    source: str  # of its token ids: l1, redis or tokenized


class MissedPassage(TypedDict):
    """A passage of which the engine had to prefill tokens."""

    passage: int  # its place in `passages`
    doc_id: str
    tokens: int  # of the passage, that were prefilled
    cause: str  # never_seen, changed, evicted, order, replica, unaligned or events_lost
    evicted_ago_s: float | None  # with the cause "evicted"


class Reuse(TypedDict):
    """What an answer reused."""

    segments: int  # document segments: the sum of the next three
    l1: int  # from the replica's own cache
    redis: int  # from the shared cache
    tokenized: int  # from neither
    prompt_tokens: int
    kv_cached_tokens: int  # prompt tokens that the engine did not prefill
    passages: list[PromptPassage]  # in the prompt's order
    missed: list[MissedPassage]  # passages of which the engine did prefill tokens
    estimated: bool  # whether the causes in `missed` rest on an estimate of what the engine holds
    order: str  # of the documents in the prompt
    dropped: list[str]  # ids of documents that did not fit
    answer: str  # "generated", "no_context", "shared" or "reused"


class Conversation(TypedDict):
    """A conversation that the application keeps. It is deleted `expires_after_s` after its last turn."""

    id: str
    object: Literal["conversation"]
    created_at: int  # Unix seconds
    metadata: dict[str, str]
    user_id: str | None
    turns: int
    last_response_id: str | None
    expires_after_s: int


class ConversationUse(TypedDict):
    """What the prompt of an answer has of its conversation."""

    conversation_id: str
    turn_id: str
    stored: bool
    turn_tokens: list[int]  # of each earlier turn that stays as it was, oldest first
    retold: int  # earlier turns that the prompt tells again as text
    stale: int  # answers left out because a document has changed
    dropped: int  # turns left out because there is no room


class Answer(TypedDict):
    """An answer with its ledger. Each agent adds the text in a field of its own."""

    finish_reason: str
    cache_hit: bool  # every document segment was cached
    cache_available: bool
    cache_error: str | None  # why the shared cache was bypassed
    latency_ms: float
    context_tokens: int  # of the documents
    query_tokens: int
    total_tokens: int  # of prompt and answer
    cache_stats: CacheStats
    citations: list[Citation]  # best first
    reuse: Reuse
    timings_ms: dict[str, float]  # by stage, with `ttft` and `total`
    request_id: str
    searched_as: str  # the question, after earlier ones if it does not stand alone
    conversation: ConversationUse | None
    prompt_token_ids: NotRequired[list[int] | None]
    token_ids: NotRequired[list[int] | None]  # of the answer


class SupportAnswer(Answer):
    """An answer of the support agent."""

    response: str


class TemplatesAnswer(Answer):
    """What business templates teach. The score of a citation is the template's success score."""

    templates: str


class DocumentationAnswer(Answer):
    """An answer of the documentation agent."""

    documentation: str


class GeneratedAnswer(Answer):
    """An answer of any agent to a free question."""

    response: str


class PromptMetadata(TypedDict):
    """What a prompt consists of."""

    citations: list[Citation]  # best first
    context_tokens: int  # of the documents
    query_tokens: int
    segments: int  # document segments
    sources: list[SegmentSource]  # of each segment's token ids, best document first
    order: str  # of the documents in the prompt
    dropped: list[str]  # ids of documents that did not fit
    cache_error: str | None  # why the shared cache was bypassed


class Template(TypedDict):
    """A stored business template."""

    template_id: str
    business_type: str
    template_data: dict[str, Any]
    success_metrics: dict[str, float]
    user_id: str | None
    version: int
    created_at: str
    updated_at: str


class Templates(TypedDict):
    """Business templates, best first."""

    templates: list[Template]


class Idea(TypedDict):
    """A generated business idea. Scores are 0 to 100."""

    idea_id: str | None  # None without memory: the idea is not stored
    name: str
    business_type: str
    description: str
    target_audience: str
    monetization_model: str
    mvp_features: list[str]
    tech_stack: list[str]
    success_metrics: dict[str, float]  # medians of similar templates: a goal, not a forecast
    revenue_score: float
    market_trend_score: float
    differentiation_score: float
    overall_score: float
    generated_at: str
    score_explanation: dict[str, str]  # by score: what it was computed from
    min_revenue_score: float
    met_threshold: bool  # `revenue_score` reached `min_revenue_score`
    attempts: int
    stopped_by: str  # "threshold", "attempts", "deadline" or "no_evidence"
    failures: dict[str, int]  # attempts without a usable idea, by reason
    learned_from: list[str]  # ids of the templates in the prompt
    reuse: Reuse
    request_id: str


class IdeaBatch(TypedDict):
    """Business ideas that differ from each other."""

    ideas: list[Idea]  # best overall score first
    missing: list[str]  # why there are fewer than asked for


class WrittenDocument(TypedDict):
    """A document that the model wrote, as it was stored."""

    doc_id: str
    title: str
    section: str | None
    version: int
    content: str
    tokens: int  # of the content
    total_tokens: int  # of prompt and content
    finish_reason: str  # "length" when the token limit cut the content off
    latency_ms: float
    reuse: Reuse
    timings_ms: dict[str, float]  # by stage, with `ttft` and `total`
    request_id: str


class StoredDocument(TypedDict):
    """What storing a document did."""

    doc_id: str
    version: int
    chunks: int
    kept: int  # unchanged chunks, which stay cached
    invalidated: int  # cached segments that no document has any more
    generation: int  # version of the collection
    tokens_written: int  # token ids that were added to the cache
    warnings: list[str]  # what of the file is not in the stored text, and what was guessed
    changed: bool  # False: an equal document was stored before


class DocumentOutcome(TypedDict):
    """What became of one document of many."""

    doc_id: str
    status: Literal["stored", "unchanged", "refused", "failed"]
    version: int | None
    chunks: int | None
    warnings: list[str]  # of a stored document; as in `StoredDocument`
    error: dict[str, Any] | None  # why it was refused, or failed and can be sent again


class DocumentHit(TypedDict):
    """A document that full text search found."""

    doc_id: str
    title: str
    heading: str
    section: str | None
    version: int
    score: float  # comparable within one search
    snippet: str
    url: str | None


class DocumentSearch(TypedDict):
    """Documents that full text search found."""

    query: str
    total_results: int
    results: list[DocumentHit]  # best first
