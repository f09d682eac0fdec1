"""What a replica reports of its cache is what its engine then finds: a small cache, real events."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.paths import Step, ids_segment, pack_steps
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.reuse.residency import Residency
from deployments.core.sampling import Sampling
from deployments.core.token_ids import TokenIds, join, to_bytes, token_ids
from deployments.engine.config import EngineConfig
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_events import KvEvents
from deployments.engine.kv_feed import BlockEvent, BlocksRemoved, BlocksStored, CacheCleared, KvFeed
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.vllm_engine import VllmEngine

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

BLOCK = 32
BLOCKS = 60
PROMPTS = 50
numbers = itertools.count()


def new_ids(count: int) -> TokenIds:
    """Ids that no other prompt has."""
    return token_ids(Random(next(numbers)).choices(range(1000, 40_000), k=count))


HEADS = [new_ids(45), new_ids(70)]
DOCUMENTS = [new_ids(30 + 23 * number) for number in range(9)]


@pytest.fixture(scope="module")
def engine_config(embedded_llm: Path) -> EngineConfig:
    """A cache of 60 blocks, one of which vLLM keeps to itself."""
    return EngineConfig(
        str(embedded_llm), "smollm2", max_model_len=1024, kv_cache_gib=0.25, num_gpu_blocks=BLOCKS
    )


@pytest_asyncio.fixture(loop_scope="module")
async def resident(engine: VllmEngine) -> AsyncIterator[ResidentEngine]:
    """A replica that follows the engine's events late: the engine has to repeat all earlier ones."""
    name = ReplicaName("replica", "epoch")
    resident = ResidentEngine(engine, await engine.describe(), name, EngineTurns(20, 80), time.monotonic)
    async with following(engine, resident.feed):
        await settled(resident)
        yield resident


class SlotCounter(KvFeed):
    """Counts how many slots of the cache each block has, by the events alone."""

    def __init__(self) -> None:
        super().__init__(Residency("observer", "epoch", BLOCK, BLOCKS - 1, time.monotonic), BLOCKS - 1)
        self.slots: Counter[int] = Counter()

    def take(self, number: int, events: Iterable[BlockEvent]) -> bool:
        events = list(events)
        for event in events if number == self.next_number else ():
            match event:
                case BlocksStored(blocks):
                    self.slots.update(blocks)
                case BlocksRemoved(blocks):
                    self.slots.subtract(blocks)
                case CacheCleared():
                    self.slots.clear()
        return super().take(number, events)


@pytest_asyncio.fixture(loop_scope="module")
async def observer(engine: VllmEngine) -> AsyncIterator[SlotCounter]:
    """Follows the engine's events also, and is told of no prompts."""
    observer = SlotCounter()
    async with following(engine, observer):
        yield observer


@asynccontextmanager
async def following(engine: VllmEngine, feed: KvFeed) -> AsyncIterator[None]:
    task = asyncio.create_task(KvEvents(engine.events, feed).follow())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def slots_of(blocks: Iterable[int], observer: SlotCounter, resident: ResidentEngine) -> list[int]:
    """How many slots each block has, once the observer has taken all events that the replica has."""
    await settled(resident)
    while observer.next_number < resident.feed.next_number:  # noqa: ASYNC110  no event tells it
        await asyncio.sleep(0.01)
    return [observer.slots[block] for block in blocks]


async def settled(resident: ResidentEngine) -> None:
    """Waits until all events have arrived, which confirm what the replica has assumed."""
    before = -1
    while resident.feed.next_number != before:
        before = resident.feed.next_number
        await asyncio.sleep(0.15)


def prompt(segments: list[TokenIds], tail: TokenIds, salt: str = "a", max_tokens: int = 1) -> GenerateRequest:
    return GenerateRequest(
        RequestId(f"test-{next(numbers)}"),
        to_bytes(join([*segments, tail])),
        Sampling(max_tokens, 0.0),
        salt,
        60.0,
        layout=pack_steps([Step(ids_segment(segment), len(segment)) for segment in segments]),
    )


async def first_of(resident: ResidentEngine, request: GenerateRequest) -> Delta:
    async with aclosing(resident.generate(request)) as deltas:
        first = await anext(deltas)
        async for _ in deltas:
            pass
    assert first.residency is not None
    return first


async def test_the_engine_finds_what_the_replica_reports(resident: ResidentEngine) -> None:
    """Prompts of two tenants in a cache far too small for them. The view gets changes only."""
    random = Random(7)
    views = {salt: ReplicaView("replica") for salt in "ab"}
    found = removed = 0
    for _ in range(PROMPTS):
        await settled(resident)
        salt, head = random.choice("ab"), random.choice(HEADS)
        documents = random.sample(DOCUMENTS, random.randint(1, 4))
        view = views[salt]
        before = len(view)
        view.apply(resident.survey(salt, [view.known]))
        removed += len(view) < before
        names = [ids_segment(document) for document in documents]
        best = view.longest_path(ids_segment(head), names)
        order = [documents[names.index(name)] for name in best.segments]
        order += [document for document in documents if document not in order]
        first = await first_of(resident, prompt([head, *order], new_ids(random.randint(1, 40)), salt))
        assert first.residency is not None
        assert not first.residency.estimated
        assert first.kv_cached_tokens == best.cached_tokens
        view.apply(first.residency)
        found += best.cached_tokens
    assert found > 1000
    assert removed > 5


async def test_events_name_blocks_as_block_hash_does(resident: ResidentEngine, observer: SlotCounter) -> None:
    ids = new_ids(3 * BLOCK + 5)
    await first_of(resident, prompt([ids], new_ids(2)))
    assert await slots_of(block_hashes(ids, BLOCK, "a"), observer, resident) == [1, 1, 1]
    assert await slots_of(block_hashes(ids, BLOCK, "b"), observer, resident) == [0, 0, 0]


async def test_a_prompt_that_ends_with_a_block_has_it_twice(
    resident: ResidentEngine, observer: SlotCounter
) -> None:
    ids = new_ids(2 * BLOCK)
    for _ in range(2):
        await first_of(resident, prompt([ids], token_ids()))
    assert await slots_of(block_hashes(ids, BLOCK, "a"), observer, resident) == [1, 2]


async def test_the_tree_shrinks_with_the_cache(resident: ResidentEngine) -> None:
    view = ReplicaView("replica")
    segment = new_ids(10 * BLOCK)
    await first_of(resident, prompt([segment], new_ids(5), "c"))
    view.apply(resident.survey("c", ()))
    assert view.longest_path(ids_segment(segment), ()).cached_tokens == 10 * BLOCK
    for _ in range(3):
        await first_of(resident, prompt([new_ids(25 * BLOCK)], new_ids(5), "d"))
    await settled(resident)
    view.apply(resident.survey("c", [view.known]))
    assert len(view) == 0
    assert resident.counters().resident_blocks <= BLOCKS - 1


async def test_an_emptied_cache_is_reported(resident: ResidentEngine, engine: VllmEngine) -> None:
    await first_of(resident, prompt([new_ids(100)], new_ids(5)))
    await settled(resident)
    assert await engine._llm.reset_prefix_cache()
    await first_of(resident, prompt([new_ids(40)], new_ids(5)))  # events come with the next step
    await settled(resident)
    assert resident.counters().resident_blocks == 1
