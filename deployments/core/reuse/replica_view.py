"""What an agent knows of one tenant's tree in one engine replica: the reader's side of `residency`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from deployments.core.reuse.paths import (
    GONE,
    ROOT,
    Known,
    NodeId,
    ResidencyUpdate,
    SegmentId,
    unpack_changes,
)

SEARCHED_NODES = 512
"""A search looks at no more paths: a tree can hold every order of the same documents."""


@dataclass(frozen=True, slots=True)
class ResidentPath:
    """Segments in the order in which they lie in a replica's cache, and the prompt tokens that saves."""

    segments: tuple[SegmentId, ...]
    cached_tokens: int


@dataclass(slots=True)
class _Node:
    parent: NodeId
    segment: SegmentId
    cached_to: int
    children: dict[SegmentId, NodeId] = field(default_factory=dict)


class ReplicaView:
    """Follows one replica's updates. `pending_tokens` waited there to be prefilled at the last one."""

    def __init__(self, replica: str) -> None:
        self.replica = replica
        self.pending_tokens = 0
        self.estimated = False
        self._epoch = ""
        self._version = 0
        self._nodes: dict[NodeId, _Node] = {}
        self._clear()

    def __len__(self) -> int:
        """Resident paths."""
        return len(self._nodes) - 1

    @property
    def known(self) -> Known:
        """How far this has come; what the replica needs to send the rest."""
        return Known(self.replica, self._epoch, self._version)

    def apply(self, update: ResidencyUpdate) -> None:
        """Takes an update; one that is older, or leaves out what came between, changes nothing."""
        self.pending_tokens = update.pending_tokens
        self.estimated = update.estimated
        if update.since is None:
            if update.epoch == self._epoch and update.version < self._version:
                return  # asked for earlier, and overtaken
            self._clear()
        elif update.epoch != self._epoch or not update.since <= self._version <= update.version:
            return
        skip = 0 if update.since is None else self._version - update.since
        for number, change in enumerate(unpack_changes(update.changes)):
            if number >= skip:
                self._change(change.node, change.parent, change.segment, change.cached_to)
        self._epoch, self._version = update.epoch, update.version

    def longest_path(self, head: SegmentId, wanted: Collection[SegmentId]) -> ResidentPath:
        """The path that saves most: it begins with `head` and goes on with any of `wanted`, each once."""
        best = 0
        path: tuple[SegmentId, ...] = ()
        start = self._nodes[ROOT].children.get(head)
        waiting: list[tuple[NodeId, tuple[SegmentId, ...]]] = [] if start is None else [(start, ())]
        for _ in range(SEARCHED_NODES):
            if not waiting:
                break
            node_id, before = waiting.pop()
            node = self._nodes[node_id]
            if node.cached_to > best:
                best, path = node.cached_to, before
            if node.children:
                waiting.extend(
                    (node.children[segment], (*before, segment))
                    for segment in wanted
                    if segment in node.children and segment not in before
                )
        return ResidentPath(path, best)

    def path_along(self, head: SegmentId, ordered: Sequence[SegmentId]) -> ResidentPath:
        """What a prompt with its documents in this order finds resident."""
        best, length = 0, 0
        node_id = self._nodes[ROOT].children.get(head)
        for number in range(len(ordered) + 1):
            if node_id is None:
                break
            node = self._nodes[node_id]
            if node.cached_to > best:
                best, length = node.cached_to, number
            node_id = node.children.get(ordered[number]) if number < len(ordered) else None
        return ResidentPath(tuple(ordered[:length]), best)

    def _change(self, node_id: NodeId, parent: NodeId, segment: SegmentId, cached_to: int) -> None:
        if cached_to == GONE:
            self._remove(node_id)
            return
        node = self._nodes.get(node_id)
        if node is not None:
            node.cached_to = cached_to
        elif parent in self._nodes:
            self._nodes[node_id] = _Node(parent, segment, cached_to)
            self._nodes[parent].children[segment] = node_id

    def _remove(self, node_id: NodeId) -> None:
        node = self._nodes.pop(node_id, None)
        if node is None:
            return
        parent = self._nodes.get(node.parent)
        if parent is not None:
            parent.children.pop(node.segment, None)
        for child in tuple(node.children.values()):
            self._remove(child)

    def _clear(self) -> None:
        self._nodes = {ROOT: _Node(ROOT, SegmentId(0), 0)}
