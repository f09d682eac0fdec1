"""Figures of the token cache: counts of what was asked for, and what it occupies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Cluster-wide counters of one agent for one tenant (the seed's `TokenCacheStats`)."""

    cache_hits: int = 0
    """Document segments whose ids were cached."""
    cache_misses: int = 0
    hit_rate: float = 0.0
    """Percent of document segments."""
    request_hit_rate: float = 0.0
    """Percent of prompts of which all segments were cached."""
    total_tokens_cached: int | None = None
    """Token ids in Redis; None if not measured."""
    cache_size_mb: float | None = None
    """Size of those entries in Redis; None if not measured."""
    avg_hit_latency_ms: float = 0.0
    """Mean time from the question to its prompt's ids, if all segments were cached."""
    avg_miss_latency_ms: float = 0.0
    """The same for the other prompts."""
    measured_s_ago: float | None = None
    """Age of the two sizes in Redis; None if they were not measured."""


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """What one scope's segments occupy in the shared store."""

    entries: int
    tokens: int
    """Token ids in all entries."""
    value_bytes: int
    """Without keys and the store's overhead."""

    def __add__(self, other: CacheUsage) -> CacheUsage:
        return CacheUsage(
            self.entries + other.entries, self.tokens + other.tokens, self.value_bytes + other.value_bytes
        )


@dataclass(frozen=True, slots=True)
class MeasuredUsage:
    """A `CacheUsage`, and how long ago it was measured."""

    usage: CacheUsage
    age_s: float
