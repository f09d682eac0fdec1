"""Which blocks an engine holds, from its numbered events: complete, or known not to be.

A gap that can't be filled leaves open which of the blocks stored before it are still there. That is known
again when as many blocks have been stored since as the cache has: each took the place of the one unused
for longest, so nothing is left from before the gap but what requests have found there since. (Of equal blocks
in two places only one is known then, and none when the other is taken.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployments.core.reuse.residency import Residency


@dataclass(frozen=True, slots=True)
class Stored:
    """Blocks were written, one event for each place: equal prompts that run together store theirs twice."""

    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """Places were given to other blocks."""

    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """All blocks are gone."""


BlockEvent = Stored | Removed | Cleared


class KvFeed:
    """Takes batches of events in their order, and tells `residency`. `capacity_blocks` is the engine's cache.

    It begins with a new engine, whose first batch is number 0.
    """

    def __init__(self, residency: Residency, capacity_blocks: int) -> None:
        self.next_number = 0
        self._residency = residency
        self._capacity_blocks = capacity_blocks
        self._places: Counter[int] = Counter()
        self._doubtful: set[int] = set()
        self._until_known = 0
        self._silent = False

    @property
    def complete(self) -> bool:
        """Whether the blocks that the engine holds are known."""
        return not self._silent and not self._until_known

    def places(self, block: int) -> int:
        """In how many places a block lies, by the events alone."""
        return self._places[block]

    def take(self, number: int, events: Iterable[BlockEvent]) -> bool:
        """Applies a batch; False where others are missing before it. One that was taken changes nothing."""
        if number != self.next_number:
            return number < self.next_number
        self.next_number += 1
        self._silent = False
        for event in events:
            self._apply(event)
        self._tell_if_complete()
        return True

    def skip_to(self, number: int) -> None:
        """Gives up the batches before this one."""
        self.next_number = number
        self._doubtful.update(self._places)
        self._places.clear()
        self._until_known = self._capacity_blocks
        self._residency.start_estimating()

    def silent(self) -> None:
        """The engine does not tell whether there are any batches."""
        self._silent = True
        self._residency.start_estimating()

    def caught_up(self) -> None:
        """The engine says that there are no more batches."""
        self._silent = False
        self._tell_if_complete()

    def reused(self, blocks: Sequence[int]) -> None:
        """A request has found these in the cache. That tells what a gap has left open."""
        if self._until_known:
            found = [block for block in blocks if block not in self._places]
            self._places.update(found)
            self._residency.stored(found)

    def _apply(self, event: BlockEvent) -> None:
        match event:
            case Stored(blocks):
                self._places.update(blocks)
                self._until_known = max(self._until_known - len(blocks), 0)
                self._residency.stored(blocks)
            case Removed(blocks):
                self._residency.removed([block for block in blocks if self._was_last(block)])
            case Cleared():
                self._places.clear()
                self._doubtful.clear()
                self._until_known = 0
                self._residency.cleared()

    def _was_last(self, block: int) -> bool:
        """Takes away a place of a block; whether that was the last one known."""
        if self._places[block] > 1:
            self._places[block] -= 1
            return False
        del self._places[block]
        return True

    def _tell_if_complete(self) -> None:
        if self.complete and self._residency.estimated:
            self._residency.removed(self._doubtful - self._places.keys())
            self._doubtful.clear()
            self._residency.stop_estimating()
