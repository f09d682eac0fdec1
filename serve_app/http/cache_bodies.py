"""Bodies about the token cache."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.limits import DEFAULT_TOP_K, MAX_QUERY_CHARS, MAX_TOP_K
from deployments.core.messages import CacheStats, Warmed
from serve_app.http.body import Body


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


class ClearRequest(Body):
    """Which entries to clear: one agent's, or the tenant's of all agents.

    A `pattern` confines them to the agent's documents whose ids match it.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "documentation", "pattern": "api-*"}]}
    )

    agent: str | None = None
    pattern: str | None = Field(
        None, description="a glob of document ids: `*`, `?`, `[abc]`, `[!abc]`; needs an `agent`"
    )


class ClearedBody(BaseModel):
    """How many cached segments were deleted."""

    cleared: int


_Question = Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARS)]


class WarmRequest(Body):
    """What to prefill before it is asked for: the prompts of questions, which need an `agent`, or else what
    the tenant asks most of one agent or all, in every engine replica.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "support", "questions": ["How do I reset my password?"]}]}
    )

    agent: str | None = None
    questions: list[_Question] = Field([], max_length=50)
    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MAX_TOP_K, description="passages of each question")


class WarmedBody(BaseModel):
    """Prompts that lie in the engines' caches now; of their tokens, how many were computed and found there.

    Counted in each engine replica.
    """

    prompts: int
    prefilled_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, warmed: Warmed) -> WarmedBody:
        """From the message."""
        return cls(**asdict(warmed))


class ResetRequest(Body):
    """Whose counters to start anew: one agent's, or those of all agents."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agent": "support"}]})

    agent: str | None = None


class ResetBody(BaseModel):
    """The agents whose counters were started anew."""

    reset: list[str]
