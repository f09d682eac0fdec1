"""Engine replicas with a modelled cache. Their residency, events and turns are the application's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.block_cache import BlockCacheModel, reusable_blocks
from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.sampling import Sampling
from deployments.core.token_ids import from_bytes, to_bytes, token_ids
from deployments.engine.config import reusable_tokens
from deployments.engine.counters import EngineCounters
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_feed import BlockEvent, BlocksRemoved, BlocksStored, CacheCleared
from deployments.engine.resident_engine import ReplicaName, ResidentEngine

BLOCK = 16
"""Tokens of a block."""
SEATS, PLACES = 20, 80


class ModelledEngine:
    """A `LocalEngine` whose prompts change a `BlockCacheModel`. Its answers have one word."""

    def __init__(self, capacity_blocks: int, publish: Callable[[list[BlockEvent]], None]) -> None:
        """`publish` gets each batch of events about the cache."""
        tokens = (capacity_blocks + 1) * BLOCK  # vLLM never fills one block
        self.info = EngineInfo("modelled", 8192, BLOCK, tokens, eviction="documents")
        self.capacity_blocks = capacity_blocks
        self.cache = BlockCacheModel(capacity_blocks)
        self._publish = publish

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Finds and stores the prompt's blocks."""
        ids = from_bytes(request.prompt)
        effect = self.cache.admit(
            block_hashes(ids, BLOCK, request.cache_salt),
            reusable_blocks(len(ids), BLOCK),
            partial=len(ids) % BLOCK > 0,
            documents=reusable_tokens(request) // BLOCK,
        )
        self._publish([BlocksRemoved(effect.evicted), BlocksStored(effect.stored)])
        cached = effect.hit_blocks * BLOCK
        yield Delta("Yes.", b"", "stop", cached, queue_ms=0.0, prefill_ms=1.0, decode_ms=0.0)

    async def describe(self) -> EngineInfo:
        """What runs here."""
        return self.info

    def counters(self) -> EngineCounters:
        """None are kept."""
        return EngineCounters()

    async def check_health(self) -> None:
        """It is well."""

    def close(self) -> None:
        """Ends nothing."""


class Replica:
    """A replica of an engine, and what can happen to it and its events."""

    def __init__(self, name: str, capacity_blocks: int, clock: Callable[[], float]) -> None:
        self.engine = ModelledEngine(capacity_blocks, self._published)
        run, turns = ReplicaName(name, f"start of {name}"), EngineTurns(SEATS, PLACES)
        self.resident = ResidentEngine(self.engine, self.engine.info, run, turns, clock)
        self.full = False
        """Whether the router gives prompts to other replicas."""
        self.waiting_tokens = 0
        """Tokens of other processes' prompts that wait here."""
        self.loses_events = False
        self.delays_events = False
        self._batches = self._fillings = 0
        self._delayed: list[tuple[int, list[BlockEvent]]] = []

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Answers. Events that were delayed arrive before the answer."""
        self.delays_events = False
        async with aclosing(self.resident.generate(request)) as deltas:
            async for delta in deltas:
                residency = None if delta.residency is None else self._loaded(delta.residency)
                yield replace(delta, residency=residency)

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """The update of a tenant's tree."""
        return self._loaded(self.resident.survey(salt, known))

    async def evict(self, blocks: int | None = None) -> None:
        """Evicts so many blocks, or all: by a prompt of which nobody says what it consists of."""
        cache, self._fillings = self.engine.cache, self._fillings + 1
        most = self.engine.capacity_blocks
        filled = most if blocks is None else min(most - len(cache) + blocks, most)
        ids = token_ids(range(self._fillings * 10**7, self._fillings * 10**7 + filled * BLOCK))
        request = GenerateRequest(RequestId("fill"), to_bytes(ids), Sampling(1, 0.0), "fill", 60.0)
        async with aclosing(self.engine.generate(request)) as deltas:
            async for _ in deltas:
                pass

    def reset(self) -> None:
        """Loses all blocks."""
        self.engine.cache.clear()
        self._published([CacheCleared()])

    def delay_events(self) -> None:
        """The engine does not answer: its events arrive with its next answer."""
        self.delays_events = True
        self.resident.feed.silent()

    def _loaded(self, update: ResidencyUpdate) -> ResidencyUpdate:
        return replace(update, pending_tokens=update.pending_tokens + self.waiting_tokens)

    def _published(self, events: list[BlockEvent]) -> None:
        feed, number = self.resident.feed, self._batches
        self._batches += 1
        if self.loses_events:
            return
        self._delayed.append((number, events))
        if self.delays_events:
            return
        for number, batch in self._delayed:
            if number > feed.next_number:
                feed.skip_to(number)
            feed.take(number, batch)
        self._delayed.clear()
        feed.caught_up()


class Replicas:
    """All replicas of an engine, as agents see them: a `Generator` and a `ResidencySource`."""

    def __init__(self, names: Iterable[str], capacity_blocks: int, clock: Callable[[], float]) -> None:
        self.by_name = {name: Replica(name, capacity_blocks, clock) for name in names}
        self.served: list[str] = []
        """The replica of each answer."""

    def __getitem__(self, name: str) -> Replica:
        return self.by_name[name]

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Answers in the first replica of the caller's choice that is not full, or else in any."""
        choice = [name for name in (*request.replicas, *self.by_name) if name not in request.avoid]
        self.served.append(next(name for name in choice if not self.by_name[name].full))
        async with aclosing(self[self.served[-1]].generate(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def describe(self) -> EngineInfo:
        """What each of them runs."""
        return next(iter(self.by_name.values())).engine.info

    async def survey(self, known: Mapping[str, Sequence[Known]]) -> Sequence[Mapping[str, ResidencyUpdate]]:
        """The updates of all tenants, by replica."""
        return [
            {salt: replica.survey(salt, of_tenant) for salt, of_tenant in known.items()}
            for replica in self.by_name.values()
        ]
