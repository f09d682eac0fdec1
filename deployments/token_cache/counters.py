"""Cluster-wide counters and popularity in Redis. Neither expires; both are bounded here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn, TypeAlias, TypeVar

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope, SegmentKey
from deployments.core.messages import CountBatch
from deployments.redis.connection import WRONG_TYPE, Command, RedisLink, Reply, expect, parsed
from deployments.token_cache.keys import counted_name, counters_name, popularity_name

T = TypeVar("T")
Pairs: TypeAlias = Iterable[tuple[str | float, str | float]]

KEPT_SEGMENTS = 20_000
"""Segments whose popularity survives a trim, per scope."""

READ_SEGMENTS = 5_000
"""Segments that `popularity` returns."""

REMEMBERED_S = 86_400
"""How long a batch that was counted is known by its number, and so not counted when it comes again."""

_ADD_ONCE = """
local adding, answering, number, remembered_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if #ARGV > 4 and (tonumber(redis.pcall('GET', KEYS[2])) or 0) < tonumber(number) then
  for i = 5, #ARGV, 2 do
    local reply = redis.pcall(adding, KEYS[1], ARGV[i], ARGV[i + 1])
    if type(reply) == 'table' then return reply end
  end
  redis.call('SET', KEYS[2], number, 'EX', remembered_s)
end
return redis.pcall(answering, KEYS[1])
"""
"""Adds pairs to KEYS[1] unless KEYS[2] has their number already. A table for a reply is an error."""


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

    async def record(self, scope: Scope, batch: CountBatch) -> dict[str, float]:
        """See `CounterStore`."""
        counters, popularity = counters_name(scope), popularity_name(scope)
        fields = batch.increments.items()
        additions = {counters: _add_once(counters, batch, "HINCRBYFLOAT", "HGETALL", fields)}
        if batch.uses:
            scores = ((count, key) for key, count in batch.uses.items())
            additions[popularity] = _add_once(popularity, batch, "ZINCRBY", "ZCARD", scores)
        totals, *sizes = await self._call(additions)
        if any(expect(int, size) > trim_above(self._kept) for size in sizes):
            await self._call({popularity: ("ZREMRANGEBYRANK", popularity, 0, -self._kept - 1)})
        return await self._parsed(counters, _floats, totals)

    async def reset(self, scope: Scope) -> None:
        """See `CounterStore`."""
        await self._link.call(("UNLINK", counters_name(scope)))

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        """See `CounterStore`; most used first."""
        name = popularity_name(scope)
        (reply,) = await self._call({name: ("ZREVRANGE", name, 0, self._read - 1, "WITHSCORES")})
        return await self._parsed(name, _uses, reply)

    async def _call(self, commands: Mapping[str, Command]) -> list[Reply]:
        """A round trip of one command a key. Keys of another type start anew."""
        replies = await self._link.call(*commands.values())
        wrong = [name for name, reply in zip(commands, replies, strict=True) if reply is WRONG_TYPE]
        if wrong:
            await self._start_anew(*wrong)
        return replies

    async def _parsed(self, name: str, parse: Callable[[Sequence[bytes]], T], reply: Reply) -> T:
        """What `parse` makes of a key's content. A key that holds what cannot be read starts anew."""
        flat = expect(list, reply)
        try:
            return parsed(parse, flat)
        except CacheUnavailable:
            await self._start_anew(name)

    async def _start_anew(self, *names: str) -> NoReturn:
        """Deletes keys, so that the next call works. Raises CacheUnavailable."""
        await self._link.call(("UNLINK", *names))
        raise CacheUnavailable("counters were of a wrong type; they start anew")


def _add_once(name: str, batch: CountBatch, adding: str, answering: str, pairs: Pairs) -> Command:
    """Adds a batch's pairs to a key with one command each, and answers with another command's reply."""
    keys = (name, counted_name(name, batch.writer))
    flat = (part for pair in pairs for part in pair)
    return ("EVAL", _ADD_ONCE, len(keys), *keys, adding, answering, batch.number, REMEMBERED_S, *flat)


def _floats(flat: Sequence[bytes]) -> dict[str, float]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    counters = {field.decode(): float(value) for field, value in pairs}
    if not all(map(math.isfinite, counters.values())):
        raise ValueError("a counter is not finite")
    return counters


def _uses(flat: Sequence[bytes]) -> dict[SegmentKey, int]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {SegmentKey(key.decode()): int(float(uses)) for key, uses in pairs}
