"""The figures of a published week of RAG traffic to which the generator was fitted.

The fit uses rank order only. What other orders give was not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from tests.bench.workload import bounds
from tests.bench.workload.one_cache import through_one_cache
from tests.bench.workload.trace import Trace


@dataclass(frozen=True, slots=True)
class Quantile:
    """A figure of the real week, and the range allowed for a generated week."""

    name: str
    real: float
    low: float
    high: float


QUANTILES = (
    Quantile("requests", 5641, 5641, 5641),
    Quantile("distinct passages", 3235, 3235, 3235),
    Quantile("mean passage tokens", 220, 215, 225),
    Quantile("accesses of the top 1 %", 0.178, 0.158, 0.198),
    Quantile("accesses of the top 3 %", 0.340, 0.320, 0.360),
    Quantile("accesses of the top 10 %", 0.586, 0.566, 0.606),
    Quantile("accesses of the top 20 %", 0.744, 0.724, 0.764),
    Quantile("requests sharing half", 0.840, 0.820, 0.860),
    Quantile("requests sharing all", 0.176, 0.156, 0.196),
    Quantile("rank order, unlimited cache", 0.28, 0.26, 0.30),
    Quantile("any position", 0.91, 0.89, 0.93),
    Quantile("keyed per document", 0.90, 0.82, 0.905),
    Quantile("keyed by the ranked set", 0.07, 0.02, 0.17),
    Quantile("one earlier prompt", 0.69, 0.67, 0.71),
)


def measure(trace: Trace) -> dict[str, float]:
    """These figures of a trace, by name."""
    overlaps = bounds.overlaps(trace, in_tokens=False)
    used = {passage for ask in trace.asks for passage in ask.passages}
    tops = bounds.top_shares(trace, (0.01, 0.03, 0.1, 0.2))
    return {
        "requests": len(trace.asks),
        "distinct passages": len(used),
        "mean passage tokens": mean(trace.tokens[passage] for passage in used),
        **{f"accesses of the top {part} %": top for part, top in zip((1, 3, 10, 20), tops, strict=True)},
        "requests sharing half": mean(share >= 0.5 for share in overlaps),
        "requests sharing all": mean(share == 1 for share in overlaps),
        "rank order, unlimited cache": through_one_cache(trace, "rank", trie=False).share,
        "any position": bounds.any_position(trace),
        "keyed per document": bounds.keyed_per_document(trace),
        "keyed by the ranked set": bounds.keyed_by_set(trace),
        "one earlier prompt": bounds.one_earlier_prompt(trace),
    }


def misses(measured: dict[str, float]) -> list[str]:
    """Names of the figures outside their range."""
    return [q.name for q in QUANTILES if not q.low <= measured[q.name] <= q.high]
