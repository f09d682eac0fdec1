"""The token cache's counters: their names, what a prompt adds to them, and `CacheStats` from them."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.core.cache_figures import CacheStats, CacheUsage
from deployments.core.ledger import Reuse

_MIB = 2**20


def increments(reuse: Reuse, token_path_ms: float) -> dict[str, float]:
    """What one prompt adds to the counters. A prompt without documents adds nothing."""
    if not reuse.segments:
        return {}
    outcome = "hit" if reuse.cache_hit else "miss"
    return {
        "segment_hits": reuse.l1 + reuse.redis,
        "segment_misses": reuse.tokenized,
        "request_hits" if reuse.cache_hit else "request_misses": 1,
        f"{outcome}_ms": token_path_ms,
    }


def cache_stats(counters: Mapping[str, float], usage: CacheUsage | None, age_s: float | None) -> CacheStats:
    """Figures from the counters. Rates are percent, 0 without counts; `age_s` is that of `usage`."""
    hits, misses = counters.get("segment_hits", 0), counters.get("segment_misses", 0)
    request_hits, request_misses = counters.get("request_hits", 0), counters.get("request_misses", 0)
    return CacheStats(
        cache_hits=int(hits),
        cache_misses=int(misses),
        hit_rate=_percent(hits, misses),
        request_hit_rate=_percent(request_hits, request_misses),
        total_tokens_cached=usage.tokens if usage else None,
        cache_size_mb=round(usage.value_bytes / _MIB, 4) if usage else None,
        avg_hit_latency_ms=_mean(counters.get("hit_ms", 0), request_hits),
        avg_miss_latency_ms=_mean(counters.get("miss_ms", 0), request_misses),
        measured_s_ago=age_s,
    )


def _percent(hits: float, misses: float) -> float:
    return round(100 * hits / (hits + misses), 2) if hits + misses else 0.0


def _mean(total: float, count: float) -> float:
    return round(total / count, 3) if count else 0.0
