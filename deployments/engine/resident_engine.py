"""An engine that knows which segments its KV cache holds, and reports changes with each answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from deployments.core.detached_task import cancel_from_any_thread
from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.block_cache import reusable_blocks
from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.paths import Known, ResidencyUpdate, unpack_steps
from deployments.core.reuse.residency import Residency
from deployments.core.token_ids import count_in, from_bytes
from deployments.engine.admission import Admission
from deployments.engine.counters import EngineCounters
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_feed import KvFeed
from deployments.engine.local_engine import LocalEngine


@dataclass(frozen=True, slots=True)
class ReplicaName:
    """Names an engine replica and one run of its engine."""

    replica: str
    """The replica's id, as the request router sees it."""
    epoch: str
    """A name that is new with each start of the engine, because its cache then starts empty."""


class ResidentEngine:
    """Wraps a newly started engine: adds admission, turns of tenants, residency of its KV cache, and its
    name in errors.

    `feed` has to receive the engine's KV events, from a task started with `run_in_background`.
    """

    def __init__(
        self,
        engine: LocalEngine,
        info: EngineInfo,
        name: ReplicaName,
        turns: EngineTurns,
        clock: Callable[[], float],
        *,
        hash_seed: str | None = None,
    ) -> None:
        """`clock` is monotonic, in seconds. `hash_seed` is the engine's; None is vLLM's default."""
        self._engine = engine
        self._name = name
        self._block_size = info.block_size
        self._hash_seed = hash_seed
        capacity_blocks = info.kv_cache_tokens // info.block_size - 1  # vLLM never fills one
        self._residency = Residency(
            name.replica, name.epoch, info.block_size, capacity_blocks, clock, eviction=info.eviction
        )
        self.feed = KvFeed(self._residency, capacity_blocks)
        self._admission = Admission(clock)
        self._turns = turns
        self._admitted = self._refused = 0
        self._background: list[asyncio.Task[None]] = []

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work` as a task until the engine is closed."""
        self._background.append(asyncio.create_task(work))
        return self._background[-1]

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. The first delta of a request with a layout reports the cache's changes.

        Raises Overloaded at once if the request would miss its deadline, and what the engine raises.
        Errors name the replica.
        """
        async with self._errors_with_name(), aclosing(self._in_turn(request)) as deltas:
            first, hashes = await self._first_delta(request, deltas)
            if first is None:
                return
            self._admitted += 1
            self._record_found(hashes, first)
            if request.layout:
                self._residency.served(request.cache_salt, unpack_steps(request.layout), hashes)
                first = replace(first, residency=self.survey(request.cache_salt, request.known))
            yield first
            async for delta in deltas:
                self._record_found(hashes, delta)
                yield delta

    async def _in_turn(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """The engine's deltas, when it is the tenant's turn. The wait counts as `queue_ms`."""
        said = count_in(request.prompt) + request.sampling.max_tokens
        async with self._turns.turn(request.cache_salt, said, request.deadline_s) as turn:
            left_s = max(request.deadline_s - turn.waited_s, 0.0)
            running = replace(request, priority=turn.priority, deadline_s=left_s)
            turn.unused_tokens = request.sampling.max_tokens
            async with aclosing(self._engine.generate(running)) as deltas:
                async for delta in deltas:
                    turn.unused_tokens += (delta.kv_cached_tokens or 0) - count_in(delta.ids)
                    if delta.queue_ms is None:
                        yield delta
                    else:
                        yield replace(delta, queue_ms=delta.queue_ms + turn.waited_s * 1000)

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What changed in a tenant's part of the cache since `known`; all of it if unknown."""
        own = next((one for one in known if one.replica == self._name.replica), None)
        return self._residency.update_for(salt, own, self._admission.pending_tokens)

    async def describe(self) -> EngineInfo:
        """What the engine runs."""
        return await self._engine.describe()

    def counters(self) -> EngineCounters:
        """The engine's own counters, with those of its queue, its cache's content, and `pending_tokens`."""
        own = self._engine.counters()
        return replace(
            own,
            waiting=own.waiting + self._turns.waiting,
            resident_blocks=self._residency.resident_blocks,
            resident_paths=self._residency.paths(),
            residency_estimated=self._residency.estimated,
            pending_tokens=self._admission.pending_tokens,
            prefill_tokens_per_s=self._admission.tokens_per_s,
            evicted_blocks=self.feed.evicted_blocks,
            admitted=self._admitted,
            refused=self._refused,
        )

    async def check_health(self) -> None:
        """Raises EngineUnavailable when the engine's processes have ended."""
        await self._engine.check_health()

    def close(self) -> None:
        """Cancels the background tasks and ends the engine's processes. Any thread may call it."""
        for work in self._background:
            cancel_from_any_thread(work)
        self._engine.close()

    @asynccontextmanager
    async def _errors_with_name(self) -> AsyncIterator[None]:
        """Adds the replica's name to errors: the caller does not know which replica Serve chose."""
        try:
            yield
        except EngineUnavailable as error:
            raise EngineUnavailable(error.message, error.param, self._name.replica) from error
        except Overloaded as error:
            self._refused += 1
            waiting = self._admission.pending_tokens
            raise Overloaded(error.message, error.param, self._name.replica, waiting) from error

    async def _first_delta(
        self, request: GenerateRequest, deltas: AsyncGenerator[Delta, None]
    ) -> tuple[Delta | None, list[int]]:
        """Admits the request; returns its first delta and the hashes of the prompt's blocks.

        If other prompts wait, the hashes decide about admission and are computed first; otherwise they
        are computed while the engine works on the prompt. Nothing is awaited before the request counts
        as waiting, so requests that start at the same time see each other.
        """
        tokens, salt = count_in(request.prompt), request.cache_salt
        hashes = self._hashes(request) if self._admission.pending_tokens else None
        missing = tokens if hashes is None else self._tokens_to_prefill(tokens, hashes)
        within_s = request.deadline_s if request.reader_s is None else request.reader_s
        self._admission.check(salt, missing, within_s)
        with self._admission.waiting(salt, missing) as correct:
            first = asyncio.ensure_future(anext(deltas, None))
            try:
                await asyncio.sleep(0)  # lets the engine get the prompt
                if hashes is None:
                    hashes = self._hashes(request)
                    missing = self._tokens_to_prefill(tokens, hashes)
                    correct(missing)
                delta = await first
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)  # else `deltas` can't be closed
        if delta is not None and delta.prefill_ms is not None:
            if delta.kv_cached_tokens is not None:  # a remote server says it only after the answer
                missing = tokens - delta.kv_cached_tokens
            self._admission.prefilled(missing, delta.prefill_ms / 1000)
        return delta, hashes

    def _hashes(self, request: GenerateRequest) -> list[int]:
        """Hashes of the prompt's blocks; none without a layout, since such a prompt is not recorded."""
        if not request.layout:
            return []
        ids = from_bytes(request.prompt)
        seed = {} if self._hash_seed is None else {"seed": self._hash_seed}
        return block_hashes(ids, self._block_size, request.cache_salt, **seed)

    def _tokens_to_prefill(self, prompt_tokens: int, hashes: Sequence[int]) -> int:
        """How many of the prompt's tokens are not known to be in the cache."""
        found = self._residency.leading(hashes[: reusable_blocks(prompt_tokens, self._block_size)])
        return prompt_tokens - found * self._block_size

    def _record_found(self, hashes: Sequence[int], delta: Delta) -> None:
        self.feed.reused(hashes[: (delta.kv_cached_tokens or 0) // self._block_size])
