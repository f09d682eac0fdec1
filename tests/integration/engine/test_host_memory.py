"""KV blocks in host memory: vLLM's own configuration, events and accounting, without a GPU."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deployments.core.reuse.residency import Residency
from deployments.engine.config import EngineConfig, engine_arguments
from deployments.engine.kv_events import decoded
from deployments.engine.kv_feed import BlocksRemoved, BlocksStored, KvFeed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing torch and vLLM raises deprecation warnings
    from vllm.config import KVEventsConfig
    from vllm.distributed.kv_events import KVEventBatch
    from vllm.distributed.kv_transfer.kv_connector.v1.offloading.events import OffloadingEventsTracker
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.kv_offload.base import OffloadingKVEventsConfig, ReqContext, make_offload_key
    from vllm.v1.kv_offload.cpu.manager import CPUOffloadingManager
    from vllm.v1.metrics.stats import PrefillStats

BLOCKS = 4
"""How many host memory holds."""


class HostMemory:
    """vLLM's manager of host memory, and its events as they are published."""

    def __init__(self) -> None:
        self._manager = CPUOffloadingManager(BLOCKS, enable_events=True)
        self._tracker = OffloadingEventsTracker(OffloadingKVEventsConfig(True, False))

    def store(self, *blocks: int) -> None:
        """Copies blocks to host memory."""
        keys = [make_offload_key(block.to_bytes(32, "big"), 0) for block in blocks]
        context = ReqContext(f"request {blocks}")
        self._manager.on_new_request(context)
        assert self._manager.prepare_store(keys, context) is not None
        self._manager.complete_store(keys, context)

    def published(self, number: int) -> Any:
        """A batch of the events since the last call, decoded."""
        events = list(self._tracker.take_events(self._manager.take_events()))
        raw = msgspec.msgpack.Encoder().encode(KVEventBatch(ts=time.time(), events=events))
        return decoded(number.to_bytes(8, "big"), raw)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> HostMemory:
    """With the names of blocks that the application sets."""
    monkeypatch.setenv("VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES", "1")
    return HostMemory()


def test_events_name_the_blocks_in_host_memory(host: HostMemory) -> None:
    """By the same hashes as in the engine's own memory."""
    host.store(1, 2)
    assert host.published(0).events == [
        BlocksStored((1,), in_host=True),
        BlocksStored((2,), in_host=True),
    ]
    host.store(3, 4, 5)
    assert host.published(1).events[0] == BlocksRemoved((1,), in_host=True)


def test_residency_follows_them(host: HostMemory) -> None:
    """What the engine has evicted is resident until host memory evicts it too."""
    residency = Residency("replica", "epoch", 32, 10, time.monotonic)
    feed = KvFeed(residency, 10)
    host.store(1, 2, 3)
    for number, events in enumerate(
        [[BlocksStored((1, 2, 3))], host.published(1).events, [BlocksRemoved((3, 2))]]
    ):
        assert feed.take(number, events)
    assert residency.leading([1, 2, 3]) == 3
    assert residency.resident_blocks == 1
    host.store(4, 5, 6)
    assert feed.take(3, host.published(3).events)
    assert (residency.leading([1, 2, 3]), residency.leading([3])) == (1, 1)
    assert feed.evicted_blocks == 2, "of the engine's own memory"
    feed.skip_to(9)
    assert residency.leading([3]) == 0, "events about host memory may be lost"


def test_what_is_loaded_counts_as_cached() -> None:
    """The ledger's `kv_cached_tokens` is vLLM's `num_cached_tokens`."""
    stats = PrefillStats()
    stats.set(num_prompt_tokens=1000, num_local_cached_tokens=320, num_external_cached_tokens=480)
    assert (stats.num_cached_tokens, stats.num_computed_tokens) == (800, 200)


def test_a_gpu_build_gets_vllms_own_connector(embedded_llm: Path) -> None:
    config = EngineConfig(str(embedded_llm), "m", max_model_len=512, kv_offload_gib=1.5)
    arguments = engine_arguments(config, "gpu", frozenset())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = AsyncEngineArgs(**arguments, kv_events_config=KVEventsConfig(enable_kv_cache_events=True))
        made = args.create_engine_config()
    assert made.kv_transfer_config.kv_connector == "OffloadingConnector"
    assert made.kv_transfer_config.kv_connector_extra_config["cpu_bytes_to_use"] == 1.5 * 2**30
