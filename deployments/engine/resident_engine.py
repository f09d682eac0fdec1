"""An engine that knows which segments its cache holds, and tells each caller what has changed there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.block_cache import reusable_blocks
from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.paths import Known, ResidencyUpdate, unpack_steps
from deployments.core.reuse.residency import Residency
from deployments.core.token_ids import count_in, from_bytes
from deployments.engine.admission import Admission
from deployments.engine.counters import EngineCounters
from deployments.engine.kv_feed import KvFeed
from deployments.engine.local_engine import LocalEngine


@dataclass(frozen=True, slots=True)
class ReplicaName:
    """A replica as the request router calls it, and the start of its engine, which begins a new cache."""

    replica: str
    epoch: str


class ResidentEngine:
    """Around an engine that was started for it. `clock` gives monotonic seconds.

    `hash_seed` is what the engine's chain of block hashes begins with; None is its default. `feed` is to be
    told of the engine's events, see `run_beside`.
    """

    def __init__(
        self,
        engine: LocalEngine,
        info: EngineInfo,
        name: ReplicaName,
        clock: Callable[[], float],
        hash_seed: str | None = None,
    ) -> None:
        self._engine = engine
        self._name = name
        self._block_size = info.block_size
        self._hash_seed = hash_seed
        capacity_blocks = info.kv_cache_tokens // info.block_size - 1  # vLLM keeps one that is never filled
        self._residency = Residency(name.replica, name.epoch, info.block_size, capacity_blocks, clock)
        self.feed = KvFeed(self._residency, capacity_blocks)
        self._admission = Admission(clock)
        self._beside: list[asyncio.Task[None]] = []

    def run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs this until the engine is closed, such as what tells `feed` of its events."""
        self._beside.append(asyncio.create_task(work))

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """See `Generator`. Without a layout nothing is learnt of the prompt, and nothing told.

        Raises Overloaded at once for what would have no answer in time. Its errors name the replica.
        """
        async with self._named(), aclosing(self._engine.generate(request)) as deltas:
            first, hashes = await self._first(request, deltas)
            if first is None:
                return
            if request.layout:
                self._learn(request, hashes, first.kv_cached_tokens or 0)
                first = replace(first, residency=self.survey(request.cache_salt, request.known))
            yield first
            async for delta in deltas:
                yield delta

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What this replica holds for a tenant beyond what is known of it."""
        own = next((one for one in known if one.replica == self._name.replica), None)
        return self._residency.update_for(salt, own, self._admission.pending_tokens)

    async def describe(self) -> EngineInfo:
        """See `Generator`."""
        return await self._engine.describe()

    def counters(self) -> EngineCounters:
        """The engine's counters, and those of what it holds."""
        return replace(
            self._engine.counters(),
            resident_blocks=self._residency.resident_blocks,
            resident_paths=self._residency.paths(),
            residency_estimated=self._residency.estimated,
            pending_tokens=self._admission.pending_tokens,
        )

    async def check_health(self) -> None:
        """See `LocalEngine`."""
        await self._engine.check_health()

    def close(self) -> None:
        """See `LocalEngine`."""
        for work in self._beside:
            if not work.get_loop().is_closed():
                work.cancel()
        self._engine.close()

    @asynccontextmanager
    async def _named(self) -> AsyncIterator[None]:
        """Errors say that they are this replica's: their caller does not know where it was sent."""
        try:
            yield
        except EngineUnavailable as error:
            raise EngineUnavailable(error.message, error.param, self._name.replica) from error
        except Overloaded as error:
            waiting = self._admission.pending_tokens
            raise Overloaded(error.message, error.param, self._name.replica, waiting) from error

    async def _first(
        self, request: GenerateRequest, deltas: AsyncGenerator[Delta, None]
    ) -> tuple[Delta | None, list[int]]:
        """The first delta, and the hashes of the prompt's blocks.

        They are computed while the engine works on the prompt, or before where others wait: then they decide
        whether it is admitted. Those that start at once see each other, as nothing is awaited before.
        """
        tokens = count_in(request.prompt)
        hashes = self._hashes(request) if self._admission.pending_tokens else None
        missing = tokens if hashes is None else self._missing(tokens, hashes)
        self._admission.check(missing, request.deadline_s if request.reader_s is None else request.reader_s)
        with self._admission.waiting(missing) as instead:
            first = asyncio.ensure_future(anext(deltas, None))
            try:
                await asyncio.sleep(0)  # for the engine to get the prompt
                if hashes is None:
                    hashes = self._hashes(request)
                    instead(self._missing(tokens, hashes))
                delta = await first
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)  # nobody may close `deltas` before
        if delta is not None and delta.prefill_ms is not None:
            self._admission.prefilled(tokens - (delta.kv_cached_tokens or 0), delta.prefill_ms / 1000)
        return delta, hashes

    def _hashes(self, request: GenerateRequest) -> list[int]:
        """Of its blocks; none without a layout, since nothing is learnt of such a prompt."""
        if not request.layout:
            return []
        ids = from_bytes(request.prompt)
        seed = {} if self._hash_seed is None else {"seed": self._hash_seed}
        return block_hashes(ids, self._block_size, request.cache_salt, **seed)

    def _missing(self, prompt_tokens: int, hashes: Sequence[int]) -> int:
        """The tokens that are to be prefilled for a prompt, as far as that is known."""
        found = self._residency.leading(hashes[: reusable_blocks(prompt_tokens, self._block_size)])
        return prompt_tokens - found * self._block_size

    def _learn(self, request: GenerateRequest, hashes: Sequence[int], cached_tokens: int) -> None:
        self.feed.reused(hashes[: cached_tokens // self._block_size])
        self._residency.served(request.cache_salt, unpack_steps(request.layout), hashes)
