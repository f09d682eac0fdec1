"""Upper bounds of reuse for any order of documents, measured on a trace without a cache."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

from tests.bench.workload.recurring import Recurring
from tests.bench.workload.trace import Trace


def overlaps(trace: Trace, in_tokens: bool) -> list[float]:
    """For each request, the largest share of its passages that one earlier request had."""
    weights = trace.tokens if in_tokens else dict.fromkeys(trace.tokens, 1)
    recurring = Recurring(weights)
    return [
        sum(weights[passage] for passage in recurring.add(ask.passages))
        / sum(weights[passage] for passage in ask.passages)
        for ask in trace.asks
    ]


def one_earlier_prompt(trace: Trace) -> float:
    """Share of document tokens that the best earlier prompt of each request had, in any order."""
    weights = [trace.tokens_of(ask.passages) for ask in trace.asks]
    found = overlaps(trace, in_tokens=True)
    return sum(w * share for w, share in zip(weights, found, strict=True)) / sum(weights)


def any_position(trace: Trace) -> float:
    """Share of document tokens that any earlier request had, at any position."""
    seen: set[int] = set()
    found = whole = 0
    for ask in trace.asks:
        whole += trace.tokens_of(ask.passages)
        found += trace.tokens_of([passage for passage in ask.passages if passage in seen])
        seen.update(ask.passages)
    return found / whole


def keyed_per_document(trace: Trace) -> float:
    """Share of the requests' passages that an earlier request had."""
    asked = sum(len(ask.passages) for ask in trace.asks)
    return 1 - len({passage for ask in trace.asks for passage in ask.passages}) / asked


def keyed_by_set(trace: Trace) -> float:
    """Share of requests with the same ranked list as an earlier one."""
    return 1 - len({ask.passages for ask in trace.asks}) / len(trace.asks)


def top_shares(trace: Trace, fractions: tuple[float, ...]) -> list[float]:
    """For each fraction of the distinct passages, the share of accesses that the most used of them get."""
    uses = Counter(passage for ask in trace.asks for passage in ask.passages)
    taken = [0, *accumulate(count for _, count in uses.most_common())]
    return [taken[int(len(uses) * fraction)] / taken[-1] for fraction in fractions]
