"""What is measured of one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.harness.summaries import percentile


@dataclass(frozen=True, slots=True)
class Observation:
    """One arm's answer to one question."""

    arm: str
    agent: str
    kind: str
    """Whether the question is asked for the first time, repeated, or in other words."""
    question: int
    """The question's number."""
    prompt_tokens: int
    cached_tokens: int
    """Prompt tokens that the engine's cache had."""
    document_tokens: int
    document_prefilled: int
    """Document tokens that the engine computed."""
    segments: int
    segment_hits: int
    """Segments whose ids came from L1 or Redis."""
    dropped: int
    """Documents that did not fit into the prompt."""
    answer: str
    """How the answer was made, as in the ledger: `generated`, `shared` or `reused`."""
    answer_tokens: int
    engine_ms: float
    """The engine's queue and prefill."""
    ttft_ms: float
    """From the request's arrival to the first token."""
    total_ms: float
    digest: str
    """Equal for prompts with the same ids."""

    @property
    def computed_tokens(self) -> int:
        """Prompt tokens that the engine prefilled for this answer."""
        return 0 if self.answer in {"shared", "reused"} else self.prompt_tokens - self.cached_tokens


def document_prefilled(document_tokens: int, head_tokens: int, cached_tokens: int) -> int:
    """Document tokens that the cache did not have. `head_tokens` precede the documents in the prompt."""
    return document_tokens - min(max(cached_tokens - head_tokens, 0), document_tokens)


def row(seen: Sequence[Observation]) -> dict[str, Any]:
    """A row of a table over some observations. Raises ValueError if there are none."""
    segments = sum(one.segments for one in seen)
    prompt_tokens = sum(one.prompt_tokens for one in seen)
    engine, ttft = [one.engine_ms for one in seen], [one.ttft_ms for one in seen]
    cached = prompt_tokens - sum(one.computed_tokens for one in seen)
    return {
        "n": len(seen),
        "prompt_tokens": percentile([one.prompt_tokens for one in seen], 50),
        "engine_p50_ms": round(percentile(engine, 50), 1),
        "engine_p95_ms": round(percentile(engine, 95), 1),
        "ttft_p50_ms": round(percentile(ttft, 50), 1),
        "ttft_p95_ms": round(percentile(ttft, 95), 1),
        "prefilled_mean": round((prompt_tokens - cached) / len(seen), 1),
        "kv_hit": round(cached / max(prompt_tokens, 1), 3),
        "token_hit": round(sum(one.segment_hits for one in seen) / segments, 3) if segments else None,
    }
