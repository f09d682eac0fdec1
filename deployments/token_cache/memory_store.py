"""The stores within one process: the same contract as Redis, for one replica and for tests."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.messages import CacheUsage
from deployments.token_cache.codec import peek_count
from deployments.token_cache.counters import KEPT_SEGMENTS, READ_SEGMENTS, trim_above


class InMemorySegmentStore:
    """A `SegmentStore` of at most `max_bytes` of values; what was stored first goes first.

    `clock` gives seconds.
    """

    def __init__(self, *, max_bytes: int = 64 * 2**20, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes_used = 0
        self._entries: dict[tuple[Scope, SegmentKey], tuple[bytes, float]] = {}

    async def get_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> list[bytes | None]:
        """See `SegmentStore`."""
        return [self._get((scope, key)) for key in keys]

    async def put_many(self, scope: Scope, values: Mapping[SegmentKey, bytes], ttl_s: int) -> None:
        """See `SegmentStore`."""
        for key, raw in values.items():
            self._drop((scope, key))
            self._entries[(scope, key)] = (raw, self._clock() + ttl_s)
            self._bytes_used += len(raw)
        while self._bytes_used > self._max_bytes:
            self._drop(next(iter(self._entries)))

    async def delete_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> int:
        """See `SegmentStore`."""
        self._expire()
        return sum([self._drop((scope, key)) for key in keys])

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """See `SegmentStore`."""
        self._expire()
        return sum([self._drop(name) for name in self._of(tenant, collection)])

    async def usage(self, scope: Scope) -> CacheUsage:
        """See `SegmentStore`."""
        self._expire()
        values = [self._entries[name][0] for name in self._of(scope.tenant, scope.collection)]
        return CacheUsage(
            entries=len(values),
            tokens=sum(peek_count(raw) or 0 for raw in values),
            value_bytes=sum(map(len, values)),
        )

    async def ping(self) -> None:
        """See `SegmentStore`."""

    async def close(self) -> None:
        """See `SegmentStore`."""

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
    """A `CounterStore`."""

    def __init__(self, *, kept: int = KEPT_SEGMENTS, read: int = READ_SEGMENTS) -> None:
        self._kept = kept
        self._read = read
        self._counters: defaultdict[Scope, dict[str, float]] = defaultdict(dict)
        self._uses: defaultdict[Scope, Counter[SegmentKey]] = defaultdict(Counter)

    async def add(self, scope: Scope, increments: Mapping[str, float]) -> None:
        """See `CounterStore`."""
        counters = self._counters[scope]
        for name, by in increments.items():
            counters[name] = counters.get(name, 0.0) + by

    async def read(self, scope: Scope) -> dict[str, float]:
        """See `CounterStore`."""
        return dict(self._counters.get(scope, {}))

    async def reset(self, scope: Scope) -> None:
        """See `CounterStore`."""
        self._counters.pop(scope, None)

    async def bump(self, scope: Scope, uses: Mapping[SegmentKey, int]) -> None:
        """See `CounterStore`."""
        counts = self._uses[scope]
        counts.update(uses)
        if len(counts) > trim_above(self._kept):
            self._uses[scope] = Counter(dict(counts.most_common(self._kept)))

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        """See `CounterStore`; most used first."""
        return dict(self._uses.get(scope, Counter[SegmentKey]()).most_common(self._read))
