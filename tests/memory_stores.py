"""The stores in this process's memory. The contract tests hold them to the same contract as Redis."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest, nsmallest
from typing import TypeVar

from deployments.core.cache_figures import CacheUsage
from deployments.core.counted_use import CountBatch, HotPath
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.token_cache.codec import peek_count
from deployments.token_cache.counters import KEPT_SEGMENTS, READ_SEGMENTS, trim_above
from deployments.token_cache.path_scores import (
    KEPT_PATHS,
    KEPT_SCOPES,
    pack_path,
    renamed_path,
    unpack_path,
    weight,
)

T = TypeVar("T")


class InMemorySegmentStore:
    """Implements `SegmentStore` with at most `max_bytes` of values. Drops the oldest values first.

    `clock` gives seconds.
    """

    def __init__(self, *, max_bytes: int = 64 * 2**20, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes_used = 0
        self._entries: dict[tuple[Scope, SegmentKey], tuple[bytes, float]] = {}

    async def get_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> list[bytes | None]:
        return [self._get((scope, key)) for key in keys]

    async def put_many(self, scope: Scope, values: Mapping[SegmentKey, bytes], ttl_s: int) -> None:
        for key, raw in values.items():
            self._drop((scope, key))
            self._entries[(scope, key)] = (raw, self._clock() + ttl_s)
            self._bytes_used += len(raw)
        while self._bytes_used > self._max_bytes:
            self._drop(next(iter(self._entries)))

    async def delete_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> int:
        self._expire()
        return sum([self._drop((scope, key)) for key in keys])

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        self._expire()
        return sum([self._drop(name) for name in self._of(tenant, collection)])

    async def usage_by_scope(self) -> dict[str, CacheUsage]:
        self._expire()
        usages: dict[str, CacheUsage] = {}
        for (scope, _), (raw, _) in self._entries.items():
            entry = CacheUsage(1, peek_count(raw) or 0, len(raw))
            usages[str(scope)] = usages[str(scope)] + entry if str(scope) in usages else entry
        return usages

    async def ping(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""

    def _of(self, tenant: TenantId, collection: CollectionName | None) -> list[tuple[Scope, SegmentKey]]:
        return [
            (scope, key)
            for scope, key in self._entries
            if scope.tenant == tenant and collection in (None, scope.collection)
        ]

    def _get(self, name: tuple[Scope, SegmentKey]) -> bytes | None:
        raw, expires_at_s = self._entries.get(name, (None, 0.0))
        if raw is not None and expires_at_s <= self._clock():
            self._drop(name)
            return None
        return raw

    def _expire(self) -> None:
        now = self._clock()
        for name in [n for n, (_, expires_at_s) in self._entries.items() if expires_at_s <= now]:
            self._drop(name)

    def _drop(self, name: tuple[Scope, SegmentKey]) -> bool:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._bytes_used -= len(entry[0])
        return entry is not None


class InMemoryCounterStore:
    """Implements `CounterStore`."""

    def __init__(self, *, kept: int = KEPT_SEGMENTS, read: int = READ_SEGMENTS) -> None:
        self._kept = kept
        self._read = read
        self._counters: defaultdict[Scope, dict[str, float]] = defaultdict(dict)
        self._uses: defaultdict[Scope, Counter[SegmentKey]] = defaultdict(Counter)
        self._counted: defaultdict[tuple[Scope, str], int] = defaultdict(int)

    async def record(self, scope: Scope, batch: CountBatch) -> dict[str, float]:
        counters = self._counters[scope]
        if self._counted[scope, batch.writer] < batch.number:
            self._counted[scope, batch.writer] = batch.number
            for name, by in batch.increments.items():
                counters[name] = counters.get(name, 0.0) + by
            self._bump(scope, batch.uses)
        return dict(counters)

    async def reset(self, scope: Scope) -> None:
        self._counters.pop(scope, None)

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        return dict(self._uses.get(scope, Counter[SegmentKey]()).most_common(self._read))

    def _bump(self, scope: Scope, uses: Mapping[SegmentKey, int]) -> None:
        counts = self._uses[scope]
        counts.update(uses)
        if len(counts) > trim_above(self._kept):
            self._uses[scope] = Counter(dict(counts.most_common(self._kept)))


class InMemoryHotPaths:
    """Implements `HotPaths`. `clock` gives Unix seconds."""

    def __init__(
        self,
        *,
        kept: int = KEPT_PATHS,
        kept_scopes: int = KEPT_SCOPES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kept = kept
        self._kept_scopes = kept_scopes
        self._clock = clock
        self._scopes: dict[Scope, float] = defaultdict(float)
        self._scores: dict[Scope, dict[bytes, float]] = {}

    async def record(self, paths: Mapping[Scope, Sequence[tuple[SegmentKey, ...]]]) -> None:
        by = weight(self._clock())
        for scope, of_scope in paths.items():
            for keys in filter(None, of_scope):
                self._scores.setdefault(scope, defaultdict(float))[pack_path(keys)] += by
                self._scopes[scope] += by
            _trim(self._scores.get(scope, {}), self._kept)
        _trim(self._scopes, self._kept_scopes)
        for gone in self._scores.keys() - self._scopes.keys():
            del self._scores[gone]

    async def replace(self, scope: Scope, successors: Mapping[SegmentKey, SegmentKey]) -> None:
        scores = self._scores.get(scope, {})
        for path in list(scores):
            renamed = renamed_path(path, successors)
            if renamed is not None:
                scores[renamed] = scores.get(renamed, 0.0) + scores.pop(path)

    async def hottest(self, limit: int, tenant: TenantId | None = None) -> list[HotPath]:
        now = weight(self._clock())
        found = [
            HotPath(scope, unpack_path(path) or (), score / now)
            for scope, scores in self._scores.items()
            if tenant in (None, scope.tenant)
            for path, score in scores.items()
        ]
        return nlargest(max(limit, 0), found, key=lambda path: path.heat)


def _trim(scores: dict[T, float], kept: int) -> None:
    if len(scores) > trim_above(kept):
        for least in nsmallest(len(scores) - kept, scores, key=scores.__getitem__):
            del scores[least]
