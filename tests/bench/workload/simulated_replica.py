"""An engine replica in simulated time: a modelled cache, a queue of prompts, and the real residency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployments.core.reuse.block_cache import CacheEffect
from deployments.core.reuse.eviction import EvictionOrder
from deployments.core.reuse.paths import Known, ResidencyUpdate, Step
from deployments.core.reuse.residency import Residency
from tests.bench.workload.evictions import EVICTIONS, PolicyCache
from tests.bench.workload.prompts import Prompt

MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt in the queue: its blocks as residency names them, and when its prefill ends."""

    tenant: str
    steps: Sequence[Step]
    blocks: tuple[int, ...]
    effect: CacheEffect
    hit_tokens: int
    prefilled_tokens: int
    done_at_s: float


class SimulatedReplica:
    """Prefills one prompt after the other; decoding takes no time. `clock` gives simulated seconds.

    The cache changes when a prompt enters the queue; this is right because prompts are prefilled in that
    order. Residency changes when the prefill ends, as with the engine's events.
    """

    def __init__(
        self,
        name: str,
        capacity_tokens: int | None,
        block_tokens: int,
        tokens_per_s: float,
        clock: Callable[[], float],
        eviction: Callable[[int | None], EvictionOrder] = EVICTIONS["lru"],
    ) -> None:
        blocks = None if capacity_tokens is None else capacity_tokens // block_tokens
        self.name = name
        self.prefilled_tokens = 0
        self._cache = PolicyCache(blocks, eviction)
        self._residency = Residency(name, "1", block_tokens, blocks or 2**40, clock)
        self._block_tokens = block_tokens
        self._tokens_per_s = tokens_per_s
        self._clock = clock
        self._free_at_s = 0.0

    def take(self, prompt: Prompt, steps: Sequence[Step], tenant: str = "tenant") -> Job:
        """Puts a prompt at the end of the queue."""
        blocks = tuple(block & MASK for block in prompt.chain)
        effect = self._cache.admit(blocks, prompt.reusable, prompt.partial, prompt.documents)
        hit_tokens = effect.hit_blocks * self._block_tokens
        prefilled = prompt.prompt_tokens - hit_tokens
        self.prefilled_tokens += prefilled
        self._free_at_s = max(self._free_at_s, self._clock()) + prefilled / self._tokens_per_s
        return Job(tenant, steps, blocks, effect, hit_tokens, prefilled, self._free_at_s)

    def finish(self, job: Job) -> None:
        """Tells residency the engine's events and the prompt's segments."""
        self._residency.removed(job.effect.evicted)
        self._residency.stored(job.effect.stored)
        self._residency.served(job.tenant, job.steps, job.blocks)

    def update_for(self, known: Sequence[Known], tenant: str = "tenant") -> ResidencyUpdate:
        """The update about a tenant for an agent that knows `known`."""
        own = next((one for one in known if one.replica == self.name), None)
        pending = round(max(self._free_at_s - self._clock(), 0.0) * self._tokens_per_s)
        return self._residency.update_for(tenant, own, pending)
