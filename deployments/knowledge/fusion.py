"""Reciprocal rank fusion of several rankings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

RRF_K = 60
"""From Cormack, Clarke and Büttcher (2009). The larger it is, the less the first ranks stand out."""

T = TypeVar("T")


def fuse(rankings: Sequence[Sequence[T]], k: int = RRF_K) -> list[tuple[T, float]]:
    """Returns the items of all rankings with their scores, best first.

    An item's score is the sum of 1 / (k + rank) over the rankings that contain it; ranks start at 1.
    Equal scores are ordered by the best single rank, then by the earlier ranking: the order is
    deterministic.
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
    """Returns the first item of each group, then all other items; both parts keep their order."""
    seen: set[Hashable] = set()
    first: list[T] = []
    others: list[T] = []
    for item in items:
        (others if group(item) in seen else first).append(item)
        seen.add(group(item))
    return first + others


def best_of_groups(items: Sequence[T], group: Callable[[T], Hashable], top: int, further: int) -> list[T]:
    """Returns the best `top` items, the first of each group before others, then at most `further` more.

    The further ones are of the same groups. `items` are in rank order, which both parts keep.
    """
    ordered = each_first(items, group)
    best, others = ordered[:top], ordered[top:]
    groups = {group(item) for item in best}
    return best + [item for item in others if group(item) in groups][:further]
