"""The stage ledger: what an answer reused and where its time went. It can't be built inconsistent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.core.messages import CacheStats, SegmentSource

STAGES = ("retrieve", "tokens", "assemble", "route", "queue", "prefill", "decode")
"""Consecutive parts of `total`, in the order in which they happen."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """What was reused. `segments` counts document segments, each from exactly one source.

    `answer` is "generated", "no_context" when nothing was found to answer from, or, where the caller
    allows it, another request's for the very same prompt: "shared" while that was under way, "reused"
    when it was complete. `dropped` names the documents that passages were left out of for want of room.
    Raises ValueError when counts contradict each other.
    """

    segments: int
    l1: int
    redis: int
    tokenized: int
    prompt_tokens: int
    kv_cached_tokens: int
    order: str
    dropped: tuple[str, ...]
    answer: str

    def __post_init__(self) -> None:
        if self.l1 + self.redis + self.tokenized != self.segments:
            raise ValueError("sources do not add up to the segments")
        if min(self.l1, self.redis, self.tokenized) < 0:
            raise ValueError("a source can't have given less than no segment")
        if not 0 <= self.kv_cached_tokens <= self.prompt_tokens:
            raise ValueError("more tokens reused than the prompt has")

    @property
    def cache_hit(self) -> bool:
        """Every document segment came from the token cache, and there was one."""
        return self.segments > 0 and self.tokenized == 0


def timings(stages_ms: Mapping[str, float], ttft_ms: float, total_ms: float) -> dict[str, float]:
    """The answer's `timings_ms`: every stage (0 when it did not run), `ttft` and `total`, in
    milliseconds.

    Counted in whole hundredths, stages rounded down and the total up, so that rounding never makes the
    parts exceed the whole. Clocks of two processes can disagree by a tick: the stages before the first
    token are scaled into `ttft` and all of them into `total` where they would not fit. Raises KeyError
    on an unknown stage.
    """
    unknown = set(stages_ms) - set(STAGES)
    if unknown:
        raise KeyError(f"unknown stages: {sorted(unknown)}")
    total = math.ceil(_hundredths(total_ms))
    ttft = min(math.floor(_hundredths(ttft_ms)), total)
    stages = {stage: math.floor(_hundredths(stages_ms.get(stage, 0.0))) for stage in STAGES}
    decode = min(stages.pop("decode"), total - ttft)
    if (spent := sum(stages.values())) > ttft:
        stages = {stage: value * ttft // spent for stage, value in stages.items()}
    counted = stages | {"ttft": ttft, "decode": decode, "total": total}
    return {name: value / 100 for name, value in counted.items()}


def _hundredths(value_ms: float) -> float:
    # 0.29 * 100 is 28.999999999999996: a value that was rounded once must stay what it is.
    return round(max(value_ms, 0.0) * 100, 6)


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the answer, in rank order."""

    doc_id: str
    title: str
    section: str | None
    version: int
    score: float
    snippet: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An agent's answer with its ledger: one shape in every case, fallbacks included.

    `context_tokens` counts the documents' ids, `query_tokens` the question's, `total_tokens` prompt
    and answer. `cache_error` says why the cache was bypassed when `cache_available` is False.
    `prompt_ids` and `answer_ids` are little-endian 32-bit ids.
    """

    text: str
    finish_reason: str
    cache_hit: bool
    cache_available: bool
    cache_error: str | None
    latency_ms: float
    context_tokens: int
    query_tokens: int
    answer_tokens: int
    total_tokens: int
    cache_stats: CacheStats
    citations: tuple[Citation, ...]
    reuse: Reuse
    timings_ms: Mapping[str, float]
    request_id: str
    prompt_ids: bytes = b""
    answer_ids: bytes = b""


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """A question's prompt, of which nothing was generated. `ids` are little-endian 32-bit ids.

    `sources` says of each document segment, in rank order, where its ids came from. Where nothing was
    found to answer from there is no prompt: `ids` is empty. `cache_error` as in `Answer`.
    """

    ids: bytes
    citations: tuple[Citation, ...]
    context_tokens: int
    query_tokens: int
    sources: tuple[SegmentSource, ...]
    order: str
    dropped: tuple[str, ...]
    cache_error: str | None
