"""How much of everything is asked. Sizes fit the engine: what prefills four times slower is asked less."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.lengths import LENGTHS, SHORT_LENGTHS

IN_PROCESS = ("tokens", "answers", "lengths", "mixed", "bounded", "load")
OVER_HTTP = ("overhead", "questions", "peers")
PARTS = (*IN_PROCESS, *OVER_HTTP, "hops")

_ANSWER_TOKENS = 3 * 10 * 1500
"""What one question more for each agent prefills: arms, kinds, tokens."""
_MIXED_TOKENS = 2200
"""What one request more of the mixed workload prefills, by b and d."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds that the engine may prefill for a part, and bounds for what follows from that."""

    parts: tuple[str, ...]
    answers_s: float
    most_questions: int
    long_questions: int
    lengths: tuple[int, ...]
    lengths_s: float
    mixed_s: float
    most_requests: int
    bounded_s: float
    load_s: float
    overhead_times: int
    hop_s: float
    hop_rounds: int
    token_runs: int
    kv_tokens: int

    def questions(self, tokens_per_s: float) -> int:
        """Of each agent."""
        return fitting(self.answers_s * tokens_per_s, _ANSWER_TOKENS, 1, self.most_questions)

    def length_times(self, tokens_per_s: float) -> int:
        """How often each length is asked."""
        return fitting(self.lengths_s * tokens_per_s, 3 * sum(self.lengths), 1, 3)

    def requests(self, tokens_per_s: float, *, bounded: bool = False) -> int:
        """Of the mixed workload."""
        budget_s = self.bounded_s if bounded else self.mixed_s
        return fitting(budget_s * tokens_per_s, _MIXED_TOKENS, 12, self.most_requests)


def fitting(tokens: float, tokens_each: int, least: int, most: int) -> int:
    """How many of `tokens_each` there are in `tokens`, within bounds."""
    return min(max(int(tokens / tokens_each), least), most)


FULL = Plan(
    parts=PARTS,
    answers_s=360.0,
    most_questions=10,
    long_questions=2,
    lengths=LENGTHS,
    lengths_s=150.0,
    mixed_s=260.0,
    most_requests=120,
    bounded_s=160.0,
    load_s=12.0,
    overhead_times=30,
    hop_s=4.0,
    hop_rounds=3,
    token_runs=500,
    kv_tokens=300_000,
)
SHORT = Plan(
    parts=tuple(part for part in PARTS if part not in {"bounded", "load", "questions", "peers"}),
    answers_s=45.0,
    most_questions=3,
    long_questions=0,
    lengths=SHORT_LENGTHS,
    lengths_s=10.0,
    mixed_s=30.0,
    most_requests=24,
    bounded_s=0.0,
    load_s=0.0,
    overhead_times=6,
    hop_s=1.5,
    hop_rounds=1,
    token_runs=200,
    kv_tokens=80_000,
)
