"""Reference orders, computed from the state of the cache itself. The application's order should be as good.

A rest rule orders the documents that follow those already placed. `longest_resident` chooses the longest
cached path, which is placed first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from deployments.core.reuse.block_cache import BlockCacheModel
from tests.bench.workload.prompts import Path, Prompts


class Earlier:
    """Earlier requests: for each passage, how many had it, and which, as a bit mask."""

    def __init__(self) -> None:
        self.uses: Counter[int] = Counter()
        self.asks: defaultdict[int, int] = defaultdict(int)
        self._count = 0

    def add(self, passages: Sequence[int]) -> None:
        """Adds a request."""
        for passage in passages:
            self.uses[passage] += 1
            self.asks[passage] |= 1 << self._count
        self._count += 1

    def all(self) -> int:
        """The bits of all requests."""
        return (1 << self._count) - 1


Rest = Callable[[Sequence[int], Sequence[int], Earlier], list[int]]
"""(documents placed, the others in rank order, earlier requests) -> the others in their order."""


def by_rank(_placed: Sequence[int], others: Sequence[int], _earlier: Earlier) -> list[int]:
    """Most relevant first."""
    return list(others)


def by_id(_placed: Sequence[int], others: Sequence[int], _earlier: Earlier) -> list[int]:
    """By number, so the same documents are always in the same order."""
    return sorted(others)


def by_popularity(_placed: Sequence[int], others: Sequence[int], earlier: Earlier) -> list[int]:
    """Most used first."""
    return sorted(others, key=lambda passage: (-earlier.uses[passage], passage))


def by_company(placed: Sequence[int], others: Sequence[int], earlier: Earlier) -> list[int]:
    """Next is the document that most earlier requests had together with all placed ones; ties by rank."""
    together, order, left = earlier.all(), list[int](), list(others)
    for passage in placed:
        together &= earlier.asks[passage]
    while left:
        most = left[0] if not (placed or order) else max(left, key=partial(_together, together, earlier))
        left.remove(most)
        order.append(most)
        together &= earlier.asks[most]
    return order


def _together(asks: int, earlier: Earlier, passage: int) -> int:
    return (asks & earlier.asks[passage]).bit_count()


def by_pairs(placed: Sequence[int], others: Sequence[int], earlier: Earlier) -> list[int]:
    """As `by_company`, but from pairs: for each placed document, the share of its requests with the next."""
    before, left = list(placed), list(others)

    def company(passage: int) -> float:
        return sum(
            _together(earlier.asks[other], earlier, passage) / (earlier.uses[other] or 1) for other in before
        )

    while left:
        before.append(max(left, key=company))  # the first of equals, which is ranked higher
        left.remove(before[-1])
    return before[len(placed) :]


RESTS: dict[str, Rest] = {
    "rank": by_rank,
    "id": by_id,
    "popularity": by_popularity,
    "company": by_company,
    "pairs": by_pairs,
}


def longest_resident(
    prompts: Prompts,
    cache: BlockCacheModel,
    documents: Sequence[int],
    first: Sequence[int] = (),
    preamble: int = 0,
) -> tuple[int, ...]:
    """The documents, in the order of the cache, that find most blocks when they follow `first`."""
    best_blocks, best = 0, tuple[int, ...]()
    start = prompts.start(preamble)
    for document in first:
        start = prompts.extended(start, document)
        if cache.leading(start.own_blocks) < len(start.own_blocks):
            return best
    waiting: list[tuple[Path, tuple[int, ...]]] = [(start, ())]
    while waiting:
        path, placed = waiting.pop()
        for document in documents:
            if document in placed:
                continue
            longer = prompts.extended(path, document)
            found = cache.leading(longer.own_blocks)
            if path.full_blocks + found > best_blocks and found:
                best_blocks, best = path.full_blocks + found, (*placed, document)
            if path.full_blocks + found == longer.full_blocks:
                waiting.append((longer, (*placed, document)))
    return best
