"""An engine replica as its own event stream shows it: late, repeated, or not at all."""

from __future__ import annotations

from collections import deque

from deployments.core.reuse.block_cache import BlockCacheModel
from deployments.core.reuse.residency import Residency
from tests.unit.core.reuse.library import BLOCK, Prompt


class Clock:
    """Stands still unless moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Engine:
    """Its real contents (`cache`), the undelivered events, and the prompts not yet reported as served."""

    def __init__(self, capacity_blocks: int, replica: str = "r1", epoch: str = "e1") -> None:
        self.clock = Clock()
        self.cache = BlockCacheModel(capacity_blocks)
        self.residency = Residency(replica, epoch, BLOCK, capacity_blocks, self.clock)
        self.events: deque[tuple[str, tuple[int, ...]]] = deque()
        self.unserved: list[Prompt] = []

    def ask(self, prompt: Prompt) -> None:
        """A prompt is prefilled. As in vLLM, room is made first, and only then something stored."""
        admitted = self.cache.admit(prompt.hashes, partial=prompt.partial)
        self.events += [("removed", admitted.evicted), ("stored", admitted.stored)]
        self.unserved.append(prompt)

    def reset(self) -> None:
        """All is forgotten."""
        self.cache.clear()
        self.events.append(("cleared", ()))

    def deliver(self, count: int | None = None, times: int = 1) -> None:
        """The next events, all by default, each so many times."""
        for _ in range(len(self.events) if count is None else min(count, len(self.events))):
            kind, blocks = self.events.popleft()
            for _ in range(times):
                if kind == "cleared":
                    self.residency.cleared()
                else:
                    getattr(self.residency, kind)(blocks)

    def serve(self, index: int = 0) -> None:
        """One prompt's end is told."""
        prompt = self.unserved.pop(index)
        self.residency.served(prompt.salt, prompt.steps, prompt.hashes)

    def settle(self) -> None:
        """All is told, and nothing counts as resident that no event has confirmed."""
        self.deliver()
        while self.unserved:
            self.serve()
        self.clock.now_s += 60

    def answer(self, prompt: Prompt) -> None:
        """A prompt in quiet times."""
        self.ask(prompt)
        self.settle()

    def really_cached(self, prompt: Prompt) -> int:
        """Tokens that it would find."""
        return self.cache.leading(prompt.hashes) * BLOCK
