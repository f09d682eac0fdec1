"""vLLM's schedulers with an eviction that knows documents. vLLM imports this module by name.

vLLM keeps the blocks that no request uses in a queue, and evicts the first. Here `EvictionOrder` takes the
place of this queue. Nothing else changes: the same blocks are found, stored and hashed in the same way.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from vllm.v1.core.block_pool import BlockPool
from vllm.v1.core.kv_cache_manager import KVCacheManager
from vllm.v1.core.kv_cache_utils import FreeKVCacheBlockQueue, KVCacheBlock
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.core.single_type_kv_cache_manager import SingleTypeKVCacheManager
from vllm.v1.request import Request

from deployments.core.reuse.eviction import EvictionOrder
from deployments.engine.config import REUSABLE_TOKENS

KNOWN: dict[Any, str] = {
    FreeKVCacheBlockQueue: "9849f2e9",
    BlockPool: "955b5845",
    KVCacheManager.free: "6ee26cbc",
    KVCacheManager.pop_blocks_for_free: "9d152d7c",
    SingleTypeKVCacheManager.free: "8293f02e",
    SingleTypeKVCacheManager.pop_blocks_for_free: "bc0da22a",
    Scheduler._free_request_blocks: "f967ef09",
    Scheduler.reset_prefix_cache: "8e03dcc5",
}
"""What this module replaces in vLLM or relies on, and the digest of each part's source (`digest`) in the
version for which it was written."""


def digest(part: Any) -> str:
    """Names the source of a class or function of vLLM; "" where its source is not installed."""
    try:
        return hashlib.sha256(inspect.getsource(part).encode()).hexdigest()[:8]
    except OSError:
        return ""


def changed_parts() -> list[str]:
    """The parts of the installed vLLM that differ from those for which this module was written."""
    return [part.__qualname__ for part, known in KNOWN.items() if digest(part) != known]


def scheduler_name(*, asynchronous: bool) -> str:
    """The name by which vLLM imports the scheduler, with or without asynchronous scheduling."""
    scheduler = AsyncDocumentScheduler if asynchronous else DocumentScheduler
    return f"{scheduler.__module__}.{scheduler.__qualname__}"


class DocumentQueue:
    """The free blocks of a pool: has the methods of vLLM's FreeKVCacheBlockQueue that the pool calls."""

    def __init__(self, pool: BlockPool) -> None:
        """Takes over the pool's free blocks."""
        self._pool = pool
        self._blocks: list[KVCacheBlock] = pool.blocks
        # vLLM never fills one block.
        self.order = EvictionOrder(pool.num_gpu_blocks - 1, lambda block: self._blocks[block].block_hash)
        self.append_n(pool.free_block_queue.get_all_free_blocks())

    @property
    def num_free_blocks(self) -> int:
        return len(self.order)

    def popleft(self) -> KVCacheBlock:
        return self._blocks[self.order.pop()]

    def popleft_n(self, n: int) -> list[KVCacheBlock]:
        return [self.popleft() for _ in range(n)]

    def remove(self, block: KVCacheBlock) -> None:
        self.order.take(block.block_id)

    def append(self, block: KVCacheBlock) -> None:
        """Adds a block. Of two blocks with the same content vLLM finds one; the other is worth nothing."""
        if block.block_hash is None or self._is_found(block):
            self.order.put(block.block_id)
        else:
            self.order.put_first(block.block_id)

    def append_n(self, blocks: Sequence[KVCacheBlock]) -> None:
        for block in blocks:
            self.append(block)

    def prepend_n(self, blocks: Sequence[KVCacheBlock]) -> None:
        for block in reversed(blocks):
            self.order.put_first(block.block_id)

    def get_all_free_blocks(self) -> list[KVCacheBlock]:
        return [self._blocks[block] for block in self.order]

    def iter_blocks_after(self, cursor: KVCacheBlock | None) -> Iterator[KVCacheBlock]:
        blocks = iter(self.get_all_free_blocks())
        for block in blocks if cursor is not None else ():
            if block is cursor:
                break
        yield from blocks

    def _is_found(self, block: KVCacheBlock) -> bool:
        found: KVCacheBlock | None = self._pool.cached_block_hash_to_block.get_one_block(block.block_hash)
        return found is block


class _KnowsDocuments(Scheduler):  # type: ignore[misc]  # vLLM's classes are not followed by mypy
    """Replaces the queue of free blocks, and reports to it which blocks are documents."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._replace_queue()

    def reset_prefix_cache(self, *args: Any, **kwargs: Any) -> bool:
        reset: bool = super().reset_prefix_cache(*args, **kwargs)
        if reset:
            self._replace_queue()  # no block has any content now, whatever it was before
        return reset

    def _replace_queue(self) -> None:
        self._queue = DocumentQueue(self.kv_cache_manager.block_pool)
        self.kv_cache_manager.block_pool.free_block_queue = self._queue

    def _free_request_blocks(self, request: Request) -> None:
        if request.is_finished():  # and not preempted: it will use its blocks again
            self._report_documents(request)
        super()._free_request_blocks(request)

    def _report_documents(self, request: Request) -> None:
        tokens = (request.sampling_params.extra_args or {}).get(REUSABLE_TOKENS, request.num_prompt_tokens)
        for group in self.kv_cache_manager.coordinator.single_type_managers:
            blocks = group.req_to_blocks.get(request.request_id, ())
            for block in blocks[: tokens // group.block_size]:
                if block.block_hash is not None and block.pool is self.kv_cache_manager.block_pool:
                    self._queue.order.used(block.block_id)


class DocumentScheduler(_KnowsDocuments):
    """For engines without asynchronous scheduling, such as those on CPUs."""


class AsyncDocumentScheduler(_KnowsDocuments, AsyncScheduler):  # type: ignore[misc]  # as above
    """For engines with asynchronous scheduling."""
