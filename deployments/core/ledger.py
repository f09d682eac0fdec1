"""The ledger of an answer: what it reused and where its time went."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.core.cache_figures import CacheStats
from deployments.core.messages import SegmentSource

STAGES = ("retrieve", "tokens", "assemble", "route", "queue", "prefill", "decode")
"""Consecutive parts of `total`, in the order in which they happen."""


@dataclass(frozen=True, slots=True)
class PromptPassage:
    """A passage of a prompt."""

    doc_id: str
    tokens: int
    source: str
    """Where its token ids came from: "l1", "redis" or "tokenized", as counted in `Reuse`."""


@dataclass(frozen=True, slots=True)
class MissedPassage:
    """A passage of a prompt of which the engine had to prefill tokens."""

    passage: int
    """Its place in `Reuse.passages`."""
    doc_id: str
    tokens: int
    """How many of the passage's tokens were prefilled."""
    cause: str
    """Why, as far as this process knows (`reuse.misses.Cause`)."""
    evicted_ago_s: float | None
    """With the cause "evicted": seconds since this process learned of it, None if it has not; else None."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """What an answer reused. Raises ValueError if counts contradict each other."""

    segments: int
    """Document segments in the prompt. Each came from exactly one of the next three sources."""
    l1: int
    """Segments from the agent replica's own cache."""
    redis: int
    """Segments from the shared cache."""
    tokenized: int
    """Segments that were in no cache."""
    prompt_tokens: int
    kv_cached_tokens: int
    """Prompt tokens that were in the engine's KV cache."""
    order: str
    """Name of the order of documents (`reuse.ordering`)."""
    dropped: tuple[str, ...]
    """Ids of documents with passages that did not fit into the prompt."""
    answer: str
    """"generated"; "no_context" if retrieval found nothing; or, if the caller allows it, the answer of
    an equal request: "shared" if that one was still running, "reused" if it was complete."""
    passages: tuple[PromptPassage, ...] = ()
    """In the prompt's order."""
    missed: tuple[MissedPassage, ...] = ()
    """Passages that were prefilled, at least in part, in the prompt's order."""
    estimated: bool = False
    """Whether what the engine's replica holds was estimated from the prompts that it got, since it has no KV
    events. Causes in `missed` can be wrong then; `kv_cached_tokens` is the engine's own count always."""

    def __post_init__(self) -> None:
        if self.l1 + self.redis + self.tokenized != self.segments:
            raise ValueError("sources do not add up to the segments")
        if min(self.l1, self.redis, self.tokenized) < 0:
            raise ValueError("a source has a negative number of segments")
        if not 0 <= self.kv_cached_tokens <= self.prompt_tokens:
            raise ValueError("more tokens reused than the prompt has")

    @property
    def cache_hit(self) -> bool:
        """Every document segment came from the token cache, and there was one."""
        return self.segments > 0 and self.tokenized == 0


@dataclass(frozen=True, slots=True)
class ConversationUse:
    """What a prompt has of the conversation that its question belongs to."""

    conversation_id: str
    turn_id: str
    """Names this question and its answer."""
    stored: bool
    """Whether the turn was stored, so that another question can follow it."""
    turn_tokens: tuple[int, ...]
    """Prompt tokens of the earlier turns that stay as they were, answers included, oldest first; the
    preamble counts in the first."""
    retold: int
    """Earlier turns that the prompt tells again as text, because something before them has changed."""
    stale: int
    """Answers that are left out because a document that they were given from has changed."""
    dropped: int
    """Turns that are left out because there is no room for them, the oldest ones first."""


def timings(stages_ms: Mapping[str, float], ttft_ms: float, total_ms: float) -> dict[str, float]:
    """The answer's `timings_ms`: every stage (0 if it did not run), `ttft` and `total`, in milliseconds.

    Values are whole hundredths. Stages are rounded down and the total is rounded up, so that the parts
    never exceed the whole. Clocks of two processes can differ a little: if the stages before the first
    token exceed `ttft`, they are scaled down to it; decoding is cut to the rest of `total`. Raises
    KeyError on an unknown stage.
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
    # 0.29 * 100 is 28.999999999999996: a value that is already rounded must not change.
    return round(max(value_ms, 0.0) * 100, 6)


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the answer, in rank order."""

    doc_id: str
    title: str
    section: str | None
    version: int
    score: float
    """As in `Passage`."""
    snippet: str
    """Beginning of the passage."""
    url: str | None = None
    """Address of the document; None if it was stored without one."""
    heading: str = ""
    """Path of the headings above the passage, joined by " > "; "" if there are none."""
    start: int | None = None
    """The passage is made from `content[start:end]` of the document, as in `Passage`."""
    end: int | None = None
    """See `start`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An agent's answer with its ledger. Answers without generation have the same fields."""

    text: str
    finish_reason: str
    cache_hit: bool
    """`Reuse.cache_hit`."""
    cache_available: bool
    """Whether the shared token cache could be used; where it gave no ids, whether counters reached it."""
    cache_error: str | None
    """Why the shared cache was bypassed; None if `cache_available`."""
    latency_ms: float
    context_tokens: int
    """Token ids of the documents."""
    query_tokens: int
    """Token ids of the question."""
    answer_tokens: int
    total_tokens: int
    """Prompt and answer."""
    cache_stats: CacheStats
    citations: tuple[Citation, ...]
    """In rank order."""
    reuse: Reuse
    timings_ms: Mapping[str, float]
    """By stage; see `timings`."""
    request_id: str
    searched_as: str = ""
    """What was searched for: the question, or the conversation's earlier questions followed by it if it does
    not stand alone. "" if nothing was searched for, as with a business type."""
    prompt_ids: bytes = b""
    """Little-endian 32-bit ids."""
    answer_ids: bytes = b""
    """Little-endian 32-bit ids."""
    conversation: ConversationUse | None = None
    """None for a question without a conversation."""


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """The prompt of a question, without an answer."""

    ids: bytes
    """Little-endian 32-bit ids; empty if retrieval found nothing."""
    citations: tuple[Citation, ...]
    """In rank order."""
    context_tokens: int
    """As in `Answer`."""
    query_tokens: int
    """As in `Answer`."""
    sources: tuple[SegmentSource, ...]
    """Where the ids of each document segment came from, in rank order."""
    order: str
    """As in `Reuse`."""
    dropped: tuple[str, ...]
    """As in `Reuse`."""
    cache_error: str | None
    """As in `Answer`."""
