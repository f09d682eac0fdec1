"""A replica's view of the cluster-wide counters, kept off the request path.

A request adds to the pending counts in this process and reads the totals known in it. While the engine
generates, a synchronisation sends the pending counts to the store and gets the cluster's totals back.
Each scope has at most one at a time; the next one follows as long as counts are pending and the store
answers. An answer waits only for the one under way, and only after its last token. What segments occupy in
Redis is read far less often.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import TypeVar

from deployments.core.cache_figures import CacheStats, CacheUsage, MeasuredUsage
from deployments.core.counted_use import CountBatch
from deployments.core.detached_task import detached_task
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope, SegmentKey
from deployments.core.ports import CounterStore, UsageMeter
from deployments.rag.stats import cache_stats

log = logging.getLogger(__name__)

K = TypeVar("K")
N = TypeVar("N", int, float)

_MAX_SCOPES = 1024
"""Views kept in memory; the least recently used is dropped first."""


@dataclass(slots=True)
class _View:
    """What this process knows and has counted of one scope. Times are the owner's clock."""

    known: dict[str, float] = field(default_factory=dict)
    """The cluster's counters, as the store last returned them."""
    pending: dict[str, float] = field(default_factory=dict)
    """Increments that the store is not known to have."""
    uses: dict[SegmentKey, int] = field(default_factory=dict)
    """The cluster's uses of segments, as last measured, with those that this process has sent since."""
    pending_uses: dict[SegmentKey, int] = field(default_factory=dict)
    """Uses that the store is not known to have."""
    writer: str = field(default_factory=lambda: token_hex(8))
    """Names this process in the scope's batches."""
    batches: int = 0
    """Batches made so far."""
    sent: CountBatch | None = None
    """The batch that was sent but not confirmed; None where there is none."""
    usage: CacheUsage | None = None
    """What the scope's segments occupy, as last measured."""
    tried_at_s: float | None = None
    """When this process last read what was measured, successfully or not."""
    measured_at_s: float | None = None
    """When `usage` was measured, in any process."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while counters are exchanged or reset."""
    sync: asyncio.Task[str | None] | None = None
    """The last synchronisation; its result is why the store could not be used, or None."""
    measuring: asyncio.Task[None] | None = None
    """The last reading of what was measured, which may still run."""

    def next_batch(self) -> CountBatch:
        """A batch of all that is pending. It stays pending until the store confirms the batch."""
        self.batches += 1
        return CountBatch(self.writer, self.batches, dict(self.pending), dict(self.pending_uses))


class SharedCounts:
    """Counters and uses of segments, by scope. Belongs to one event loop."""

    def __init__(
        self,
        store: CounterStore,
        meter: UsageMeter,
        clock: Callable[[], float],
        *,
        counts_uses: bool = True,
        read_every_s: float = 30.0,
    ) -> None:
        """`clock` gives monotonic seconds. Uses of segments are counted, and read back, only if
        `counts_uses`: few orders look at them.
        """
        self._store = store
        self._meter = meter
        self._counts_uses = counts_uses
        self._clock = clock
        self._read_every_s = read_every_s
        self._views: OrderedDict[Scope, _View] = OrderedDict()

    def record(self, scope: Scope, increments: Mapping[str, float], used: Iterable[SegmentKey]) -> None:
        """Adds one prompt's increments and the segments it used, and starts a synchronisation."""
        view = self._view(scope)
        _add(view.pending, increments)
        if self._counts_uses:
            _add(view.pending_uses, dict.fromkeys(used, 1))
        if view.sync is None or view.sync.done():
            view.sync = detached_task(self._sync(scope, view))
        due = view.tried_at_s is None or self._clock() - view.tried_at_s >= self._read_every_s
        if due and (view.measuring is None or view.measuring.done()):
            view.measuring = asyncio.get_running_loop().create_task(self._measure(scope, view))

    async def settled(self, scope: Scope) -> str | None:
        """Waits for the synchronisation under way; returns why it could not use the store, or None."""
        view = self._view(scope)
        if view.sync is None:
            return None
        return await asyncio.shield(view.sync)

    def uses(self, scope: Scope, keys: Iterable[SegmentKey]) -> list[int]:
        """How often each segment was used, as far as this process knows."""
        view = self._view(scope)
        return [view.uses.get(key, 0) + view.pending_uses.get(key, 0) for key in keys]

    def stats(self, scope: Scope) -> CacheStats:
        """The cluster's figures as last known, plus what is pending in this process."""
        view = self._view(scope)
        totals = dict(view.known)
        _add(totals, view.pending)
        age_s = None if view.measured_at_s is None else round(self._clock() - view.measured_at_s, 3)
        return cache_stats(totals, view.usage, age_s)

    async def fresh_stats(self, scope: Scope) -> CacheStats:
        """As `stats`, after counters were exchanged and, if that is allowed now, usage was measured.

        Raises CacheUnavailable.
        """
        view = self._view(scope)
        async with view.lock:
            await self._exchange(scope, view)
        await self._read(scope, view, self._meter.fresh)
        return self.stats(scope)

    async def reset(self, scope: Scope) -> None:
        """Sets the cluster's counters of a scope to zero. Raises CacheUnavailable."""
        view = self._view(scope)
        async with view.lock:
            counted = dict(view.pending)
            await self._store.reset(scope)
            view.known = {}
            _subtract(view.pending, counted)
            if view.sent is not None:
                view.sent = replace(view.sent, increments={})

    def _view(self, scope: Scope) -> _View:
        view = self._views.setdefault(scope, _View())
        self._views.move_to_end(scope)
        if len(self._views) > _MAX_SCOPES:
            self._views.popitem(last=False)
        return view

    async def _sync(self, scope: Scope, view: _View) -> str | None:
        try:
            async with view.lock:
                await self._exchange(scope, view)
        except CacheUnavailable as error:
            log.debug("counters of %s stay pending in this process: %s", scope, error)
            return error.message
        if view.pending or view.pending_uses:
            view.sync = detached_task(self._sync(scope, view))
        return None

    async def _measure(self, scope: Scope, view: _View) -> None:
        try:
            await self._read(scope, view, self._meter.known)
        except CacheUnavailable as error:
            log.debug("what the cache of %s occupies can't be read now: %s", scope, error)

    async def _read(
        self, scope: Scope, view: _View, measured: Callable[[Scope], Awaitable[MeasuredUsage | None]]
    ) -> None:
        view.tried_at_s = self._clock()
        found = await measured(scope)
        if found is not None:
            view.usage = found.usage
            view.measured_at_s = self._clock() - found.age_s
        if self._counts_uses:
            view.uses = await self._store.popularity(scope)

    async def _exchange(self, scope: Scope, view: _View) -> None:
        """Sends what is pending and gets the totals.

        A batch that failed is sent first, unchanged: it may have arrived, and the store counts it only
        once.
        """
        if view.sent is not None:
            await self._send(scope, view, view.sent)
        view.sent = view.next_batch()
        await self._send(scope, view, view.sent)

    async def _send(self, scope: Scope, view: _View, batch: CountBatch) -> None:
        view.known = await self._store.record(scope, batch)
        view.sent = None
        _subtract(view.pending, batch.increments)
        _subtract(view.pending_uses, batch.uses)
        _add(view.uses, batch.uses)


def _add(totals: dict[K, N], more: Mapping[K, N]) -> None:
    for name, amount in more.items():
        totals[name] = totals[name] + amount if name in totals else amount


def _subtract(totals: dict[K, N], less: Mapping[K, N]) -> None:
    for name, amount in less.items():
        totals[name] -= amount
        if not totals[name]:
            del totals[name]
