"""Finds the documents that a request shares with the one earlier request that had most of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping


class Recurring:
    """Remembers requests. `tokens` are the weights of the documents."""

    def __init__(self, tokens: Mapping[int, int]) -> None:
        self._tokens = tokens
        self._asks: list[frozenset[int]] = []
        self._with: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, passages: tuple[int, ...]) -> tuple[int, ...]:
        """Adds a request. Returns the documents, in its order, that the best earlier request also had."""
        shared: Counter[int] = Counter()
        for passage in passages:
            for other in self._with[passage]:
                shared[other] += self._tokens[passage]
            self._with[passage].append(len(self._asks))
        best = max(shared, key=lambda other: shared[other], default=None)
        self._asks.append(frozenset(passages))
        return () if best is None else tuple(p for p in passages if p in self._asks[best])
