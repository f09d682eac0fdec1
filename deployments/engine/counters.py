"""An engine's own counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EngineCounters:
    """What the engine's scheduler reported last: requests now, prompt tokens since its start.

    `kv_cache_usage` is the share (0..1) of the KV cache that requests hold now. `prefix_queries` are
    the prompt tokens looked up in the prefix cache, `prefix_hits` those found there.

    `resident_blocks` are in the cache, as far as the engine's events tell, or estimated where those are
    lost; `resident_paths` are the prompts' beginnings that they belong to, `pending_tokens` those that wait
    to be prefilled.
    """

    running: int = 0
    waiting: int = 0
    kv_cache_usage: float = 0.0
    prefix_queries: int = 0
    prefix_hits: int = 0
    resident_blocks: int = 0
    resident_paths: int = 0
    residency_estimated: bool = False
    pending_tokens: int = 0


class SchedulerLog:
    """Keeps the newest counters. Has the methods of vLLM's stat loggers."""

    def __init__(self) -> None:
        self.counters = EngineCounters()

    def record(self, scheduler_stats: Any, _iteration_stats: Any, **_rest: Any) -> None:
        """Called by vLLM after each step; its prefix counts are those since the call before."""
        if scheduler_stats is None:
            return
        prefix = scheduler_stats.prefix_cache_stats
        self.counters = EngineCounters(
            running=scheduler_stats.num_running_reqs,
            waiting=scheduler_stats.num_waiting_reqs,
            kv_cache_usage=scheduler_stats.kv_cache_usage,
            prefix_queries=self.counters.prefix_queries + prefix.queries,
            prefix_hits=self.counters.prefix_hits + prefix.hits,
        )

    def log(self) -> None:
        """Called by vLLM when it logs; there is nothing to write."""

    def log_engine_initialized(self) -> None:
        """Called by vLLM once."""
