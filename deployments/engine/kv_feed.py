"""Follows which blocks an engine's KV cache holds, from its numbered batches of events.

Batches that are lost for ever leave a gap: some of the blocks stored before it may be gone. After a gap
the content counts as known again once as many blocks have been stored as the cache has slots. By then
nearly all blocks from before the gap are overwritten. Those that are left are known again when a request
finds them. (A block that is in two slots may be known in one of them only, and then counts as gone when that
slot is overwritten.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployments.core.reuse.residency import Residency


@dataclass(frozen=True, slots=True)
class BlocksStored:
    """Blocks were written to the cache. Prompts that run together can store a block in two slots."""

    blocks: tuple[int, ...]
    """Block hashes, one for each slot."""
    in_host: bool = False
    """Whether they were copied to host memory, which has one slot for a block."""


@dataclass(frozen=True, slots=True)
class BlocksRemoved:
    """Blocks lost one of their slots."""

    blocks: tuple[int, ...]
    """Block hashes, one for each slot."""
    in_host: bool = False
    """Whether host memory lost them."""


@dataclass(frozen=True, slots=True)
class CacheCleared:
    """All blocks are gone."""


BlockEvent = BlocksStored | BlocksRemoved | CacheCleared


class KvFeed:
    """Applies batches of events, in their order, to `residency`. Begins with a new engine, at batch 0.

    `capacity_blocks` is how many blocks the engine's cache holds.
    """

    def __init__(self, residency: Residency, capacity_blocks: int) -> None:
        self.next_number = 0
        self.evicted_blocks = 0
        """Since the engine's start, as far as its events have arrived."""
        self._residency = residency
        self._capacity_blocks = capacity_blocks
        self._slots: Counter[int] = Counter()
        self._doubtful: set[int] = set()
        self._found: set[int] = set()
        """Blocks known because a request found them. The event that stored one may still be on its way."""
        self._removed: set[int] = set()
        """Blocks removed since a gap. A request that found them ran before that."""
        self._until_known = 0
        self._silent = False

    @property
    def complete(self) -> bool:
        """Whether the blocks in the engine's cache are known."""
        return not self._silent and not self._until_known

    @property
    def is_silent(self) -> bool:
        """Whether the engine does not answer."""
        return self._silent

    def reports(self, block: int) -> bool:
        """Whether events say that the engine holds a block."""
        return block in self._slots

    def take(self, number: int, events: Iterable[BlockEvent]) -> bool:
        """Applies batch `number`, once only. Returns False if earlier batches are missing."""
        if number != self.next_number:
            return number < self.next_number
        self.next_number += 1
        self._silent = False
        for event in events:
            self._apply(event)
        self._stop_estimating_if_complete()
        return True

    def skip_to(self, number: int) -> None:
        """Gives up the batches before `number`: they are lost for ever."""
        self.next_number = number
        if not self._until_known:
            self._doubtful.clear()  # those of an earlier gap, which no request has found since
        self._doubtful.update(self._slots)
        self._slots.clear()
        self._found.clear()
        self._removed.clear()
        self._until_known = self._capacity_blocks
        self._residency.forget_host()
        self._residency.start_estimating()

    def silent(self) -> None:
        """Records that the engine does not answer, so that batches may be missing."""
        self._silent = True
        self._residency.start_estimating()

    def caught_up(self) -> None:
        """Records that the engine has published no further batches."""
        self._silent = False
        self._stop_estimating_if_complete()

    def reused(self, blocks: Sequence[int]) -> None:
        """Records that a request found these blocks in the cache. After a gap, they are known again."""
        if self._until_known or self._doubtful:
            found = [block for block in blocks if block not in self._slots and self._may_be_there(block)]
            self._slots.update(found)
            self._found.update(found)
            self._doubtful.difference_update(found)
            self._residency.stored(found)

    def _apply(self, event: BlockEvent) -> None:
        match event:
            case BlocksStored(blocks, in_host=True):
                self._residency.stored_in_host(blocks)
            case BlocksRemoved(blocks, in_host=True):
                self._residency.removed_from_host(blocks)
            case BlocksStored(blocks):
                self._slots.update(block for block in blocks if block not in self._found)
                self._found.difference_update(blocks)
                self._removed.difference_update(blocks)
                self._doubtful.difference_update(blocks)
                self._until_known = max(self._until_known - len(blocks), 0)
                self._residency.stored(blocks)
            case BlocksRemoved(blocks):
                self.evicted_blocks += len(blocks)
                self._residency.removed([block for block in blocks if self._lost_last_slot(block)])
            case CacheCleared():
                self._slots.clear()
                self._found.clear()
                self._removed.clear()
                self._doubtful.clear()
                self._until_known = 0
                self._residency.cleared()

    def _lost_last_slot(self, block: int) -> bool:
        """Takes one slot away from a block; returns whether that was its last known one."""
        if self._slots[block] > 1:
            self._slots[block] -= 1
            return False
        del self._slots[block]
        self._found.discard(block)
        self._doubtful.discard(block)
        if self._until_known:
            self._removed.add(block)
        return True

    def _may_be_there(self, block: int) -> bool:
        """Whether a block without a known slot may be in one that was filled before a gap."""
        return block in self._doubtful or (self._until_known > 0 and block not in self._removed)

    def _stop_estimating_if_complete(self) -> None:
        if self.complete and self._residency.estimated:
            self._removed.clear()
            self._residency.removed(self._doubtful)
            self._residency.stop_estimating()
