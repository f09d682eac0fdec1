"""What one engine replica holds, for all its tenants: learnt from its own KV events, or else estimated.

Events say which blocks came and went, by hash; the prompts that were served say which segments these are.
While the events are lost, a model of the block cache takes over, filled with what was known last, and every
update says so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from deployments.core.reuse.block_cache import BlockCacheModel
from deployments.core.reuse.paths import Known, ResidencyUpdate, Step, pack_changes
from deployments.core.reuse.resident_tree import ResidentTree

MAX_TENANTS = 256
"""Trees kept; the one not asked about for longest goes first."""
CONFIRM_WITHIN_S = 2.0
"""A prompt's blocks count as resident once it is prefilled; the engine's event has this long to follow."""


class Residency:
    """One replica's. `clock` gives monotonic seconds; `capacity_blocks` is the engine's cache.

    Blocks are names (64 bits) that all tenants share: the salt is in them.
    """

    def __init__(
        self, replica: str, epoch: str, block_size: int, capacity_blocks: int, clock: Callable[[], float]
    ) -> None:
        self._replica = replica
        self._epoch = epoch
        self._block_size = block_size
        self._capacity_blocks = capacity_blocks
        self._clock = clock
        self._resident: set[int] = set()
        self._unconfirmed: OrderedDict[int, float] = OrderedDict()
        self._trees: OrderedDict[str, tuple[str, ResidentTree]] = OrderedDict()
        self._begun = 0
        self._estimate: BlockCacheModel | None = None
        self._confirmed: set[int] = set()

    @property
    def estimated(self) -> bool:
        """Whether events are lost and a model stands in for them."""
        return self._estimate is not None

    @property
    def resident_blocks(self) -> int:
        """Blocks that the engine holds, as far as known."""
        return len(self._resident)

    def leading(self, hashes: Sequence[int]) -> int:
        """How many leading blocks of a prompt are resident, as far as known."""
        for number, block in enumerate(hashes):
            if block not in self._resident:
                return number
        return len(hashes)

    def paths(self) -> int:
        """Paths held, of all tenants."""
        return sum(len(tree) for _, tree in self._trees.values())

    def served(self, salt: str, steps: Sequence[Step], hashes: Sequence[int]) -> None:
        """A prompt has been prefilled, so its full blocks are there now."""
        if self._estimate is not None:
            effect = self._estimate.admit(hashes)
            self._come(effect.stored)
            self._go(effect.evicted)
        else:
            self._assume(hashes)
        self._tree(salt)[1].learn(steps, hashes)

    def stored(self, hashes: Iterable[int]) -> None:
        """An event: blocks are there. It may come again."""
        arrived = list(hashes)
        if self._estimate is not None:
            self._confirmed.update(arrived)
            return
        for block in arrived:
            self._unconfirmed.pop(block, None)
        self._come(arrived)

    def removed(self, hashes: Iterable[int]) -> None:
        """An event: blocks are gone."""
        gone = list(hashes)
        if self._estimate is not None:
            self._confirmed.difference_update(gone)
            self._estimate.remove(gone)
        self._go(gone)

    def cleared(self) -> None:
        """An event, or a new beginning of them: nothing is resident."""
        self._resident.clear()
        self._unconfirmed.clear()
        self._confirmed.clear()
        if self._estimate is not None:
            self._estimate.clear()
        self._trees.clear()

    def lost(self) -> None:
        """Events are missing from here on: an estimate takes over, which begins with what is known.

        Until `found`, what events say is gone goes; what they say is there is kept for then.
        """
        if self._estimate is not None:
            return
        self._confirmed = self._resident - self._unconfirmed.keys()
        self._unconfirmed.clear()
        model = BlockCacheModel(self._capacity_blocks)
        for _, tree in self._trees.values():
            for path in tree.paths():
                model.admit([block for block in path if block in self._resident])
        self._estimate = model
        self._go([block for block in self._resident if block not in model])

    def found(self) -> None:
        """Events are complete again, all that were missing included: they alone tell what is resident."""
        if self._estimate is None:
            return
        confirmed, self._confirmed, self._estimate = self._confirmed, set(), None
        self._go(self._resident - confirmed)
        self._come(confirmed)

    def update_for(self, salt: str, known: Known | None, pending_tokens: int) -> ResidencyUpdate:
        """What a reader who knows this much of a tenant's tree lacks; all of it where that is not known."""
        self._drop_unconfirmed()
        epoch, tree = self._tree(salt)
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

    def _tree(self, salt: str) -> tuple[str, ResidentTree]:
        """A tenant's tree and its epoch: one that begins anew must not seem to continue another."""
        if salt not in self._trees:
            self._begun += 1
            tree = ResidentTree(self._block_size, self._resident.__contains__)
            self._trees[salt] = (f"{self._epoch}.{self._begun}", tree)
        self._trees.move_to_end(salt)
        while len(self._trees) > MAX_TENANTS:
            self._trees.popitem(last=False)
        return self._trees[salt]

    def _come(self, blocks: Iterable[int]) -> None:
        fresh = [block for block in blocks if block not in self._resident]
        self._resident.update(fresh)
        self._tell(fresh)

    def _go(self, blocks: Iterable[int]) -> None:
        gone = [block for block in blocks if block in self._resident]
        self._resident.difference_update(gone)
        for block in gone:
            self._unconfirmed.pop(block, None)
        self._tell(gone)

    def _tell(self, blocks: list[int]) -> None:
        for _, tree in self._trees.values() if blocks else ():
            tree.changed(blocks)

    def _assume(self, blocks: Iterable[int]) -> None:
        self._drop_unconfirmed()
        now = self._clock()
        fresh = [block for block in blocks if block not in self._resident]
        self._unconfirmed.update((block, now) for block in fresh)
        self._come(fresh)

    def _drop_unconfirmed(self) -> None:
        """An event that overtook the prompt's end may have removed a block before it was assumed."""
        late = self._clock() - CONFIRM_WITHIN_S
        expired = []
        while self._unconfirmed and next(iter(self._unconfirmed.values())) < late:
            expired.append(self._unconfirmed.popitem(last=False)[0])
        self._go(expired)
