"""What one engine replica holds for one tenant: a tree of the paths whose KV blocks are resident.

A block belongs to the path in which it ends, because its content depends on all tokens up to its end. A
path is usable up to the first block that is missing, in it or before it: a prefix cache cannot skip a
block. Paths without resident blocks are dropped, so the engine's cache bounds the size of the tree.

A block is resident in the engine's own memory, or in host memory, from which the engine loads it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice

from deployments.core.reuse.paths import GONE, ROOT, Change, NodeId, SegmentId, Step, node_id

LOGGED_CHANGES = 4096
"""Most changes that are kept. A reader that lacks more gets the whole tree."""
ALWAYS_LOGGED = 64
"""Changes that also a small tree keeps. Otherwise it keeps no more than it has paths: the whole tree would
be shorter than the changes."""


@dataclass(slots=True, eq=False)
class _Node:
    node: NodeId
    parent: _Node | None
    segment: SegmentId
    start: int
    """Index of its first block in the prompt."""
    blocks: tuple[int, ...]
    """Hashes of the blocks that end in it."""
    held: int = 0
    """How many of `blocks` are resident, up to the first gap."""
    reached: bool = False
    """Whether all blocks before its own are resident."""
    loaded: int = 0
    """How many of these only host memory holds."""
    reported: int = GONE
    """`cached_to` of the last change."""
    reported_loaded: int = 0
    """`loaded` of the last change, in tokens."""
    children: dict[SegmentId, _Node] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return self.reached and self.held == len(self.blocks)

    @property
    def cached_blocks(self) -> int | None:
        """Resident leading blocks of a prompt that begins with this path; None if the path has none.

        A path too short for a block of its own counts once a longer path through it does.
        """
        if not self.reached:
            return None
        if self.held or (not self.blocks and self.reported != GONE):
            return self.start + self.held
        return None


class ResidentTree:
    """The tree of one tenant."""

    def __init__(
        self,
        block_size: int,
        own: AbstractSet[int],
        host: AbstractSet[int],
        trees: dict[int, ResidentTree] | None = None,
    ) -> None:
        """`own` and `host` are the hashes of the blocks that the two memories hold now.

        The tree keeps itself in `trees` under each block of its paths.
        """
        self._block_size = block_size
        self._own = own
        self._host = host
        self._trees = {} if trees is None else trees
        self._paths = 0
        self._root = _Node(ROOT, None, SegmentId(0), 0, (), reached=True)
        self._of_block: dict[int, list[_Node]] = {}
        self._log: deque[Change] = deque()
        self.version = 0

    def __len__(self) -> int:
        """Number of paths."""
        return self._paths

    @property
    def blocks(self) -> Iterable[int]:
        """Hashes of all blocks that belong to a path."""
        return self._of_block

    def learn(self, steps: Sequence[Step], hashes: Sequence[int]) -> None:
        """Adds the path of a served prompt: its segments, and the hashes of its full blocks.

        Blocks that end after the last segment are ignored: no other prompt continues in the same way.
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
        """Updates the paths of blocks that the engine stored or removed."""
        touched = {node: None for block in blocks for node in self._of_block.get(block, ())}
        for node in touched:
            self._refresh(node)
        for node in touched:  # after all are refreshed: pruning a node can prune its parents
            self._prune(node)

    def since(self, version: int) -> list[Change] | None:
        """The changes after `version`, oldest first; None if the log no longer has them all."""
        count = self.version - version
        if not 0 <= count <= len(self._log):
            return None
        latest_first = list(islice(reversed(self._log), count))
        return latest_first[::-1]

    def snapshot(self) -> list[Change]:
        """The whole tree as changes, parents first."""
        return [_change(node) for node in self._all() if node.reported != GONE]

    def paths(self) -> Iterator[list[int]]:
        """The blocks of each path without continuation, from the prompt's first block on."""
        for node in self._all():
            if not node.children:
                yield _line(node)

    def _grow(self, parent: _Node, segment: SegmentId, start: int, blocks: tuple[int, ...]) -> _Node:
        child = _Node(node_id(parent.node, segment), parent, segment, start, blocks)
        parent.children[segment] = child
        self._paths += 1
        for block in blocks:
            self._of_block.setdefault(block, []).append(child)
            self._trees[block] = self
        return child

    def _refresh(self, node: _Node) -> None:
        """Counts a path's resident blocks again, and its descendants' if its completeness changed."""
        waiting = [node]
        while waiting:
            node = waiting.pop()
            before = node.complete
            node.reached = node.parent is None or node.parent.complete
            node.held = self._leading(node.blocks)
            node.loaded = self._only_in_host(node.blocks[: node.held]) if self._host else 0
            cached = node.cached_blocks
            self._report(node, GONE if cached is None else cached * self._block_size)
            if node.complete != before:
                waiting.extend(node.children.values())

    def _leading(self, blocks: tuple[int, ...]) -> int:
        for number, block in enumerate(blocks):
            if block not in self._own and block not in self._host:
                return number
        return len(blocks)

    def _only_in_host(self, blocks: tuple[int, ...]) -> int:
        return sum(block not in self._own for block in blocks)

    def _report(self, node: _Node, state: int) -> None:
        loaded = 0 if state == GONE else node.loaded * self._block_size
        if (state, loaded) == (node.reported, node.reported_loaded):
            return
        parent = node.parent
        if state != GONE and parent is not None and parent.parent is not None and parent.reported == GONE:
            self._report(parent, parent.start * self._block_size)  # a parent without blocks of its own
        node.reported, node.reported_loaded = state, loaded
        self.version += 1
        self._log.append(_change(node))
        while len(self._log) > min(max(self._paths, ALWAYS_LOGGED), LOGGED_CHANGES):
            self._log.popleft()

    def _prune(self, node: _Node) -> None:
        """Drops a path without resident blocks and children, then its parents by the same rule."""
        while (parent := node.parent) is not None and not node.held and not node.children:
            self._report(node, GONE)
            for block in node.blocks:
                owners = self._of_block[block]
                owners.remove(node)
                if not owners:
                    del self._of_block[block]
                    del self._trees[block]
            del parent.children[node.segment]
            self._paths -= 1
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
    return Change(node.node, parent, node.segment, node.reported, node.reported_loaded)


def _line(node: _Node) -> list[int]:
    parts: list[tuple[int, ...]] = []
    while node.parent is not None:
        parts.append(node.blocks)
        node = node.parent
    return [block for part in reversed(parts) for block in part]
