"""What answers reused during the last hour and day: sums by minute and by ten minutes."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

from deployments.core.ledger import Answer


class Span(NamedTuple):
    """How a time before now is divided."""

    step_s: int
    """Length of a step. Steps begin at multiples of it, in Unix time."""
    steps: int
    """How many there are; the last one has not ended yet."""


HOUR = Span(step_s=60, steps=60)
DAY = Span(step_s=600, steps=144)


@dataclass(frozen=True, slots=True)
class ReuseCounts:
    """Sums over answers."""

    answers: int = 0
    segments_found: int = 0
    """Document segments whose ids were cached."""
    segments_tokenized: int = 0
    """Document segments whose ids were not."""
    prompt_tokens: int = 0
    """Of the prompts that an engine prefilled."""
    kv_cached_tokens: int = 0
    """Those of them that were in the engine's KV cache."""
    ttft_ms: int = 0
    """Times to the first token, each in whole milliseconds."""

    def __add__(self, other: ReuseCounts) -> ReuseCounts:
        return ReuseCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @classmethod
    def of(cls, answer: Answer) -> ReuseCounts:
        """The counts of one answer."""
        reuse = answer.reuse
        prefilled = reuse.answer == "generated"
        return cls(
            answers=1,
            segments_found=reuse.l1 + reuse.redis,
            segments_tokenized=reuse.tokenized,
            prompt_tokens=reuse.prompt_tokens if prefilled else 0,
            kv_cached_tokens=reuse.kv_cached_tokens if prefilled else 0,
            ttft_ms=round(answer.timings_ms["ttft"]),
        )


@dataclass(frozen=True, slots=True)
class History:
    """The sums of each step of a span, oldest first."""

    step_s: int
    begin_unix_s: int
    """When the first step began, by the store's clock."""
    steps: tuple[ReuseCounts, ...]


@dataclass(frozen=True, slots=True)
class CacheHistory:
    """A scope's history, cluster-wide."""

    hour: History
    day: History
