"""The order of documents in a prompt: state in, permutation out.

A prefix cache only helps prompts that begin alike, so documents that many requests share should come
first, and always in the same order. What is most relevant goes to the model as a hint behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deployments.core.ids import SegmentKey


@dataclass(frozen=True, slots=True)
class Candidate:
    """One document segment of a request, given in rank order. `uses` counts its earlier uses."""

    key: SegmentKey
    tokens: int
    uses: int = 0


OrderPolicy = Callable[[Sequence[Candidate]], list[int]]
"""Takes candidates in rank order and returns a permutation of their indexes.

A policy that looks at more (what is resident in an engine) closes over a snapshot of it.
"""


def by_rank(candidates: Sequence[Candidate]) -> list[int]:
    """Most relevant first."""
    return list(range(len(candidates)))


def by_popularity(candidates: Sequence[Candidate]) -> list[int]:
    """Most used first, then by key.

    A question adds the same to all its documents, so repeating it never changes its order. Coarser
    counts would: those of two documents can meet in one class at one repetition and part at the next.
    """
    return sorted(range(len(candidates)), key=lambda i: (-candidates[i].uses, candidates[i].key))


POLICIES: Mapping[str, OrderPolicy] = {
    "rank": by_rank,
    "popularity": by_popularity,
    "trie": by_rank,
    "best_first": by_rank,
    "best_last": by_rank,
}
"""How the documents are ordered that are resident in no engine, by the policy's name.

"rank" and "popularity" order all documents so. The other three put the longest resident path first, in
its own order (`placing`): "trie" without exception, "best_first" after the most relevant document,
"best_last" with that document at the end. For the rest they use rank: it finds as many document tokens in a
small cache as popularity does, 1.3 points more in an unlimited one, and suits the model. README, Measured,
says what each order finds and what it costs.
"""
