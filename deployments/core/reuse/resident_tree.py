"""What one engine replica holds for one tenant: a tree of the paths whose KV blocks are resident.

A block belongs to the path in which it ends, since its content depends on all tokens up to there. A path
counts as far as its blocks, and those before them, are there without a gap: that is what a prefix cache can
use. Paths of which nothing is resident are forgotten, so the tree is as large as the engine's cache allows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from deployments.core.reuse.paths import GONE, ROOT, Change, NodeId, SegmentId, Step, node_id

LOGGED_CHANGES = 4096
"""Whoever lags behind by more gets the whole tree."""


@dataclass(slots=True, eq=False)
class _Node:
    node: NodeId
    parent: _Node | None
    segment: SegmentId
    start: int
    """Index of its first block."""
    blocks: tuple[int, ...]
    held: int = 0
    """How many of `blocks` are resident, up to the first gap."""
    reached: bool = False
    """Whether all that stands before is resident."""
    told: int = GONE
    """The state that the last change told of."""
    children: dict[SegmentId, _Node] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return self.reached and self.held == len(self.blocks)

    @property
    def cached_blocks(self) -> int | None:
        """Resident blocks of a prompt that begins so; None where none of them is of this path.

        A path too short for a block of its own counts from when one that continues it does.
        """
        if not self.reached:
            return None
        if self.held or (not self.blocks and self.told != GONE):
            return self.start + self.held
        return None


class ResidentTree:
    """One tenant's. `is_resident` tells of a block, by its hash, whether the engine holds it now."""

    def __init__(self, block_size: int, is_resident: Callable[[int], bool]) -> None:
        self._block_size = block_size
        self._is_resident = is_resident
        self._root = _Node(ROOT, None, SegmentId(0), 0, (), reached=True)
        self._of_block: dict[int, list[_Node]] = {}
        self._log: deque[Change] = deque(maxlen=LOGGED_CHANGES)
        self.version = 0

    def __len__(self) -> int:
        """Paths held."""
        return sum(1 for _ in self._all())

    @property
    def blocks(self) -> Iterable[int]:
        """Hashes that belong to a path."""
        return self._of_block

    def learn(self, steps: Sequence[Step], hashes: Sequence[int]) -> None:
        """Takes a served prompt: its segments, and the hashes of its full blocks from the first on.

        Blocks that end behind the last segment are of no interest: no other prompt continues so.
        """
        node, end = self._root, 0
        for step in steps:
            end += step.tokens
            start = node.start + len(node.blocks)
            blocks = tuple(hashes[start : end // self._block_size])
            node = node.children.get(step.segment) or self._grow(node, step.segment, start, blocks)
            self._refresh(node)
        self._prune(node)

    def changed(self, blocks: Iterable[int]) -> None:
        """Tells that blocks have come or gone."""
        touched = {node: None for block in blocks for node in self._of_block.get(block, ())}
        for node in touched:
            self._refresh(node)
        for node in touched:  # only now: one may be pruned with what stands behind it
            self._prune(node)

    def since(self, version: int) -> list[Change] | None:
        """The changes behind `version`, oldest first; None where they are not known any more."""
        behind = self.version - version
        if not 0 <= behind <= len(self._log):
            return None
        latest_first = list(islice(reversed(self._log), behind))
        return latest_first[::-1]

    def snapshot(self) -> list[Change]:
        """The whole tree as changes, parents first."""
        return [_change(node) for node in self._all() if node.told != GONE]

    def paths(self) -> Iterator[list[int]]:
        """The blocks, from the first on, of each path that no other continues."""
        for node in self._all():
            if not node.children:
                yield _line(node)

    def _grow(self, parent: _Node, segment: SegmentId, start: int, blocks: tuple[int, ...]) -> _Node:
        child = _Node(node_id(parent.node, segment), parent, segment, start, blocks)
        parent.children[segment] = child
        for block in blocks:
            self._of_block.setdefault(block, []).append(child)
        return child

    def _refresh(self, node: _Node) -> None:
        """Counts a path's blocks anew, and those behind it where that changes what they can reach."""
        waiting = [node]
        while waiting:
            node = waiting.pop()
            before = node.complete
            node.reached = node.parent is None or node.parent.complete
            node.held = self._leading(node.blocks)
            cached = node.cached_blocks
            self._tell(node, GONE if cached is None else cached * self._block_size)
            if node.complete != before:
                waiting.extend(node.children.values())

    def _leading(self, blocks: tuple[int, ...]) -> int:
        for number, block in enumerate(blocks):
            if not self._is_resident(block):
                return number
        return len(blocks)

    def _tell(self, node: _Node, state: int) -> None:
        if state == node.told:
            return
        parent = node.parent
        if state != GONE and parent is not None and parent.parent is not None and parent.told == GONE:
            self._tell(parent, parent.start * self._block_size)  # one without blocks of its own
        node.told = state
        self.version += 1
        self._log.append(_change(node))

    def _prune(self, node: _Node) -> None:
        """Forgets a path without resident blocks or continuations, and what that leaves bare before it."""
        while (parent := node.parent) is not None and not node.held and not node.children:
            self._tell(node, GONE)
            for block in node.blocks:
                owners = self._of_block[block]
                owners.remove(node)
                if not owners:
                    del self._of_block[block]
            del parent.children[node.segment]
            node.parent = None
            node = parent

    def _all(self) -> Iterator[_Node]:
        waiting = list(self._root.children.values())
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children.values())


def _change(node: _Node) -> Change:
    parent = ROOT if node.parent is None else node.parent.node
    return Change(node.node, parent, node.segment, node.told)


def _line(node: _Node) -> list[int]:
    parts: list[tuple[int, ...]] = []
    while node.parent is not None:
        parts.append(node.blocks)
        node = node.parent
    return [block for part in reversed(parts) for block in part]
