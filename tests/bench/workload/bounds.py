"""What reuse could give, whatever the order: measured on a trace without any cache."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

from tests.bench.workload.recurring import Recurring
from tests.bench.workload.trace import Trace


def overlaps(trace: Trace, in_tokens: bool) -> list[float]:
    """For each request the largest part of its passages that one earlier request had."""
    weights = trace.tokens if in_tokens else dict.fromkeys(trace.tokens, 1)
    recurring = Recurring(weights)
    return [
        sum(weights[passage] for passage in recurring.add(ask.passages))
        / sum(weights[passage] for passage in ask.passages)
        for ask in trace.asks
    ]


def one_earlier_prompt(trace: Trace) -> float:
    """Share of document tokens that the best earlier prompt of each request had, order being free."""
    weights = [trace.tokens_of(ask.passages) for ask in trace.asks]
    found = overlaps(trace, in_tokens=True)
    return sum(w * share for w, share in zip(weights, found, strict=True)) / sum(weights)


def any_position(trace: Trace) -> float:
    """Share of document tokens that any earlier request had, wherever they stood."""
    seen: set[int] = set()
    found = whole = 0
    for ask in trace.asks:
        whole += trace.tokens_of(ask.passages)
        found += trace.tokens_of([passage for passage in ask.passages if passage in seen])
        seen.update(ask.passages)
    return found / whole


def keyed_per_document(trace: Trace) -> float:
    """Share of the passages of requests that were asked for before."""
    asked = sum(len(ask.passages) for ask in trace.asks)
    return 1 - len({passage for ask in trace.asks for passage in ask.passages}) / asked


def keyed_by_set(trace: Trace) -> float:
    """Share of requests whose whole ranked list an earlier one had."""
    return 1 - len({ask.passages for ask in trace.asks}) / len(trace.asks)


def top_shares(trace: Trace, parts: tuple[float, ...]) -> list[float]:
    """Share of the accesses that the most asked passages take, for each part of the distinct ones."""
    uses = Counter(passage for ask in trace.asks for passage in ask.passages)
    taken = [0, *accumulate(count for _, count in uses.most_common())]
    return [taken[int(len(uses) * part)] / taken[-1] for part in parts]
