"""What one engine replica holds for all its tenants, by its own KV events, or else by an estimate.

Events name the blocks that the engine stored and removed, by hash. The served prompts say which
segments those blocks belong to. While events are missing, a `BlockCacheModel` estimates what is
resident, beginning with what was known last; every update then has `estimated` set.

The engine may keep evicted blocks in host memory (`WARMLINE_KV_OFFLOAD_GIB`) and load them again. Of these,
only events tell.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from deployments.core.reuse.block_cache import BlockCacheModel
from deployments.core.reuse.eviction import EvictionPolicy
from deployments.core.reuse.paths import Known, ResidencyUpdate, Step, pack_changes
from deployments.core.reuse.resident_tree import ResidentTree

CONFIRM_WITHIN_S = 2.0
"""A prompt's blocks count as resident once it is prefilled; within this time an event must confirm it."""


class _Tree(NamedTuple):
    """A tenant's tree, and a name that no other tree has had."""

    epoch: str
    tree: ResidentTree


class Residency:
    """The residency of one replica: a set of block hashes, and a tree for each tenant that has some.

    A tree has only paths with resident blocks, and goes with its last path. So the engine's cache bounds all
    trees together, however many tenants there are.

    `epoch` is unique for this start of the engine. `block_size` is in tokens, `capacity_blocks` the
    size of the engine's cache, `eviction` what leaves it first; `clock` gives monotonic seconds. Hashes of
    different tenants never meet, because the salt is a part of them.
    """

    def __init__(
        self,
        replica: str,
        epoch: str,
        block_size: int,
        capacity_blocks: int,
        clock: Callable[[], float],
        *,
        eviction: EvictionPolicy = "lru",
    ) -> None:
        self._replica = replica
        self._epoch = epoch
        self._block_size = block_size
        self._capacity_blocks = capacity_blocks
        self._clock = clock
        self._keeps_documents = eviction == "documents"
        self._resident: set[int] = set()
        self._in_host: set[int] = set()
        self._unconfirmed: OrderedDict[int, float] = OrderedDict()
        self._trees: dict[str, _Tree] = {}
        self._tree_of_block: dict[int, ResidentTree] = {}
        self._salts: dict[ResidentTree, str] = {}
        self._begun = 0
        self._no_tree = self._new_tree()
        self._estimate: BlockCacheModel | None = None
        self._confirmed: set[int] = set()

    @property
    def estimated(self) -> bool:
        """Whether events are missing and a model replaces them."""
        return self._estimate is not None

    @property
    def resident_blocks(self) -> int:
        """Blocks that the engine holds in its own memory, as far as known."""
        return len(self._resident)

    def leading(self, hashes: Sequence[int]) -> int:
        """How many leading blocks of a prompt are resident, as far as known."""
        for number, block in enumerate(hashes):
            if block not in self._resident and block not in self._in_host:
                return number
        return len(hashes)

    def paths(self) -> int:
        """Number of paths in all trees."""
        return sum(len(one.tree) for one in self._trees.values())

    def served(self, salt: str, steps: Sequence[Step], hashes: Sequence[int]) -> None:
        """A prompt of the tenant with this salt was prefilled, so its full blocks are resident now."""
        if self._estimate is not None:
            effect = self._estimate.admit(hashes, documents=self._documents(steps))
            self._add(effect.stored)
            self._remove(effect.evicted)
        else:
            self._add_unconfirmed(hashes)
        tree = self._tree(salt).tree
        tree.learn(steps, hashes)
        self._drop_empty([tree])

    def stored(self, hashes: Iterable[int]) -> None:
        """Handles an event: blocks were stored. The same event may come twice."""
        added = list(hashes)
        if self._estimate is not None:
            self._confirmed.update(added)
            return
        for block in added:
            self._unconfirmed.pop(block, None)
        self._add(added)

    def removed(self, hashes: Iterable[int]) -> None:
        """Handles an event: blocks were removed."""
        gone = list(hashes)
        if self._estimate is not None:
            self._confirmed.difference_update(gone)
            self._estimate.remove(gone)
        self._remove(gone)

    def stored_in_host(self, hashes: Iterable[int]) -> None:
        """Handles an event: blocks were copied to host memory."""
        fresh = [block for block in hashes if block not in self._in_host]
        self._in_host.update(fresh)
        self._notify(fresh)

    def removed_from_host(self, hashes: Iterable[int]) -> None:
        """Handles an event: blocks were removed from host memory."""
        gone = [block for block in hashes if block in self._in_host]
        self._in_host.difference_update(gone)
        self._notify(gone)

    def forget_host(self) -> None:
        """Drops what is known of host memory, because events about it may be lost."""
        self.removed_from_host(list(self._in_host))

    def cleared(self) -> None:
        """Handles an event, or the start of a new sequence of events: nothing is resident."""
        self._resident.clear()
        self._in_host.clear()
        self._unconfirmed.clear()
        self._confirmed.clear()
        if self._estimate is not None:
            self._estimate.clear()
        self._trees.clear()
        self._tree_of_block.clear()
        self._salts.clear()

    def start_estimating(self) -> None:
        """Starts an estimate from what is known, because events are missing from now on.

        Until `stop_estimating`, events about removed blocks are applied, and blocks that events report
        as stored are only noted for later.
        """
        if self._estimate is not None:
            return
        self._confirmed = self._resident - self._unconfirmed.keys()
        self._unconfirmed.clear()
        model = BlockCacheModel(self._capacity_blocks)
        for one in self._trees.values():
            for path in one.tree.paths():
                known = [block for block in path if block in self._resident]
                model.admit(known, documents=len(known) if self._keeps_documents else 0)
        self._estimate = model
        self._remove([block for block in self._resident if block not in model])

    def stop_estimating(self) -> None:
        """Goes back to what events say: all missing ones have arrived."""
        if self._estimate is None:
            return
        confirmed, self._confirmed, self._estimate = self._confirmed, set(), None
        self._remove(self._resident - confirmed)
        self._add(confirmed)

    def update_for(self, salt: str, known: Known | None, pending_tokens: int) -> ResidencyUpdate:
        """The changes of a tenant's tree after `known`, or the whole tree where they are not known."""
        self._drop_unconfirmed()
        epoch, tree = self._trees.get(salt) or self._no_tree
        same = known is not None and (known.replica, known.epoch) == (self._replica, epoch)
        changes = tree.since(known.version) if known is not None and same else None
        return ResidencyUpdate(
            replica=self._replica,
            epoch=epoch,
            since=known.version if known is not None and changes is not None else None,
            version=tree.version,
            changes=pack_changes(tree.snapshot() if changes is None else changes),
            pending_tokens=pending_tokens,
            estimated=self.estimated,
        )

    def _documents(self, steps: Sequence[Step]) -> int:
        """How many leading blocks of a prompt with these segments the engine prefers to keep."""
        tokens = sum(step.tokens for step in steps) if self._keeps_documents else 0
        return tokens // self._block_size

    def _tree(self, salt: str) -> _Tree:
        """A tenant's tree. A new one gets a new epoch, which tells readers to start again."""
        if salt not in self._trees:
            self._begun += 1
            self._trees[salt] = one = self._new_tree()
            self._salts[one.tree] = salt
        return self._trees[salt]

    def _new_tree(self) -> _Tree:
        tree = ResidentTree(self._block_size, self._resident, self._in_host, self._tree_of_block)
        return _Tree(f"{self._epoch}.{self._begun}", tree)

    def _drop_empty(self, trees: Iterable[ResidentTree]) -> None:
        for tree in trees:
            if not len(tree):
                del self._trees[self._salts.pop(tree)]

    def _add(self, blocks: Iterable[int]) -> None:
        fresh = [block for block in blocks if block not in self._resident]
        self._resident.update(fresh)
        self._notify(fresh)

    def _remove(self, blocks: Iterable[int]) -> None:
        gone = [block for block in blocks if block in self._resident]
        self._resident.difference_update(gone)
        for block in gone:
            self._unconfirmed.pop(block, None)
        self._notify(gone)

    def _notify(self, blocks: list[int]) -> None:
        """Tells each tree of its own blocks only: with many tenants, most trees have none of them."""
        changed: dict[ResidentTree, list[int]] = {}
        for block in blocks:
            if (tree := self._tree_of_block.get(block)) is not None:
                changed.setdefault(tree, []).append(block)
        for tree, own in changed.items():
            tree.changed(own)
        self._drop_empty(changed)

    def _add_unconfirmed(self, blocks: Iterable[int]) -> None:
        self._drop_unconfirmed()
        now = self._clock()
        fresh = [block for block in blocks if block not in self._resident]
        self._unconfirmed.update((block, now) for block in fresh)
        self._add(fresh)

    def _drop_unconfirmed(self) -> None:
        """Removes blocks that no event has confirmed in time.

        An event may remove a block of a prompt before `served` adds it.
        """
        expiry = self._clock() - CONFIRM_WITHIN_S
        expired = []
        while self._unconfirmed and next(iter(self._unconfirmed.values())) < expiry:
            expired.append(self._unconfirmed.popitem(last=False)[0])
        self._remove(expired)
