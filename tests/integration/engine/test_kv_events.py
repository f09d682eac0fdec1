"""The reader of KV events against vLLM's own publisher, without an engine."""

from __future__ import annotations

import asyncio
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from deployments.core.reuse.residency import Residency
from deployments.engine.config import EventAddresses, event_addresses
from deployments.engine.kv_events import KvEvents, decoded
from deployments.engine.kv_feed import BlocksRemoved, BlocksStored, CacheCleared, KvFeed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing torch and vLLM raises deprecation warnings
    from vllm.distributed.kv_events import (
        AllBlocksCleared,
        BlockRemoved,
        BlockStored,
        KVEventBatch,
        ZmqEventPublisher,
    )

CAPACITY = 50


def stored(*blocks: int, medium: str | None = "GPU", group: int | None = 0) -> Any:
    return BlockStored(
        block_hashes=list(blocks),
        parent_block_hash=None,
        token_ids=list(range(32 * len(blocks))),
        block_size=32,
        lora_id=None,
        medium=medium,
        lora_name=None,
        extra_keys=[("salt",)],
        group_idx=group,
        session_id="session",
    )


def removed(*blocks: int, medium: str | None = "GPU") -> Any:
    return BlockRemoved(block_hashes=list(blocks), medium=medium, group_idx=0)


class Engine:
    """vLLM's publisher, which numbers the batches of events."""

    def __init__(self, addresses: EventAddresses, kept: int) -> None:
        self._publisher = ZmqEventPublisher(
            0, addresses.published, addresses.repeated, buffer_steps=kept, hwm=100_000
        )

    def publish(self, *events: Any) -> None:
        self._publisher.publish(KVEventBatch(ts=time.time(), events=list(events)))

    def lose(self) -> None:
        """Loses a batch: its number is used, but it is neither sent nor kept."""
        next(self._publisher._seq_gen)

    def end(self) -> None:
        self._publisher.shutdown()


@pytest.fixture
def addresses() -> Iterator[EventAddresses]:
    with tempfile.TemporaryDirectory() as folder:  # a short path, since a socket's path is limited
        yield event_addresses(Path(folder))


@pytest.fixture
def engine(addresses: EventAddresses, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A publisher that keeps as many batches as the test's parameter says."""
    engine = Engine(addresses, getattr(request, "param", 10_000))
    yield engine
    engine.end()


@pytest.fixture
def residency() -> Residency:
    return Residency("replica", "epoch", 32, CAPACITY, time.monotonic)


@pytest.fixture
def feed(residency: Residency) -> KvFeed:
    return KvFeed(residency, CAPACITY)


@pytest.fixture
async def follow(addresses: EventAddresses, feed: KvFeed) -> AsyncIterator[Callable[[], None]]:
    tasks: list[asyncio.Task[None]] = []

    def start() -> None:
        events = KvEvents(addresses, feed, ask_every_s=0.3, answer_within_s=1.0)
        tasks.append(asyncio.create_task(events.follow()))

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def becomes(condition: Callable[[], bool]) -> bool:
    """Whether the condition becomes true within a minute."""
    for _ in range(6000):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_events_arrive(engine: Engine, feed: KvFeed, residency: Residency, follow) -> None:
    follow()
    for number in range(20):
        engine.publish(stored(number), *([removed(number - 10)] if number >= 10 else []))
    assert await becomes(lambda: feed.next_number == 20)
    assert residency.leading(range(10, 20)) == 10
    assert residency.resident_blocks == 10
    assert not residency.estimated


async def test_events_published_before_are_requested(
    engine: Engine, feed: KvFeed, residency: Residency, follow
) -> None:
    """More batches than a socket queues, and no later one that would show the gap."""
    for number in range(5000):
        engine.publish(stored(number), removed(number - 10))
    follow()
    assert await becomes(lambda: feed.next_number == 5000)
    assert residency.resident_blocks == 10
    assert await becomes(lambda: not residency.estimated)  # replayed in parts on a slow machine


@pytest.mark.parametrize("engine", [10], indirect=True)
async def test_events_kept_no_more_are_given_up_until_the_cache_is_emptied(
    engine: Engine, feed: KvFeed, residency: Residency, follow
) -> None:
    for number in range(30):
        engine.publish(stored(number))
    await asyncio.sleep(0.5)
    follow()
    assert await becomes(lambda: feed.next_number == 30)
    assert residency.estimated
    engine.publish(AllBlocksCleared(), stored(7))
    assert await becomes(lambda: not residency.estimated)
    assert residency.resident_blocks == 1


@pytest.mark.parametrize("engine", [10], indirect=True)
async def test_what_is_still_kept_counts_when_the_cache_has_turned_over(
    engine: Engine, feed: KvFeed, residency: Residency, follow
) -> None:
    for number in range(30):
        engine.publish(stored(number))
    await asyncio.sleep(0.5)
    follow()
    assert await becomes(lambda: feed.next_number == 30)
    assert residency.estimated
    engine.publish(stored(*range(100, 100 + CAPACITY)))
    assert await becomes(lambda: not residency.estimated)
    assert [residency.leading([block]) for block in (0, 29, 100)] == [0, 1, 1]


async def test_a_hole_that_nobody_can_fill_shows_at_once(
    engine: Engine, feed: KvFeed, residency: Residency, follow
) -> None:
    follow()
    engine.publish(stored(1))
    assert await becomes(lambda: feed.next_number == 1)
    engine.lose()
    engine.publish(stored(2))
    assert await becomes(lambda: feed.next_number == 3)
    assert residency.estimated
    engine.publish(*(stored(100 + number) for number in range(CAPACITY)))
    assert await becomes(lambda: not residency.estimated)
    assert not residency.leading([1])


async def test_residency_is_estimated_while_the_engine_is_silent(
    addresses: EventAddresses, feed: KvFeed, residency: Residency, follow
) -> None:
    follow()
    assert await becomes(lambda: residency.estimated)
    engine = Engine(addresses, 100)
    try:
        engine.publish(stored(1))
        assert await becomes(lambda: not residency.estimated and feed.next_number == 1)
        assert residency.leading([1]) == 1
    finally:
        engine.end()
    assert await becomes(lambda: residency.estimated)


async def test_what_cannot_be_read_is_a_gap(
    addresses: EventAddresses, feed: KvFeed, residency: Residency, follow
) -> None:
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
        publisher.bind(addresses.published)
        follow()
        payloads = [b"no msgpack", msgspec.msgpack.encode([1.0, [{"type": "Unheard"}]])]
        for number in range(500):
            publisher.send_multipart([b"", number.to_bytes(8, "big"), payloads[number % 2]])
            await asyncio.sleep(0.02)
            if feed.next_number > 1:
                break
        assert residency.estimated


def test_other_caches_and_other_layers_are_left_out() -> None:
    batch = KVEventBatch(
        ts=1.0,
        events=[
            stored(2**64 - 1, medium=None, group=None),
            stored(2, medium="CPU"),
            stored(3, group=1),
            removed(4),
            removed(5, medium="STORAGE"),
            AllBlocksCleared(),
        ],
        data_parallel_rank=0,
    )
    number, events = decoded((7).to_bytes(8, "big"), msgspec.msgpack.encode(batch))
    assert number == 7
    in_host = BlocksStored((2,), in_host=True)
    assert events == [BlocksStored((2**64 - 1,)), in_host, BlocksRemoved((4,)), CacheCleared()]
