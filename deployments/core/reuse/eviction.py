"""The order in which a prefix cache evicts the blocks that no request uses.

Other users ask for the same documents, but seldom for the same history, question and answer. So blocks after
the documents go first, then documents that one request used, and last those that several requests used: a
segmented LRU. Evicted documents are remembered for a while. One that is asked for again then counts as used
by several requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Literal

EvictionPolicy = Literal["documents", "lru"]

PROTECTED_SHARE = 0.8
"""How much of the cache documents of several requests may take. The rest gives new documents the time to be
used again."""

_OTHER, _ONCE, _AGAIN = range(3)
"""Standings of a block: no document, a document used by one request, a document used by several."""


class EvictionOrder:
    """The blocks that no request uses, in the order in which they are evicted. Integers name the blocks.

    When a request ends, its caller reports its documents (`used`), and then adds the blocks that no other
    request uses (`put`), the last block of the prompt first. So a block is evicted before those that come
    before it in a prompt: each request with the block has these too. Where nothing is reported as `used`,
    the order is that of vLLM: least recently used first.

    Each operation takes O(1). At most as many evicted blocks are remembered as the cache holds.
    """

    def __init__(
        self, capacity_blocks: int | None, content_of: Callable[[int], Hashable] = lambda block: block
    ) -> None:
        """`capacity_blocks` is the size of the whole cache; None is unlimited.

        `content_of` names what a block contains; the default is for blocks that are named by their content.
        """
        self._most_remembered = capacity_blocks
        self._most_again = None if capacity_blocks is None else int(capacity_blocks * PROTECTED_SHARE)
        self._content_of = content_of
        self._remembered: OrderedDict[Hashable, None] = OrderedDict()
        self._queues = tuple(OrderedDict[int, None]() for _ in (_OTHER, _ONCE, _AGAIN))
        self._standing: dict[int, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def __contains__(self, block: int) -> bool:
        return block in self._queues[self._standing.get(block, _OTHER)]

    def __iter__(self) -> Iterator[int]:
        """The blocks in the order of their eviction."""
        for queue in self._queues:
            yield from queue

    def used(self, block: int) -> None:
        """Records that one more request used this block of a document. The block must not be in the order."""
        content = self._content_of(block)
        again = block in self._standing or content in self._remembered
        self._remembered.pop(content, None)
        self._standing[block] = _AGAIN if again else _ONCE

    def put(self, block: int) -> None:
        """Adds a block that no request uses any more."""
        self._queues[self._standing.get(block, _OTHER)][block] = None
        again = self._queues[_AGAIN]
        if self._most_again is not None and len(again) > self._most_again:
            oldest, _ = again.popitem(last=False)
            self._standing[oldest] = _ONCE
            self._queues[_ONCE][oldest] = None

    def put_first(self, block: int) -> None:
        """Adds a block without content of any value: it is evicted next."""
        self._standing.pop(block, None)
        self._queues[_OTHER][block] = None
        self._queues[_OTHER].move_to_end(block, last=False)

    def take(self, block: int) -> None:
        """Removes a block that a request uses now. A block that is not in the order is left alone."""
        self._queues[self._standing.get(block, _OTHER)].pop(block, None)

    def forget(self, block: int) -> None:
        """Removes a block that has lost its content."""
        self.take(block)
        self._standing.pop(block, None)

    def pop(self) -> int:
        """Evicts a block. Raises KeyError if there is none."""
        for queue in self._queues:
            if queue:
                block, _ = queue.popitem(last=False)
                if self._standing.pop(block, _OTHER) != _OTHER:
                    self._remember(self._content_of(block))
                return block
        raise KeyError("no block can be evicted: requests use all of them")

    def _remember(self, content: Hashable) -> None:
        self._remembered[content] = None
        if self._most_remembered is not None and len(self._remembered) > self._most_remembered:
            self._remembered.popitem(last=False)
