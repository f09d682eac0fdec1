"""The orders that the documents of a prompt can have, one row each in `ORDERS`.

A prefix cache only helps prompts that begin alike, so documents that many requests share should come
first, and always in the same order. `placing.place` applies an order to the documents of one question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from deployments.core.ids import SegmentKey


@dataclass(frozen=True, slots=True)
class Candidate:
    """One document segment of a question; candidates are given in rank order."""

    key: SegmentKey
    tokens: int
    uses: int = 0
    """Earlier prompts with this segment."""


Sorting = Callable[[Sequence[Candidate]], list[int]]
"""Takes candidates in rank order and returns a permutation of their indexes."""


def by_rank(candidates: Sequence[Candidate]) -> list[int]:
    """Most relevant first."""
    return list(range(len(candidates)))


def by_popularity(candidates: Sequence[Candidate]) -> list[int]:
    """Most used first, then by key.

    A repeated question adds the same to all its documents, so repeating it never changes its order. With
    coarser counts it would: two documents could share a class at one repetition and not at the next.
    """
    return sorted(range(len(candidates)), key=lambda i: (-candidates[i].uses, candidates[i].key))


BestAt = Literal["first", "last"]
"""The fixed place of the most relevant document, whatever is resident."""


@dataclass(frozen=True, slots=True)
class Order:
    """One way to order the documents of a prompt."""

    name: str
    """In settings, and in the ledger of each answer."""
    sorting: Sorting
    """Orders the documents that neither of the two fields below places."""
    follow_resident: bool = False
    """Whether the documents on the replica's longest resident path come first, in that path's order."""
    best: BestAt | None = None
    """Where the most relevant document comes; None places it like any other."""
    counts_uses: bool = False
    """Whether `sorting` looks at `Candidate.uses`, which are counted only then."""


ORDERS: Mapping[str, Order] = {
    order.name: order
    for order in (
        Order("rank", by_rank),
        Order("popularity", by_popularity, counts_uses=True),
        Order("trie", by_rank, follow_resident=True),
        Order("best_first", by_rank, follow_resident=True, best="first"),
        Order("best_last", by_rank, follow_resident=True, best="last"),
    )
}
"""All orders by name; a new order is a new row.

Documents off the resident path are sorted by rank: in a small cache that finds as many document tokens
as popularity does, 1.3 points more in an unlimited one, and it suits the model. README, Measured, says
what each order finds and what it costs.
"""
