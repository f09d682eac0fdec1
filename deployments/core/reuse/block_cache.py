"""What vLLM's prefix cache holds after a sequence of requests, block by block, without vLLM.

It serves replays, and as the estimate of what is resident in an engine whose KV events were lost.

The rules are those of vLLM's block pool. Only full blocks are cached. A request touches the leading
blocks that it finds, so that they cannot be evicted for its own new ones, and when it ends all its blocks go
to the end of the free queue, the last block first: tails are evicted before the heads they need. What it
wrote in a block that did not become full is lost at once. The last prompt token is always computed, so
a prompt that is cached to its end loses its last block.

Two simplifications: a request ends before the next one begins, and a block computed twice is held once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice


def reusable_blocks(prompt_tokens: int, block_size: int) -> int:
    """How many leading blocks of a prompt may come from the cache: all but the one with its last token."""
    return max(prompt_tokens - 1, 0) // block_size


@dataclass(frozen=True, slots=True)
class CacheEffect:
    """What one request did: leading blocks found, hashes that are new in the cache, hashes that had to go."""

    hit_blocks: int
    stored: tuple[int, ...]
    evicted: tuple[int, ...]


class BlockCacheModel:
    """One engine's prefix cache. A block's hash stands for its tokens and all tokens before it.

    Takes about 75 bytes a block beside the hashes themselves.
    """

    def __init__(self, capacity_blocks: int | None = None) -> None:
        """`capacity_blocks` is vLLM's `num_gpu_blocks` less its one null block; None is unlimited."""
        if capacity_blocks is not None and capacity_blocks < 2:
            raise ValueError("a cache needs a block for a prompt's head and one for its end")
        self.capacity_blocks = capacity_blocks
        # In the order of eviction. Evicting takes a batch at a time: a dict's first key is found by
        # stepping over the places of all that were deleted before it.
        self._blocks: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, block: int) -> bool:
        return block in self._blocks

    def leading(self, chain: Sequence[int]) -> int:
        """How many leading blocks of `chain` are resident. Touches nothing."""
        for index, block in enumerate(chain):
            if block not in self._blocks:
                return index
        return len(chain)

    def admit(self, chain: Sequence[int], reusable: int | None = None, partial: bool = True) -> CacheEffect:
        """One request from its start to its end. O(len(chain)).

        `chain` are its full blocks, prompt and output; of these the first `reusable` may be found in
        the cache (all by default). `partial` says that a block more was begun: it needs a place too.
        A chain beyond the capacity is kept as far as it fits; the engine would have refused it.
        """
        if self.capacity_blocks is not None:
            chain = chain[: self.capacity_blocks - partial]
        hit_blocks = self.leading(chain[:reusable])
        stored = tuple(block for block in chain[hit_blocks:] if block not in self._blocks)
        for block in chain:  # they leave the queue and cannot be evicted
            self._blocks.pop(block, None)
        evicted = self._evict(len(chain) + partial)
        for block in reversed(chain):
            self._blocks[block] = None
        return CacheEffect(hit_blocks, stored, evicted)

    def remove(self, blocks: Iterable[int]) -> None:
        """Forgets what is known to have left the engine."""
        for block in blocks:
            self._blocks.pop(block, None)

    def clear(self) -> None:
        """Forgets all, as after the engine's reset."""
        self._blocks.clear()

    def _evict(self, wanted: int) -> tuple[int, ...]:
        if self.capacity_blocks is None:
            return ()
        excess = len(self._blocks) + wanted - self.capacity_blocks
        evicted = tuple(islice(self._blocks, max(excess, 0)))
        self.remove(evicted)
        return evicted
