"""A prefix cache whose requests overlap: a block that a running request uses is not evicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deployments.core.reuse.block_cache import CacheEffect
from deployments.core.reuse.eviction import EvictionOrder


class PagedCache:
    """As vLLM's: least recently used first, the last block of a prompt before its first.

    All requests that run at the same time must fit into it together.
    """

    def __init__(self, capacity_blocks: int) -> None:
        self._capacity_blocks = capacity_blocks
        self.clear()

    def __contains__(self, block: int) -> bool:
        return block in self._used or block in self._unused

    def __len__(self) -> int:
        return len(self._used) + len(self._unused)

    def __iter__(self) -> Iterator[int]:
        yield from self._used
        yield from self._unused

    def leading(self, chain: Sequence[int]) -> int:
        """How many leading blocks of a prompt are in the cache."""
        return next((number for number, block in enumerate(chain) if block not in self), len(chain))

    @contextmanager
    def running(self, chain: Sequence[int], reusable: int) -> Iterator[CacheEffect]:
        """A request with these blocks, of which the first `reusable` may come from the cache."""
        found = self.leading(chain[:reusable])
        stored = tuple(block for block in chain if block not in self)
        for block in chain:
            self._unused.take(block)
        self._used.update(chain)
        excess = max(len(self) - self._capacity_blocks, 0)
        evicted = tuple(self._unused.pop() for _ in range(excess))
        used = self._used
        try:
            yield CacheEffect(found, stored, evicted)
        finally:
            used.subtract(chain)
            for block in reversed(chain):
                if not used[block]:
                    del used[block]
                    self._put(used, block)

    def clear(self) -> None:
        """Empties it. Blocks of running requests are not cached any more."""
        self._used: Counter[int] = Counter()
        self._unused = EvictionOrder(self._capacity_blocks)

    def _put(self, used: Counter[int], block: int) -> None:
        if used is self._used:
            self._unused.put(block)
