"""Reads a vLLM server's figures from its `/metrics`, in Prometheus's text format. Pure."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.engine.counters import EngineCounters

PATH = "/metrics"

_SAMPLE = re.compile(r"^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_CACHE = "vllm:cache_config_info"
_STARTED = "process_start_time_seconds"


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """The KV cache of a server's engines."""

    block_size: int
    """Tokens."""
    tokens: int
    """Size, of all engines together."""
    prefix_caching: bool
    hash_algorithm: str
    """How the engine names blocks in its events."""
    engines: int
    """How many engines the server has (vLLM's data parallel size)."""


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What a server says of itself."""

    cache: CacheConfig | None
    """None if it does not say."""
    counters: EngineCounters
    """Only its first five fields are the server's. They count the work of all its clients."""
    started_at_s: float | None
    """When the server's process started, in seconds since 1970; None if it does not say, as a server with
    several processes."""


def figures_of(text: str) -> ServerFigures:
    """Reads what `/metrics` returned. What is missing counts as 0."""
    totals: defaultdict[str, float] = defaultdict(float)
    caches: list[dict[str, str]] = []
    for name, labels, value in _samples(text):
        totals[name] += value
        if name == _CACHE:
            caches.append(dict(_LABEL.findall(labels)))
    engines = max(len(caches), 1)
    counters = EngineCounters(
        running=int(totals["vllm:num_requests_running"]),
        waiting=int(totals["vllm:num_requests_waiting"]),
        kv_cache_usage=totals["vllm:kv_cache_usage_perc"] / engines,
        prefix_queries=int(totals["vllm:prefix_cache_queries_total"]),
        prefix_hits=int(totals["vllm:prefix_cache_hits_total"]),
    )
    return ServerFigures(_cache(caches), counters, totals.get(_STARTED))


def _samples(text: str) -> Iterator[tuple[str, str, float]]:
    for name, labels, raw in _SAMPLE.findall(text):
        try:
            value = float(raw)
        except ValueError:
            continue
        if math.isfinite(value):
            yield name, labels, value


def _cache(caches: list[dict[str, str]]) -> CacheConfig | None:
    """What the engines of a server say of their caches, which are configured alike."""
    try:
        first = caches[0]
        block_size = int(first["block_size"])
        sizes = [cache.get("kv_cache_size_tokens", "None") for cache in caches]
        tokens = sum(
            int(cache["num_gpu_blocks"]) * block_size if size == "None" else int(size)
            for cache, size in zip(caches, sizes, strict=True)
        )
    except (IndexError, KeyError, ValueError):
        return None
    return CacheConfig(
        block_size=block_size,
        tokens=tokens,
        prefix_caching=first.get("enable_prefix_caching") == "True",
        hash_algorithm=first.get("prefix_caching_hash_algo", ""),
        engines=len(caches),
    )
