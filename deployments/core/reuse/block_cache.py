"""A model of vLLM's prefix cache: which blocks it holds after a sequence of requests.

Replays use it. `Residency` uses it as an estimate while KV events of an engine are missing.

The rules are those of vLLM's block pool. Only full blocks are cached. A request first takes the leading
blocks that it finds out of the order of eviction, so that its own new blocks cannot evict them. When it ends,
it puts all its blocks back, the last block first: the tail of a prompt is evicted before its head. A block
that did not become full is dropped at once. The last prompt token is always computed, so a fully cached
prompt does not reuse its last block.

Two simplifications: a request ends before the next one begins, and a block computed twice is held once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployments.core.reuse.eviction import EvictionOrder


def reusable_blocks(prompt_tokens: int, block_size: int) -> int:
    """How many leading blocks of a prompt may come from the cache: all but that of its last token."""
    return max(prompt_tokens - 1, 0) // block_size


@dataclass(frozen=True, slots=True)
class CacheEffect:
    """What one request did to the cache."""

    hit_blocks: int
    """Leading blocks that were found in the cache."""
    stored: tuple[int, ...]
    """Hashes of the blocks that were added."""
    evicted: tuple[int, ...]
    """Hashes of the blocks that were removed to make room."""


class BlockCacheModel:
    """One engine's prefix cache. A block's hash stands for its tokens and all tokens before it.

    Takes about 180 bytes a block, in addition to the hashes themselves.
    """

    def __init__(self, capacity_blocks: int | None = None) -> None:
        """`capacity_blocks` is vLLM's `num_gpu_blocks` less its one null block; None is unlimited."""
        if capacity_blocks is not None and capacity_blocks < 2:
            raise ValueError("a cache needs a block for a prompt's head and one for its end")
        self.capacity_blocks = capacity_blocks
        self._order = EvictionOrder(capacity_blocks)  # has all blocks: no request runs between two calls

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, block: int) -> bool:
        return block in self._order

    def __iter__(self) -> Iterator[int]:
        """The resident blocks, in the order of their eviction."""
        return iter(self._order)

    def leading(self, chain: Sequence[int]) -> int:
        """How many leading blocks of `chain` are resident. Does not change the order of eviction."""
        for index, block in enumerate(chain):
            if block not in self._order:
                return index
        return len(chain)

    def admit(
        self,
        chain: Sequence[int],
        reusable: int | None = None,
        partial: bool = True,
        documents: int = 0,
    ) -> CacheEffect:
        """Runs one request from its start to its end. O(len(chain)).

        `chain` has the hashes of its full blocks, prompt and output. Only the first `reusable` of them
        may be found in the cache (None: all). `partial` says whether the request also fills a part of a
        further block, which takes a place until the request ends. The first `documents` blocks are worth
        keeping (`EvictionOrder`); with 0 in all requests the cache evicts the least recently used block.
        A chain longer than the capacity is cut to fit; the engine would refuse such a request.
        """
        if self.capacity_blocks is not None:
            chain = chain[: self.capacity_blocks - partial]
        hit_blocks = self.leading(chain[:reusable])
        stored = tuple(block for block in chain[hit_blocks:] if block not in self._order)
        for block in chain:
            self._order.take(block)
        evicted = self._evict(len(chain) + partial)
        for block in chain[:documents]:
            self._order.used(block)
        for block in reversed(chain):
            self._order.put(block)
        return CacheEffect(hit_blocks, stored, evicted)

    def remove(self, blocks: Iterable[int]) -> None:
        """Removes blocks that the engine no longer holds."""
        for block in blocks:
            self._order.forget(block)

    def clear(self) -> None:
        """Removes all blocks, as a reset of the engine does."""
        self._order = EvictionOrder(self.capacity_blocks)

    def _evict(self, wanted: int) -> tuple[int, ...]:
        if self.capacity_blocks is None:
            return ()
        excess = len(self._order) + wanted - self.capacity_blocks
        return tuple(self._order.pop() for _ in range(excess))
