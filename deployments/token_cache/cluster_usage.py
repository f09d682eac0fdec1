"""What the segments of each scope occupy in Redis, measured once for all processes.

Measuring walks all names in Redis, whose one thread has no time for anything else meanwhile. So one walk
measures all scopes, one process walks at a time, and the next walk may begin only after a pause that is
`_PAUSE_FACTOR` times as long as the last walk: walks take 1 % of the server's time at most, however many
tenants and replicas there are. The results are in Redis, where each process reads them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable

from deployments.core.batches import batches
from deployments.core.cache_figures import CacheUsage, MeasuredUsage
from deployments.core.detached_task import detached_task
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope
from deployments.redis.connection import RedisLink, expect, parsed
from deployments.redis.walking import BATCH
from deployments.token_cache.keys import MEASURED, MEASURING, NEXT_MEASURED
from deployments.token_cache.redis_store import RedisSegmentStore

log = logging.getLogger(__name__)

KEPT_S = 24 * 3600
"""How long a result is kept: longer than the pause after any walk."""
OLD_S = 30.0
"""Age of a result from which a process that reads it measures again."""
_PAUSE_FACTOR = 100
_SHORTEST_PAUSE_S = 1.0
_LONGEST_WALK_S = 300
"""After this, another process may walk: the one that began has died."""
_PATIENCE_S = 2.0
"""How long a caller waits for a walk, which takes 0.4 s for a million segments on an idle server."""
_NOTHING = CacheUsage(0, 0, 0)


class ClusterUsage:
    """Reads the results, and measures when they are old. All methods raise CacheUnavailable."""

    def __init__(self, link: RedisLink, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, by which a walk's length is measured."""
        self._link = link
        # With a breaker of its own: a walk that fails on a busy server must not keep others from segments.
        self._walking_link = link.patient()
        self._clock = clock
        self._walk: asyncio.Task[None] | None = None

    async def known(self, scope: Scope) -> MeasuredUsage | None:
        """The last result, None if there is none. If it is old, starts to measure again."""
        found = await self._read(scope)
        if found is None or found.age_s > OLD_S:
            self._start_walk()
        return found

    async def fresh(self, scope: Scope) -> MeasuredUsage | None:
        """As `known`, after measuring again if the pause after the last walk is over, or nearly so.

        Waits for the walk for `_PATIENCE_S` at most; the last result is the answer then.
        """
        await asyncio.wait([self._start_walk()], timeout=_PATIENCE_S)
        return await self._read(scope)

    async def close(self) -> None:
        """Ends a walk and closes its connection, not the given link."""
        if self._walk is not None:
            self._walk.cancel()
            await asyncio.gather(self._walk, return_exceptions=True)
        await self._walking_link.close()

    async def _read(self, scope: Scope) -> MeasuredUsage | None:
        value, left_ms = await self._link.call(("HGET", MEASURED, str(scope)), ("PTTL", MEASURED))
        age_s = KEPT_S - expect(int, left_ms) / 1000
        if age_s > KEPT_S:  # the reply was negative: there is no result
            return None
        usage = _NOTHING if value is None else parsed(_usage, value)
        return MeasuredUsage(usage, max(age_s, 0.0))

    def _start_walk(self) -> asyncio.Task[None]:
        if self._walk is None or self._walk.done():
            self._walk = detached_task(self._measure())
        return self._walk

    async def _measure(self) -> None:
        """Walks, unless another process does so or the pause is not over. Logs failures."""
        try:
            if await self._may_walk():
                began_s = self._clock()
                await self._store(await RedisSegmentStore(self._walking_link).usage_by_scope())
                pause_s = max(_PAUSE_FACTOR * (self._clock() - began_s), _SHORTEST_PAUSE_S)
                await self._link.call(("PEXPIRE", MEASURING, math.ceil(1000 * pause_s)))
        except CacheUnavailable as error:
            log.debug("the segments in Redis can't be measured now: %s", error)

    async def _may_walk(self) -> bool:
        begin = ("SET", MEASURING, "1", "NX", "EX", _LONGEST_WALK_S)
        begun, left_ms = await self._link.call(begin, ("PTTL", MEASURING))
        if begun is None and expect(int, left_ms) <= 1000 * _SHORTEST_PAUSE_S:
            await asyncio.sleep(max(expect(int, left_ms), 0) / 1000)
            (begun,) = await self._link.call(begin)
        return begun is not None

    async def _store(self, usages: dict[str, CacheUsage]) -> None:
        """Replaces all results at once."""
        await self._link.call(("UNLINK", NEXT_MEASURED))
        values = [(scope, f"{u.entries} {u.tokens} {u.value_bytes}") for scope, u in usages.items()]
        for batch in batches([("", "0 0 0"), *values], BATCH):
            pairs = (part for pair in batch for part in pair)
            await self._link.call(("HSET", NEXT_MEASURED, *pairs))
        await self._link.call(("EXPIRE", NEXT_MEASURED, KEPT_S), ("RENAME", NEXT_MEASURED, MEASURED))


def _usage(value: bytes) -> CacheUsage:
    entries, tokens, value_bytes = map(int, value.split())
    return CacheUsage(entries, tokens, value_bytes)
