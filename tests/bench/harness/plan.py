"""How much each part asks. Sizes follow the engine's speed: a slower engine is asked less."""

from __future__ import annotations

from dataclasses import dataclass

_ANSWER_TOKENS = 3 * 10 * 1500
"""Prompt tokens that one more question for each agent adds to `answers`: agents, prompts, prompt's tokens."""
_MIXED_TOKENS = 2200
"""Prompt tokens that one more request adds to `mixed`, by arms b and d."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of all parts. Fields in seconds are how long the engine may prefill, or a load lasts."""

    answers_s: float
    """Prefill time of `answers`."""
    most_questions: int
    """Of each agent in `answers`."""
    long_questions: int
    """How many of these are also asked for 64 tokens."""
    lengths: tuple[int, ...]
    """Prompt lengths of `lengths`, in tokens."""
    lengths_s: float
    """Prefill time of `lengths`."""
    mixed_s: float
    """Prefill time of `mixed`."""
    most_requests: int
    """Of `mixed` and `bounded`."""
    bounded_s: float
    """Prefill time of `bounded`."""
    load_s: float
    """Duration of each level of `load`."""
    overhead_times: int
    """How often `overhead` asks each question."""
    hop_s: float
    """Duration of each measurement of `hops`."""
    hop_rounds: int
    """Measurements of each row of `hops`."""
    token_runs: int
    """Repetitions of each operation of `tokens`."""
    kv_tokens: int
    """Capacity of the engine's KV cache, in tokens."""

    def questions(self, tokens_per_s: float) -> int:
        """The number of questions of each agent, for an engine that prefills so many tokens a second."""
        return fitting(self.answers_s * tokens_per_s, _ANSWER_TOKENS, 1, self.most_questions)

    def length_times(self, tokens_per_s: float) -> int:
        """How often each length is asked."""
        return fitting(self.lengths_s * tokens_per_s, 3 * sum(self.lengths), 1, 3)

    def requests(self, tokens_per_s: float, *, bounded: bool = False) -> int:
        """The number of requests of the mixed workload."""
        budget_s = self.bounded_s if bounded else self.mixed_s
        return fitting(budget_s * tokens_per_s, _MIXED_TOKENS, 12, self.most_requests)


def fitting(tokens: float, tokens_each: int, least: int, most: int) -> int:
    """How many requests of `tokens_each` fit into `tokens`, at least `least` and at most `most`."""
    return min(max(int(tokens / tokens_each), least), most)


FULL = Plan(
    answers_s=360.0,
    most_questions=10,
    long_questions=2,
    lengths=(256, 512, 1024, 2048, 4096, 8000),
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
    answers_s=45.0,
    most_questions=3,
    long_questions=0,
    lengths=(256, 1024, 2048),
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
