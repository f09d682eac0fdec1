"""What the KV events of one prompt cost the replica that reads them: bytes, and CPU time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count
from random import Random

import msgspec
from vllm.distributed.kv_events import BlockRemoved, BlockStored, KVEventBatch

from deployments.core.reuse.residency import Residency
from deployments.engine.kv_events import decoded
from deployments.engine.kv_feed import KvFeed

_WORD = 2**64
_SALT = "0" * 64


@dataclass(frozen=True, slots=True)
class EventCost:
    """The mean of a prompt."""

    bytes: float
    """As vLLM publishes them: with the blocks' token ids, which the reader skips."""
    us: float
    """CPU time to decode and apply them."""


def event_cost(stored: int, evicted: int, block_tokens: int, prompts: int = 2000) -> EventCost:
    """Prompts that each store and evict so many blocks: one batch for all stored, one event for each
    evicted block, as vLLM's block pool makes them."""
    rng, numbers = Random(0), count()
    encoder = msgspec.msgpack.Encoder()
    feed = KvFeed(Residency("replica", "epoch", block_tokens, 2**40, time.monotonic), 2**40)
    held: list[int] = []
    published: list[bytes] = []
    for _ in range(prompts):
        fresh = [rng.randrange(_WORD) for _ in range(stored)]
        gone, held = held[:evicted], [*held[evicted:], *fresh]
        events = [BlockRemoved(block_hashes=[block], medium="GPU", group_idx=0) for block in gone]
        events.append(
            BlockStored(
                block_hashes=fresh,
                parent_block_hash=rng.randrange(_WORD),
                token_ids=rng.choices(range(150_000), k=stored * block_tokens),
                block_size=block_tokens,
                lora_id=None,
                medium="GPU",
                lora_name=None,
                extra_keys=[(_SALT,), *[None] * (stored - 1)] if stored else [],
                group_idx=0,
            )
        )
        published.append(encoder.encode(KVEventBatch(ts=time.time(), events=events)))
    started_s = time.thread_time()
    for payload in published:
        batch = decoded(next(numbers).to_bytes(8, "big"), payload)
        assert batch.events is not None
        feed.take(batch.number, batch.events)
    took_s = time.thread_time() - started_s
    return EventCost(sum(map(len, published)) / prompts, took_s * 1e6 / prompts)
