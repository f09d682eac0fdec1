"""The tables that the commands print, over several traces: a row for each policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from tests.bench.workload import bounds
from tests.bench.workload.cluster import POLICIES, Cluster, through_cluster
from tests.bench.workload.evictions import EVICTIONS
from tests.bench.workload.one_cache import through_one_cache, with_foresight
from tests.bench.workload.orders import RESTS
from tests.bench.workload.prompts import Layout
from tests.bench.workload.quantiles import QUANTILES, measure, misses
from tests.bench.workload.trace import Trace

CAPACITIES = (None, 1_000_000, 200_000)
EVICTION_CAPACITIES = (20_000, 50_000, 200_000, 1_000_000)


def fit(traces: Sequence[Trace]) -> Iterator[str]:
    """Compares the traces with the published week."""
    measured = [measure(trace) for trace in traces]
    yield f"{'':30}{'real':>10}{'range':>20}   mean (least-greatest)"
    for quantile in QUANTILES:
        show = _whole if quantile.real > 1 else _percent
        values = _spread([figures[quantile.name] for figures in measured], show)
        bounds_ = f"{show(quantile.low)}-{show(quantile.high)}"
        yield f"{quantile.name:30}{show(quantile.real):>10}{bounds_:>20}   {values}"
    for number, figures in enumerate(measured):
        yield from (f"trace {number}: {name} is out of range" for name in misses(figures))


def orders(traces: Sequence[Trace], layout: Layout) -> Iterator[str]:
    """Share of document tokens found in one cache, by reference order."""
    yield _row("% of document tokens found", [_tokens(capacity) for capacity in CAPACITIES])
    for trie in (False, True):
        for rest in RESTS:
            yield _row(f"{'trie, then ' if trie else ''}{rest}", _shares(traces, layout, rest, trie))
    yield _row("trie, then rank; prefilled ahead", _shares(traces, layout, "rank", True, ahead=True))
    for best in ("first", "last"):
        yield _row(f"trie, then rank; best {best}", _shares(traces, layout, "rank", True, best=best))
    yield _row("one earlier prompt, order free", [_spread(list(map(bounds.one_earlier_prompt, traces)))])
    yield _row("any position", [_spread(list(map(bounds.any_position, traces)))])


def _shares(traces: Sequence[Trace], layout: Layout, rest: str, trie: bool, **how: Any) -> list[str]:
    return [
        _spread(
            [
                through_one_cache(
                    trace, rest, trie=trie, capacity_tokens=capacity, layout=layout, **how
                ).share
                for trace in traces
            ]
        )
        for capacity in CAPACITIES
    ]


def clusters(traces: Sequence[Trace], cluster: Cluster, policies: Sequence[str]) -> Iterator[str]:
    """The application's own ordering and routing in a cluster."""
    yield (
        f"{cluster.replicas} replicas of {_tokens(cluster.capacity_tokens)} tokens, {cluster.agents} agents, "
        f"news {cluster.lag_s * 1000:.0f} ms late, "
        + ("at the trace's own times" if cluster.use is None else f"{cluster.use:.0%} in use without reuse")
    )
    yield _row("", ["% found", "busiest / mean", "mean wait ms", "p95 wait ms"])
    for name in policies:
        outcomes = [
            through_cluster(trace, POLICIES[name], cluster, seed) for seed, trace in enumerate(traces)
        ]
        yield _row(
            name,
            [
                _spread([outcome.share for outcome in outcomes]),
                _spread([outcome.imbalance for outcome in outcomes], _ratio),
                _spread([outcome.mean_wait_s * 1000 for outcome in outcomes], _whole),
                _spread([outcome.p95_wait_s * 1000 for outcome in outcomes], _whole),
            ],
        )


def evictions(traces: Sequence[Trace], layout: Layout) -> Iterator[str]:
    """Share of document tokens found in one cache, longest cached path first, by what the cache evicts.

    After each share comes its ratio to that of the least recently used block's eviction.
    """
    yield _row("% of document tokens found", [_tokens(capacity) for capacity in EVICTION_CAPACITIES])
    least: list[float] = []
    for name, eviction in EVICTIONS.items():
        shares = [
            [
                through_one_cache(
                    trace, "rank", trie=True, capacity_tokens=capacity, layout=layout, eviction=eviction
                ).share
                for trace in traces
            ]
            for capacity in EVICTION_CAPACITIES
        ]
        least = least or list(map(mean, shares))
        ratios = (mean(found) / lru for found, lru in zip(shares, least, strict=True))
        yield _row(name, [f"{_spread(s)} {r:.2f}" for s, r in zip(shares, ratios, strict=True)])
    yield _row(
        "knows the requests to come",
        [
            _spread([with_foresight(trace, "rank", capacity, layout) for trace in traces])
            for capacity in EVICTION_CAPACITIES
        ],
    )


def stale(traces: Sequence[Trace], cluster: Cluster, policy: str) -> Iterator[str]:
    """One policy with growing delays, and with more and more agents that each know only some updates."""
    for agents in (1, 4, 16):
        for lag_s in (0.0, 0.1, 1.0):
            yield from clusters(traces, replace(cluster, agents=agents, lag_s=lag_s), [policy])


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:34}" + "".join(f"{cell:>22}" for cell in cells)


def _tokens(capacity: int | None) -> str:
    return "unlimited" if capacity is None else f"{capacity:,}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _whole(number: float) -> str:
    return f"{number:.0f}"


def _ratio(number: float) -> str:
    return f"{number:.2f}"


def _spread(values: Sequence[float], show: Callable[[float], str] = _percent) -> str:
    """Mean, minimum and maximum."""
    if len(values) == 1:
        return show(values[0])
    return f"{show(mean(values))} ({show(min(values))}-{show(max(values))})"
