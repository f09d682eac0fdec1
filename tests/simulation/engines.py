"""Engine replicas: all of their real layers over a model of vLLM, and the client that agents have of them."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from deployments.core.errors import EngineUnavailable, WarmlineError
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.block_cache import CacheEffect, reusable_blocks
from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.paths import Known, ResidencyUpdate, SegmentId, unpack_steps
from deployments.core.time_spent import TimeSpent
from deployments.core.token_ids import count_in, from_bytes, to_bytes, token_ids
from deployments.engine.config import EventAddresses
from deployments.engine.counters import EngineCounters
from deployments.engine.deadline import next_before
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_events import KvEvents
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.service import EngineService
from deployments.engine.shared_answers import KeepFor, SharedAnswers
from tests.simulation.kv_log import KvLog
from tests.simulation.paged_cache import PagedCache
from tests.simulation.processes import Dice, Process, in_process

BLOCK = 16
BLOCKS = 70
"""Of a replica's cache: three or four prompts."""
SEATS = 2
"""Requests that an engine runs at the same time."""
ASK_EVERY_S = 300.0
"""How often a replica without events asks for some: seldom, since hours pass here without any."""
SURVEYED_WITHIN_S = 1.0
KEPT_PROMPTS = 30
_PREFILL_PER_S = 2000.0
_INFO = EngineInfo("simulated", 4096, BLOCK, (BLOCKS + 1) * BLOCK)


def answer_to(prompt: bytes) -> str:
    """What the model answers. Another prompt has another answer."""
    return f"answer {zlib.crc32(prompt):08x}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that an engine has prefilled."""

    salt: str
    head: SegmentId
    documents: tuple[SegmentId, ...]
    hashes: tuple[int, ...]
    """Of its full blocks, as far as the documents go."""


class ModelledVllm:
    """A `LocalEngine`. `asked` is told of each request; `prompts` are the latest ones."""

    def __init__(self, dice: Dice, log: KvLog, asked: Callable[[GenerateRequest], None]) -> None:
        self.cache = PagedCache(BLOCKS)
        self.prompts: deque[Prompt] = deque(maxlen=KEPT_PROMPTS)
        self.is_dead = False
        self._dice = dice
        self._log = log
        self._asked = asked

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self._asked(request)
        deadline = asyncio.get_running_loop().time() + request.deadline_s
        hashes = block_hashes(from_bytes(request.prompt), BLOCK, request.cache_salt)
        first = True
        try:
            async with aclosing(self._deltas(request, hashes)) as deltas:
                while delta := await next_before(deadline, deltas):
                    yield delta
                    if first:
                        self._remember(request, hashes)
                    first = False
        finally:
            if first:
                self._forget_alike(hashes)

    async def _deltas(self, request: GenerateRequest, hashes: Sequence[int]) -> AsyncGenerator[Delta, None]:
        await self.check_health()
        tokens = count_in(request.prompt)
        await self._dice.pause(0.01)
        with self.cache.running(hashes, reusable_blocks(tokens, BLOCK)) as effect:
            self._publish(effect)
            cached = effect.hit_blocks * BLOCK
            prefill_s = (tokens - cached) / _PREFILL_PER_S
            await asyncio.sleep(prefill_s)
            await self.check_health()
            text = answer_to(request.prompt)
            encoded = to_bytes(token_ids(map(ord, text)))
            yield Delta(text, encoded, None, cached, queue_ms=0.0, prefill_ms=prefill_s * 1000)
            await self._dice.pause(0.2)
            await self.check_health()
        yield Delta("", b"", "stop", decode_ms=1.0)

    def _publish(self, effect: CacheEffect) -> None:
        if effect.evicted:
            self._log.publish({"type": "BlockRemoved", "block_hashes": effect.evicted})
        if effect.stored:
            self._log.publish({"type": "BlockStored", "block_hashes": effect.stored})

    def clear(self) -> None:
        """Empties the cache."""
        self.cache.clear()
        self._log.publish({"type": "AllBlocksCleared"})

    async def describe(self) -> EngineInfo:
        return _INFO

    def counters(self) -> EngineCounters:
        return EngineCounters()

    async def check_health(self) -> None:
        if self.is_dead:
            raise EngineUnavailable("the engine's processes have ended")

    def close(self) -> None:
        self.is_dead = True

    def _forget_alike(self, hashes: Sequence[int]) -> None:
        """Forgets prompts with blocks of an aborted request: the layers above do not learn whose they are."""
        kept = [prompt for prompt in self.prompts if not set(hashes) & set(prompt.hashes)]
        self.prompts = deque(kept, maxlen=KEPT_PROMPTS)

    def _remember(self, request: GenerateRequest, hashes: Sequence[int]) -> None:
        head, *documents = unpack_steps(request.layout)
        tokens = head.tokens + sum(step.tokens for step in documents)
        names = tuple(step.segment for step in documents)
        self.prompts.append(Prompt(request.cache_salt, head.segment, names, tuple(hashes[: tokens // BLOCK])))


class EngineReplica:
    """A process with an engine."""

    def __init__(
        self,
        process: Process,
        dice: Dice,
        clock: Callable[[], float],
        asked: Callable[[GenerateRequest], None],
    ) -> None:
        log = KvLog(dice)
        self.process = process
        self.name = process.name
        self.vllm = ModelledVllm(dice, log, asked)
        self.turns = EngineTurns(SEATS, 12)
        name = ReplicaName(process.name, f"{process.name} started")
        self.resident = ResidentEngine(self.vllm, _INFO, name, self.turns, clock)
        shared = SharedAnswers(self.resident, "simulated", KeepFor(4096, 600.0), clock)
        process.service = EngineService(shared, clock=asyncio.get_running_loop().time)
        addresses = EventAddresses("published", "repeated")
        events = KvEvents(addresses, self.resident.feed, ask_every_s=ASK_EVERY_S, connect=log.connect)
        process.start(events.follow())


class EngineClient:
    """Implements `Generator` and `ResidencySource`, as `EngineHandle` does, over the replicas that `running`
    gives.
    """

    def __init__(
        self, running: Callable[[], Sequence[EngineReplica]], dice: Dice, clock: Callable[[], float]
    ):
        self._running = running
        self._dice = dice
        self._clock = clock

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        deadline = asyncio.get_running_loop().time() + request.deadline_s + 1.0
        request = replace(request, sent=TimeSpent(0.0, self._clock()))
        async with aclosing(self._stream(request)) as deltas:
            while delta := await next_before(deadline, deltas, "the engine did not answer in time"):
                yield delta

    async def describe(self) -> EngineInfo:
        await self._dice.pause()
        if not self._running() or self._dice.fails(0.1):
            raise EngineUnavailable("the engine is not ready")
        return _INFO

    async def survey(
        self, known: Mapping[str, Sequence[Known]]
    ) -> Sequence[Mapping[str, ResidencyUpdate] | None]:
        replicas = self._running()
        if not replicas:
            raise EngineUnavailable("no replica of the engine is running")
        return [
            one for one in await asyncio.gather(*(self._one(each, known) for each in replicas)) if one != {}
        ]

    async def _one(
        self, replica: EngineReplica, known: Mapping[str, Sequence[Known]]
    ) -> Mapping[str, ResidencyUpdate] | None:
        """A replica's answer; None if it is late, nothing if its call fails."""
        try:
            async with asyncio.timeout(SURVEYED_WITHIN_S):
                await self._dice.pause()
                answer = await in_process(replica.process, replica.process.service.survey(known))
                await self._dice.pause()
        except TimeoutError:
            return None
        except WarmlineError:
            return {}
        return {} if answer is None else answer[0]

    async def _stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        replica = await self._chosen(request)
        inbox: asyncio.Queue[Delta | WarmlineError | None] = asyncio.Queue()
        sending = replica.process.start(self._send(replica, request, inbox))
        try:
            while (item := await inbox.get()) is not None:
                if isinstance(item, WarmlineError):
                    raise item
                yield item
        finally:
            sending.cancel()

    async def _send(
        self,
        replica: EngineReplica,
        request: GenerateRequest,
        inbox: asyncio.Queue[Delta | WarmlineError | None],
    ) -> None:
        end: WarmlineError | None = EngineUnavailable("the engine's replica died")
        try:
            await self._dice.pause()
            async with aclosing(replica.process.service.generate(request)) as deltas:
                async for delta in deltas:
                    await self._dice.pause()
                    inbox.put_nowait(delta)
            end = None
        except WarmlineError as error:
            end = error
        finally:
            inbox.put_nowait(end)

    async def _chosen(self, request: GenerateRequest) -> EngineReplica:
        """As the router chooses; waits while there is no replica."""
        while not (running := self._running()):
            await self._dice.pause(0.1)
        found = [one for one in running if one.name not in request.avoid] or list(running)
        preferred = [one for name in request.replicas for one in found if one.name == name]
        return preferred[0] if preferred and not self._dice.fails(0.1) else self._dice.choice(found)
