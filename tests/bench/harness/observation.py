"""What was seen of one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.summaries import percentile


@dataclass(frozen=True, slots=True)
class Observation:
    """Of one arm's answer to one question. Times in milliseconds.

    `engine_ms` is the engine's own: queue and prefill. `ttft_ms` runs from the request's arrival to the
    first token. `document_prefilled` are the document tokens that were computed. `answer` is as in the
    ledger. `digest` tells prompts apart by their ids.
    """

    arm: str
    agent: str
    kind: str
    question: int
    prompt_tokens: int
    cached_tokens: int
    document_tokens: int
    document_prefilled: int
    segments: int
    segment_hits: int
    dropped: int
    answer: str
    answer_tokens: int
    engine_ms: float
    ttft_ms: float
    total_ms: float
    digest: str

    @property
    def computed_tokens(self) -> int:
        """Prompt tokens that the engine prefilled for it."""
        return 0 if self.answer in {"shared", "reused"} else self.prompt_tokens - self.cached_tokens


def document_prefilled(document_tokens: int, head_tokens: int, cached_tokens: int) -> int:
    """The document tokens behind what was found in the cache; documents stand behind `head_tokens`."""
    return document_tokens - min(max(cached_tokens - head_tokens, 0), document_tokens)


def row(seen: Sequence[Observation]) -> dict[str, Any]:
    """A line of a table. Raises ValueError without observations."""
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
