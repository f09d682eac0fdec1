"""Policies of eviction to compare with the application's (`EvictionOrder`), with its methods.

A heap's policy ranks a block when it is put; the least rank goes first. All rank a block at least as high as
the blocks that continue it, so no policy needs to look for leaves.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from math import log2

from deployments.core.reuse.block_cache import BlockCacheModel
from deployments.core.reuse.eviction import EvictionOrder

Rank = tuple[float, ...]


class Ranked(EvictionOrder):
    """Evicts the block of least rank. Counts uses of documents, and the time (`now`) in blocks put."""

    def __init__(self, capacity_blocks: int | None) -> None:
        super().__init__(capacity_blocks)
        self.capacity = capacity_blocks or 2**40
        self.now = 0
        self.uses: Counter[int] = Counter()
        self._ranks: dict[int, Rank] = {}
        self._heap: list[tuple[Rank, int]] = []

    def rank_of(self, block: int) -> Rank:
        """Where the block stands among those that no request uses."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._ranks)

    def __contains__(self, block: int) -> bool:
        return block in self._ranks

    def used(self, block: int) -> None:
        self.uses[block] += 1

    def put(self, block: int) -> None:
        self.now += 1
        rank = self._ranks[block] = (*self.rank_of(block), self.now)
        heappush(self._heap, (rank, block))
        if len(self._heap) > 1000 + 3 * len(self._ranks):
            self._heap = [(rank, block) for block, rank in self._ranks.items()]
            heapify(self._heap)

    def take(self, block: int) -> None:
        self._ranks.pop(block, None)

    def forget(self, block: int) -> None:
        self.take(block)
        self.uses.pop(block, None)

    def pop(self) -> int:
        while True:
            rank, block = heappop(self._heap)
            if self._ranks.get(block) == rank:
                self.forget(block)
                return block


class LeastRecentlyUsed(Ranked):
    """vLLM's own."""

    def rank_of(self, block: int) -> Rank:
        return (0,)


class TailsFirst(Ranked):
    """Least recently used, but documents after all others."""

    def rank_of(self, block: int) -> Rank:
        return (block in self.uses,)


class LogFrequency(Ranked):
    """A document that is used twice as often counts as used a turnover of the cache later."""

    def rank_of(self, block: int) -> Rank:
        uses = self.uses.get(block, 0)
        return (uses > 0, self.now + self.capacity * log2(uses)) if uses else (0,)


class Lrfu(Ranked):
    """Least recently and frequently used: a use weighs half after each turnover of the cache."""

    def __init__(self, capacity_blocks: int | None) -> None:
        super().__init__(capacity_blocks)
        self._weights: dict[int, float] = {}
        """log2 of the sum of 2^(time of use / half-life)."""

    def used(self, block: int) -> None:
        super().used(block)
        now, before = self.now / self.capacity, self._weights.get(block)
        self._weights[block] = now if before is None else now + log2(1 + 2 ** (before - now))

    def rank_of(self, block: int) -> Rank:
        weight = self._weights.get(block)
        return (0,) if weight is None else (1, weight)

    def forget(self, block: int) -> None:
        super().forget(block)
        self._weights.pop(block, None)


class S3Fifo(EvictionOrder):
    """Documents enter a small queue, and if used again the main one; both are first in, first out.

    A document that is asked for again soon after its eviction enters the main queue at once.
    """

    SMALL = 0.1

    def __init__(self, capacity_blocks: int | None) -> None:
        super().__init__(capacity_blocks)
        self._most = capacity_blocks or 2**40
        self._free: set[int] = set()
        self._tails: OrderedDict[int, None] = OrderedDict()
        self._small: deque[int] = deque()
        self._main: deque[int] = deque()
        self._again: dict[int, int] = {}
        self._gone: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._free)

    def __contains__(self, block: int) -> bool:
        return block in self._free

    def used(self, block: int) -> None:
        if block in self._again:
            self._again[block] = min(self._again[block] + 1, 3)
        else:
            self._again[block] = 0
            (self._main if block in self._gone else self._small).append(block)
            self._gone.pop(block, None)

    def put(self, block: int) -> None:
        self._free.add(block)
        if block not in self._again:
            self._tails[block] = None

    def take(self, block: int) -> None:
        self._free.discard(block)
        self._tails.pop(block, None)

    def pop(self) -> int:
        if not self._free:
            raise KeyError("no block can be evicted: requests use all of them")
        if self._tails:
            block, _ = self._tails.popitem(last=False)
        else:
            block = self._pop_document()
        self._free.discard(block)
        return block

    def _pop_document(self) -> int:
        in_use = 0  # blocks in a row that requests use: a queue that has no others gives way to the other one
        from_small = self._prefers_small()
        while True:
            queue = self._small if from_small else self._main
            if in_use >= len(queue):
                from_small, in_use = not from_small, 0
                continue
            block = queue.popleft()
            if block not in self._free:
                queue.append(block)
                in_use += 1
            elif self._again[block]:
                self._again[block] -= 1
                self._main.append(block)
                from_small, in_use = self._prefers_small(), 0
            else:
                self._forget(block, from_small)
                return block

    def _prefers_small(self) -> bool:
        return len(self._small) > self.SMALL * self._most or not self._main

    def _forget(self, block: int, from_small: bool) -> None:
        del self._again[block]
        if from_small:
            self._gone[block] = None
            if len(self._gone) > self._most:
                self._gone.popitem(last=False)


class TinyLfu(EvictionOrder):
    """Documents enter a window; its oldest enters the main part if used more often than the oldest there.

    Uses are counted exactly, evicted documents' too, and halved after each ten turnovers of the cache.
    """

    WINDOW = 0.2

    def __init__(self, capacity_blocks: int | None) -> None:
        super().__init__(capacity_blocks)
        self._most = capacity_blocks or 2**40
        self._tails, self._window, self._main = (OrderedDict[int, None]() for _ in range(3))
        self._documents: set[int] = set()
        self._in_main: set[int] = set()
        self._uses: Counter[int] = Counter()
        self._counted = 0

    def __len__(self) -> int:
        return len(self._tails) + len(self._window) + len(self._main)

    def __contains__(self, block: int) -> bool:
        return block in self._tails or block in self._window or block in self._main

    def used(self, block: int) -> None:
        self._documents.add(block)
        self._uses[block] += 1
        self._counted += 1
        if self._counted > 10 * self._most:
            self._counted //= 2
            self._uses = Counter({block: uses // 2 for block, uses in self._uses.items() if uses > 1})

    def put(self, block: int) -> None:
        queue = self._window if block in self._documents else self._tails
        (self._main if block in self._in_main else queue)[block] = None

    def take(self, block: int) -> None:
        for queue in (self._tails, self._window, self._main):
            queue.pop(block, None)

    def pop(self) -> int:
        if self._tails:
            return self._tails.popitem(last=False)[0]
        main_most = (1 - self.WINDOW) * self._most
        while len(self._main) < main_most and len(self._window) > self.WINDOW * self._most:
            self._promote(self._window.popitem(last=False)[0])
        if not self._window or not self._main:
            return self._gone((self._window or self._main).popitem(last=False)[0])
        new, old = next(iter(self._window)), next(iter(self._main))
        if self._uses[new] <= self._uses[old]:
            return self._gone(self._window.popitem(last=False)[0])
        self._promote(self._window.popitem(last=False)[0])
        return self._gone(self._main.popitem(last=False)[0])

    def _promote(self, block: int) -> None:
        self._in_main.add(block)
        self._main[block] = None

    def _gone(self, block: int) -> int:
        self._documents.discard(block)
        self._in_main.discard(block)
        return block


def clairvoyant(chains: Iterable[Sequence[int]]) -> Callable[[int | None], EvictionOrder]:
    """Knows the requests to come and evicts the block whose next use is furthest away.

    No policy finds more blocks of the same requests.
    """
    uses: defaultdict[int, deque[int]] = defaultdict(deque)
    for number, chain in enumerate(chains):
        for block in chain:
            uses[block].append(number)

    class Clairvoyant(Ranked):
        def rank_of(self, block: int) -> Rank:
            times = uses[block]
            times.popleft()
            return (-times[0] if times else float("-inf"),)

    return Clairvoyant


EVICTIONS: dict[str, Callable[[int | None], EvictionOrder]] = {
    "lru": LeastRecentlyUsed,
    "tails first": TailsFirst,
    "log frequency": LogFrequency,
    "LRFU": Lrfu,
    "S3-FIFO": S3Fifo,
    "TinyLFU": TinyLfu,
    "documents": EvictionOrder,
}


class PolicyCache(BlockCacheModel):
    """A cache with one of these policies."""

    def __init__(self, capacity_blocks: int | None, eviction: Callable[[int | None], EvictionOrder]) -> None:
        super().__init__(capacity_blocks)
        self._order = eviction(capacity_blocks)
