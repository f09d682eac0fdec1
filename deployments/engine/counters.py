"""Counters of one engine replica: those that vLLM's scheduler reports, and those of its KV cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EngineCounters:
    """The state of one engine. The first five fields are vLLM's, after its scheduler's last step."""

    running: int = 0
    """Requests that are prefilled or decoded now."""
    waiting: int = 0
    """Requests in the engine's queue, and those that wait for their tenant's turn."""
    kv_cache_usage: float = 0.0
    """Share (0..1) of the KV cache that running requests hold."""
    prefix_queries: int = 0
    """Prompt tokens looked up in the prefix cache since the engine's start."""
    prefix_hits: int = 0
    """Prompt tokens found in the prefix cache since the engine's start."""
    resident_blocks: int = 0
    """Blocks with cached tokens: by the engine's KV events, or by the estimate without them."""
    resident_paths: int = 0
    """Prefixes of prompts, each a path of segments, that those blocks belong to."""
    residency_estimated: bool = False
    """Whether KV events are missing and the two counters above come from an estimate."""
    pending_tokens: int = 0
    """Prompt tokens that wait to be prefilled."""
    prefill_tokens_per_s: float | None = None
    """Prompt tokens that the engine prefills in a second; None without a measurement in the last 30 s."""
    evicted_blocks: int = 0
    """Blocks that made room for others since the engine's start, by its KV events."""
    admitted: int = 0
    """Requests that were let in, and got a first token, since the engine's start."""
    refused: int = 0
    """Requests that were refused since then, because they would have waited too long."""


class SchedulerLog:
    """Keeps the latest counters of vLLM's scheduler. Has the methods of vLLM's stat loggers."""

    def __init__(self) -> None:
        self.counters = EngineCounters()

    def record(self, scheduler_stats: Any, _iteration_stats: Any, **_rest: Any) -> None:
        """vLLM calls this after each step. Its prefix counts are increments since the previous call."""
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
        """Does nothing; vLLM calls it when it writes its log."""

    def log_engine_initialized(self) -> None:
        """Does nothing; vLLM calls it once."""
