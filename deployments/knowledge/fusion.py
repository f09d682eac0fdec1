"""Reciprocal rank fusion of several rankings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

RRF_K = 60
"""Of Cormack, Clarke and Büttcher (2009): how little the first places differ from the next ones."""

T = TypeVar("T")


def fuse(
    rankings: Sequence[Sequence[T]], weights: Sequence[float] | None = None, k: int = RRF_K
) -> list[tuple[T, float]]:
    """Items of all rankings with their scores, best first.

    An item scores the sum of weight / (k + rank) over the rankings it is in, ranks from 1; each ranking's
    weight is 1 unless `weights` says otherwise. Of equal scores
    the better single rank comes first, then the earlier ranking; so the order is always the same.
    """
    scores: dict[T, float] = {}
    best: dict[T, tuple[int, int]] = {}
    for number, (ranking, weight) in enumerate(zip(rankings, weights or [1.0] * len(rankings), strict=True)):
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + weight / (k + rank)
            best[item] = min(best.get(item, (rank, number)), (rank, number))
    order = sorted(scores, key=lambda item: (-scores[item], best[item]))
    return [(item, scores[item]) for item in order]
