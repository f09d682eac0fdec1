"""An agent's copy of one tenant's tree in one engine replica: the reader's side of `residency`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from deployments.core.reuse.paths import (
    GONE,
    ROOT,
    Change,
    Known,
    NodeId,
    ResidencyUpdate,
    SegmentId,
    unpack_changes,
)

SEARCHED_NODES = 512
"""Most paths that one search looks at: a tree can hold every order of the same documents."""
SPARED_TOKENS = 32
"""A search ends when a better path could save at most this many tokens more."""
LOADED_PER_TOKEN = 4
"""So many tokens that an engine loads from host memory cost as much as one that it prefills. In models of 1.5
to 8 billion parameters, a token has 28 to 128 KB of KV, which takes 1.4 to 6.4 us at 20 GB/s; its prefill
takes 6 to 32 us at 495 TFLOP/s."""


@dataclass(frozen=True, slots=True)
class ResidentPath:
    """A path that a replica holds in its cache."""

    segments: tuple[SegmentId, ...]
    """In the order in which they are cached, without the head."""
    cached_tokens: int
    """Prompt tokens that a prompt with this path need not prefill, the head's included."""
    loaded_tokens: int = 0
    """Of these, tokens that the engine has to load from host memory."""

    @property
    def saved_tokens(self) -> int:
        """`cached_tokens`, less the tokens whose prefill would take as long as loading takes."""
        return self.cached_tokens - self.loaded_tokens // LOADED_PER_TOKEN


@dataclass(slots=True, eq=False)
class _Node:
    name: NodeId
    parent: NodeId
    segment: SegmentId
    cached_to: int
    loaded: int = 0
    children: dict[SegmentId, _Node] = field(default_factory=dict)


class ReplicaView:
    """Follows one replica's updates. `pending_tokens` and `estimated` are those of the last update."""

    def __init__(self, replica: str) -> None:
        self.replica = replica
        self.pending_tokens = 0
        self.estimated = False
        self._epoch = ""
        self._version = 0
        self._nodes: dict[NodeId, _Node] = {}
        self._held: Counter[SegmentId] = Counter()
        self._clear()

    def __len__(self) -> int:
        """Resident paths."""
        return len(self._nodes) - 1

    @property
    def known(self) -> Known:
        """The version of this copy, by which the replica knows what to send."""
        return Known(self.replica, self._epoch, self._version)

    @property
    def segments(self) -> Collection[SegmentId]:
        """All segments of resident paths."""
        return self._held.keys()

    def holds(self, segment: SegmentId) -> bool:
        """Whether a resident path has this segment, after whatever others."""
        return segment in self._held

    def apply(self, update: ResidencyUpdate) -> set[SegmentId]:
        """Applies an update; returns the segments that the replica has evicted.

        Ignores an update that is older than this copy, or that starts after it.
        """
        gone: set[SegmentId] = set()
        if update.since is None:
            if update.epoch == self._epoch and update.version < self._version:
                return gone  # a later update has overtaken this one
            gone.update(self._held)
            self._clear()
        elif update.epoch != self._epoch or not update.since <= self._version <= update.version:
            return gone
        skip = 0 if update.since is None else self._version - update.since
        for number, change in enumerate(unpack_changes(update.changes)):
            if number < skip:
                continue
            if change.cached_to == GONE:
                self._remove(change.node, gone)
            else:
                self._set(change)
        self._epoch, self._version = update.epoch, update.version
        self.pending_tokens, self.estimated = update.pending_tokens, update.estimated
        return {segment for segment in gone if segment not in self._held}

    def longest_path(
        self,
        head: SegmentId,
        wanted: Sequence[SegmentId],
        wanted_tokens: int | None = None,
        searched: int = SEARCHED_NODES,
        begin: Sequence[SegmentId] = (),
    ) -> ResidentPath:
        """The resident path that saves most tokens: `head`, `begin`, then any of `wanted`, each once.

        If not all of `begin` is resident, the path ends there. The search tries `wanted` in its order.
        It ends after `searched` paths, or earlier when a path saves all of `wanted_tokens`, the length
        of all segments that may follow `begin`.
        """
        begun = tuple(begin)
        nodes = self._descend((head, *begun))
        if nodes is None:
            return self.path_along(head, begun)
        start, best = nodes[-1], begun
        cached = loaded_of_best = most = 0
        enough = GONE if wanted_tokens is None else start.cached_to + wanted_tokens - SPARED_TOKENS
        last_first = tuple(reversed(wanted))
        place_of = {segment: place for place, segment in enumerate(last_first)}
        waiting = [(start, begun, sum(node.loaded for node in nodes))]
        for _ in range(searched):
            if not waiting or most > enough:
                break
            node, before, loaded = waiting.pop()
            if (saved := node.cached_to - loaded // LOADED_PER_TOKEN) > most:
                best, cached, loaded_of_best, most = before, node.cached_to, loaded, saved
            children = node.children
            if len(children) < len(last_first):  # as most paths have, of a long prompt
                nexts = [segment for segment in children if segment in place_of]
                nexts.sort(key=place_of.__getitem__)
            else:
                nexts = [segment for segment in last_first if segment in children]
            for segment in nexts:
                if segment not in before:
                    child = children[segment]
                    waiting.append((child, (*before, segment), loaded + child.loaded))
        return ResidentPath(best, cached, loaded_of_best)

    def path_along(self, head: SegmentId, ordered: Sequence[SegmentId]) -> ResidentPath:
        """The resident part of a prompt with these segments after `head`, in this order."""
        best, length, loaded = ResidentPath((), 0), 0, 0
        node = self._nodes[ROOT].children.get(head)
        while node is not None:
            loaded += node.loaded
            if node.cached_to - loaded // LOADED_PER_TOKEN > best.saved_tokens:
                best = ResidentPath(tuple(ordered[:length]), node.cached_to, loaded)
            node = node.children.get(ordered[length]) if length < len(ordered) else None
            length += 1
        return best

    def _descend(self, segments: Sequence[SegmentId]) -> list[_Node] | None:
        """The nodes of a path; None if not all are resident."""
        node: _Node | None = self._nodes[ROOT]
        nodes = []
        for segment in segments:
            node = node.children.get(segment) if node else None
            if node is None:
                return None
            nodes.append(node)
        return nodes

    def _set(self, change: Change) -> None:
        node = self._nodes.get(change.node)
        if node is not None:
            node.cached_to, node.loaded = change.cached_to, change.loaded
        elif change.parent in self._nodes:
            node = _Node(change.node, change.parent, change.segment, change.cached_to, change.loaded)
            self._nodes[change.node] = self._nodes[change.parent].children[change.segment] = node
            self._held[change.segment] += 1

    def _remove(self, node_id: NodeId, gone: set[SegmentId]) -> None:
        """Removes a path and all that continue it. Adds their last segments to `gone`."""
        first = self._nodes.get(node_id)
        if first is None:
            return
        parent = self._nodes.get(first.parent)
        if parent is not None:
            parent.children.pop(first.segment, None)
        waiting = [first]
        while waiting:
            node = waiting.pop()
            del self._nodes[node.name]
            waiting += node.children.values()
            gone.add(node.segment)
            self._held[node.segment] -= 1
            if not self._held[node.segment]:
                del self._held[node.segment]

    def _clear(self) -> None:
        self._nodes = {ROOT: _Node(ROOT, ROOT, SegmentId(0), 0)}
        self._held.clear()
