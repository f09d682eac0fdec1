"""Cluster-wide counters and popularity of segments in Redis.

Counters never expire; they are a few fields for each scope. Popularity expires, and is trimmed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn, TypeAlias, TypeVar

from deployments.core.counted_use import CountBatch
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope, SegmentKey
from deployments.redis.connection import WRONG_TYPE, Command, RedisLink, Reply, expect, parsed
from deployments.redis.walking import unlinked
from deployments.token_cache.keys import counted_name, counters_name, popularity_name

T = TypeVar("T")
Pairs: TypeAlias = Iterable[tuple[str | float, str | float]]

KEPT_SEGMENTS = 5_000
"""Segments of a scope whose popularity survives a trim."""

READ_SEGMENTS = 2_000
"""The most segments that `popularity` returns."""

POPULARITY_TTL_S = 30 * 86_400
"""How long a scope's popularity is kept after its last use. With a TTL, Redis may evict it under memory
pressure, which bounds all scopes together."""

BATCH_NUMBER_TTL_S = 86_400
"""How long the number of a writer's last batch is kept, so that a repeated batch is not counted twice."""

_ADD_ONCE = """
local add, read, number, number_ttl_s, ttl_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if #ARGV > 5 and (tonumber(redis.pcall('GET', KEYS[2])) or 0) < tonumber(number) then
  for i = 6, #ARGV, 2 do
    local reply = redis.pcall(add, KEYS[1], ARGV[i], ARGV[i + 1])
    if type(reply) == 'table' then return reply end
  end
  redis.call('SET', KEYS[2], number, 'EX', number_ttl_s)
  if tonumber(ttl_s) > 0 then redis.call('EXPIRE', KEYS[1], ttl_s) end
end
return redis.pcall(read, KEYS[1])
"""
"""Adds pairs to KEYS[1], unless the number in KEYS[2] shows that their batch was added before.

A TTL other than 0 is then given to KEYS[1].

Replies with what the command `read` replies on KEYS[1]. A table as reply of `add` is an error.
"""


def trim_above(kept: int) -> int:
    """Returns the size above which a set is trimmed to `kept` members.

    It is larger than `kept`, because a new segment needs time to gather uses: if every addition trimmed
    a full set, a new segment would always be dropped at its first use.
    """
    return kept + kept // 4


class RedisCounterStore:
    """Implements `CounterStore`. All methods raise CacheUnavailable.

    `kept` segments of a scope survive a trim; `read` is the most that `popularity` returns.
    """

    def __init__(self, link: RedisLink, *, kept: int = KEPT_SEGMENTS, read: int = READ_SEGMENTS) -> None:
        self._link = link
        self._kept = kept
        self._read = read

    async def record(self, scope: Scope, batch: CountBatch) -> dict[str, float]:
        """Adds a batch once, in one round trip, and returns all counters."""
        counters, popularity = counters_name(scope), popularity_name(scope)
        fields = batch.increments.items()
        additions = {counters: _add_once(counters, batch, "HINCRBYFLOAT", "HGETALL", fields)}
        if batch.uses:
            scores = ((count, key) for key, count in batch.uses.items())
            additions[popularity] = _add_once(
                popularity, batch, "ZINCRBY", "ZCARD", scores, ttl_s=POPULARITY_TTL_S
            )
        totals, *sizes = await self._call(additions)
        if any(expect(int, size) > trim_above(self._kept) for size in sizes):
            await self._call({popularity: ("ZREMRANGEBYRANK", popularity, 0, -self._kept - 1)})
        return await self._parsed(counters, _floats, totals)

    async def reset(self, scope: Scope) -> None:
        """Deletes a scope's counters, not its popularity."""
        await self._link.call(("UNLINK", counters_name(scope)))

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        """Returns the uses of the most used segments, most used first."""
        name = popularity_name(scope)
        (reply,) = await self._call({name: ("ZREVRANGE", name, 0, self._read - 1, "WITHSCORES")})
        return await self._parsed(name, _uses, reply)

    async def _call(self, commands: Mapping[str, Command]) -> list[Reply]:
        """Sends one command per key in one round trip. Deletes keys of the wrong type, then raises."""
        replies = await self._link.call(*commands.values())
        wrong = [name for name, reply in zip(commands, replies, strict=True) if reply is WRONG_TYPE]
        if wrong:
            await self._delete_unusable(*wrong)
        return replies

    async def _parsed(self, name: str, parse: Callable[[Sequence[bytes]], T], reply: Reply) -> T:
        """Parses the content of the key `name`. Deletes a key that cannot be parsed, then raises."""
        flat = expect(list, reply)
        try:
            return parsed(parse, flat)
        except CacheUnavailable:
            await self._delete_unusable(name)

    async def _delete_unusable(self, *names: str) -> NoReturn:
        """Deletes keys, so that the next call works. Always raises CacheUnavailable."""
        await unlinked(self._link, names)
        raise CacheUnavailable("counters in Redis could not be read and were deleted")


def _add_once(name: str, batch: CountBatch, add: str, read: str, pairs: Pairs, *, ttl_s: int = 0) -> Command:
    """Returns a command that adds each pair with the command `add` and replies as the command `read`.

    It gives the key a TTL, unless that is 0.
    """
    keys = (name, counted_name(name, batch.writer))
    flat = (part for pair in pairs for part in pair)
    head = (add, read, batch.number, BATCH_NUMBER_TTL_S, ttl_s)
    return ("EVAL", _ADD_ONCE, len(keys), *keys, *head, *flat)


def _floats(flat: Sequence[bytes]) -> dict[str, float]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    counters = {field.decode(): float(value) for field, value in pairs}
    if not all(map(math.isfinite, counters.values())):
        raise ValueError("a counter is not finite")
    return counters


def _uses(flat: Sequence[bytes]) -> dict[SegmentKey, int]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {SegmentKey(key.decode()): int(float(uses)) for key, uses in pairs}
