"""The history of what answers reused, in Redis: one string of fixed length for each scope.

A span is a ring of slots, one for each step; the rings follow each other in the string. A slot has the
number of its step (Unix time divided by the step's length) and the counts, as little-endian 32-bit integers.
A slot with an old number counts as empty, so nothing has to clear it. Redis's own clock decides on the step.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import astuple, fields

from deployments.core.cache_history import DAY, HOUR, CacheHistory, History, ReuseCounts, Span
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope
from deployments.redis.connection import WRONG_TYPE, RedisLink, expect
from deployments.redis.walking import unlinked
from deployments.token_cache.keys import history_name

_COUNTS = len(fields(ReuseCounts))
_SLOT = struct.Struct(f"<{1 + _COUNTS}I")
_DAY_AT = HOUR.steps * _SLOT.size
"""Where the second ring begins."""
SIZE = _DAY_AT + DAY.steps * _SLOT.size
"""Bytes of a scope's history."""
KEPT_S = DAY.step_s * DAY.steps
"""How long a history is kept after its last change. With a TTL, Redis may evict it under memory pressure."""

_ADD = """
local now, counts = tonumber(redis.call('TIME')[1]), tonumber(ARGV[2])
local slot = 4 * (1 + counts)
for ring = 3 + counts, #ARGV, 3 do
  local number = math.floor(now / ARGV[ring])
  local at = ARGV[ring + 2] + number % ARGV[ring + 1] * slot
  local stored = redis.pcall('GETRANGE', KEYS[1], at, at + slot - 1)
  if type(stored) == 'table' then return stored end
  local same = #stored == slot and struct.unpack('<I4', stored) == number
  local packed = struct.pack('<I4', number)
  for i = 1, counts do
    local before = same and struct.unpack('<I4', stored, 1 + 4 * i) or 0
    packed = packed .. struct.pack('<I4', math.min(before + ARGV[2 + i], 4294967295))
  end
  redis.call('SETRANGE', KEYS[1], at, packed)
end
return redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
"""Adds counts to the present slot of each ring of KEYS[1]. ARGV: the TTL, how many counts, the counts, and
for each ring the length of a step, the number of steps and the position in the string."""


class RedisHistory:
    """Implements `HistoryWriter` and `ReuseHistory`. All methods raise CacheUnavailable."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def add(self, counts: Mapping[Scope, ReuseCounts]) -> None:
        """Adds counts to all scopes in one round trip."""
        rings = (*HOUR, 0, *DAY, _DAY_AT)
        names = [history_name(scope) for scope in counts]
        replies = await self._link.call(
            *(
                ("EVAL", _ADD, 1, name, KEPT_S, _COUNTS, *astuple(added), *rings)
                for name, added in zip(names, counts.values(), strict=True)
            )
        )
        wrong = [name for name, reply in zip(names, replies, strict=True) if reply is WRONG_TYPE]
        if wrong:
            await self._delete_unusable(*wrong)

    async def history(self, scope: Scope) -> CacheHistory:
        """Reads a scope's history in one round trip."""
        name = history_name(scope)
        clock, stored = await self._link.call(("TIME",), ("GETRANGE", name, 0, SIZE - 1))
        if stored is WRONG_TYPE:
            await self._delete_unusable(name)
        return unpacked(expect(bytes, stored), int(expect(tuple, clock)[0]))

    async def _delete_unusable(self, *names: str) -> None:
        await unlinked(self._link, names)
        raise CacheUnavailable("a history in Redis could not be read and was deleted")


def unpacked(stored: bytes, now_unix_s: int) -> CacheHistory:
    """The history in a string, as read at this time. What a shorter string lacks counts as empty."""
    rings = stored[:SIZE].ljust(SIZE, b"\0")
    return CacheHistory(
        _history(rings[:_DAY_AT], HOUR, now_unix_s), _history(rings[_DAY_AT:], DAY, now_unix_s)
    )


def _history(ring: bytes, span: Span, now_s: int) -> History:
    last = now_s // span.step_s
    first = last - span.steps + 1
    counts = {number: ReuseCounts(*values) for number, *values in _SLOT.iter_unpack(ring)}
    steps = tuple(counts.get(number, ReuseCounts()) for number in range(first, last + 1))
    return History(span.step_s, first * span.step_s, steps)
