"""Cluster-wide counters and popularity in Redis. Neither expires; both are bounded here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope, SegmentKey
from deployments.token_cache.connection import WRONG_TYPE, Command, RedisLink, Reply, expect, parsed
from deployments.token_cache.keys import counters_name, popularity_name

KEPT_SEGMENTS = 20_000
"""Segments whose popularity survives a trim, per scope."""

READ_SEGMENTS = 5_000
"""Segments that `popularity` returns."""


def trim_above(kept: int) -> int:
    """The size at which a scope's popularity is trimmed to `kept`.

    The room between is where newcomers gather uses: were each addition trimmed at once, a segment new
    to a full set would be dropped at its first use, every time.
    """
    return kept + kept // 4


class RedisCounterStore:
    """A `CounterStore`."""

    def __init__(self, link: RedisLink, *, kept: int = KEPT_SEGMENTS, read: int = READ_SEGMENTS) -> None:
        self._link = link
        self._kept = kept
        self._read = read

    async def add(self, scope: Scope, increments: Mapping[str, float]) -> None:
        """See `CounterStore`."""
        if increments:
            name = counters_name(scope)
            fields = increments.items()
            await self._call(name, *(("HINCRBYFLOAT", name, f, by) for f, by in fields))

    async def read(self, scope: Scope) -> dict[str, float]:
        """See `CounterStore`."""
        name = counters_name(scope)
        (reply,) = await self._call(name, ("HGETALL", name))
        return parsed(_floats, reply)

    async def reset(self, scope: Scope) -> None:
        """See `CounterStore`."""
        await self._link.call(("UNLINK", counters_name(scope)))

    async def bump(self, scope: Scope, uses: Mapping[SegmentKey, int]) -> None:
        """See `CounterStore`."""
        if not uses:
            return
        name = popularity_name(scope)
        additions = [("ZINCRBY", name, count, key) for key, count in uses.items()]
        *_, size = await self._call(name, *additions, ("ZCARD", name))
        if expect(int, size) > trim_above(self._kept):
            await self._call(name, ("ZREMRANGEBYRANK", name, 0, -self._kept - 1))

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        """See `CounterStore`; most used first."""
        name = popularity_name(scope)
        (reply,) = await self._call(name, ("ZREVRANGE", name, 0, self._read - 1, "WITHSCORES"))
        return parsed(_uses, reply)

    async def _call(self, name: str, *commands: Command) -> list[Reply]:
        """A round trip on one key, which is deleted when it is of another type: the next call works."""
        replies = await self._link.call(*commands)
        if WRONG_TYPE in replies:
            await self._link.call(("UNLINK", name))
            raise CacheUnavailable("counters were of a wrong type; they start anew")
        return replies


def _floats(fields: Mapping[bytes, bytes]) -> dict[str, float]:
    return {field.decode(): float(value) for field, value in fields.items()}


def _uses(flat: Sequence[bytes]) -> dict[SegmentKey, int]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {SegmentKey(key.decode()): int(float(uses)) for key, uses in pairs}
