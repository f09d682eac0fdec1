"""Reciprocal rank fusion of several rankings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

RRF_K = 60
"""Of Cormack, Clarke and Büttcher (2009): how little the first places differ from the next ones."""

T = TypeVar("T")


def fuse(rankings: Sequence[Sequence[T]], k: int = RRF_K) -> list[tuple[T, float]]:
    """Items of all rankings with their scores, best first.

    An item scores the sum of 1 / (k + rank) over the rankings it is in, ranks from 1. Of equal scores
    the better single rank comes first, then the earlier ranking; so the order is always the same.
    """
    scores: dict[T, float] = {}
    best: dict[T, tuple[int, int]] = {}
    for number, ranking in enumerate(rankings):
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (k + rank)
            best[item] = min(best.get(item, (rank, number)), (rank, number))
    order = sorted(scores, key=lambda item: (-scores[item], best[item]))
    return [(item, scores[item]) for item in order]


def each_first(items: Sequence[T], group: Callable[[T], Hashable]) -> list[T]:
    """The first of each group, then all others, both in order."""
    seen: set[Hashable] = set()
    first: list[T] = []
    others: list[T] = []
    for item in items:
        (others if group(item) in seen else first).append(item)
        seen.add(group(item))
    return first + others
