"""What tenants use now, in Redis, so that all replicas share one count.

A tenant has a hash with what it used in each window, and a sorted set for each kind of place: the ids of
running requests, by the time at which a place is free again even if nobody releases it. Names have a
tenant in braces, so a Redis cluster keeps them in one slot. All of them expire. Under memory pressure Redis
may evict them, and the tenant then starts from zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import TenantId, tenant_id
from deployments.core.quotas import PLACES, RULES, WINDOWED, Claim, Decision, Quota, Used, resets_in_s
from deployments.redis.connection import WRONG_TYPE, Command, RedisLink, Reply, expect
from deployments.redis.walking import unlinked

_CLAIM = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local claim_id, hold_s, keep_s = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local running = {}
for place = 2, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', now)
  running[place] = redis.call('ZCARD', KEYS[place])
end
local used, refused, fields = {}, 0, {}
for i = 4, #ARGV, 6 do
  local quota, window_s, add = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local limit, reserved = tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  local place = tonumber(ARGV[i + 5])
  local n = #used + 1
  if place > 0 then
    used[n] = running[place]
  else
    local window = string.format('%d', math.floor(now / window_s))
    local stored = redis.call('HMGET', KEYS[1], quota, quota .. '@')
    local amount = stored[2] == window and tonumber(stored[1]) or 0
    fields[n] = {quota, window, amount + add}
    used[n] = amount + running[2] * reserved
  end
  local needed = math.max(add, reserved, 1)
  if refused == 0 and limit >= 0 and used[n] + needed > limit then refused = n end
end
if refused == 0 then
  local n = 0
  for i = 4, #ARGV, 6 do
    n = n + 1
    local add, reserved, place = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
    if add > 0 and place > 0 then
      redis.call('ZADD', KEYS[place], now + hold_s, claim_id)
      redis.call('EXPIRE', KEYS[place], keep_s)
    elseif add > 0 then
      local quota, window, amount = unpack(fields[n])
      redis.call('HSET', KEYS[1], quota, string.format('%.0f', amount), quota .. '@', window)
      redis.call('EXPIRE', KEYS[1], keep_s)
    end
    used[n] = used[n] + add + (claim_id ~= '' and reserved or 0)
  end
end
return {string.format('%.3f', now), refused, used}
"""
"""Decides about a claim on KEYS[1], the tenant's windows, and KEYS[2] and later, its places.

After the claim's id, the seconds that it holds its places and the seconds that keys are kept, ARGV has six
values for each quota: name, window_s (0 for a place), amount, limit (-1: none), what each running request
reserves, and the position in KEYS of a place (0 for a window). Replies with the time, the number of the
refused quota or 0, and what is used of each.
"""
_KEPT_S = 2 * 24 * 3600
"""How long a tenant's keys are kept after its last request: longer than the longest window."""


class RedisSpending:
    """Implements `Spending`. A place that is not released is free after `hold_s` seconds."""

    def __init__(self, link: RedisLink, hold_s: float = 0.0) -> None:
        self._link = link
        self._hold_s = hold_s

    async def claim(self, claim: Claim) -> Decision:
        """Checks and adds a claim in one round trip."""
        return await self._run(claim, {quota: RULES[quota].reserved for quota in claim.adds})

    async def release(self, claim: Claim) -> None:
        """Gives a claim's places back."""
        held = [place for place in PLACES if claim.adds.get(place)]
        commands = [("ZREM", _name(claim.tenant, place), claim.claim_id) for place in held]
        if commands:
            await self._link.call(*commands)

    async def spend(self, tenant: TenantId, amounts: Mapping[Quota, int]) -> None:
        """Adds to windows in one round trip."""
        await self._run(Claim(tenant, "", amounts, {}), {})

    async def used(self, tenant: TenantId) -> Mapping[Quota, Used]:
        """Reads all quotas in one round trip."""
        nothing = dict.fromkeys((*PLACES, *WINDOWED), 0)
        return (await self._run(Claim(tenant, "", nothing, {}), {})).used

    async def _run(self, claim: Claim, reserved: Mapping[Quota, int]) -> Decision:
        names = [_name(claim.tenant, kind) for kind in ("windows", *PLACES)]
        (reply,) = await self._link.call(_command(names, claim, reserved, self._hold_s))
        if reply is WRONG_TYPE:
            await unlinked(self._link, names)
            raise CacheUnavailable("a tenant's counts in Redis could not be read and were deleted")
        return _decision(tuple(claim.adds), reply)


def _name(tenant: TenantId, kind: str) -> str:
    return f"warmline:quota:{{{tenant_id(tenant)}}}:{kind}"


def _command(names: Sequence[str], claim: Claim, reserved: Mapping[Quota, int], hold_s: float) -> Command:
    flat = [
        part
        for quota, add in claim.adds.items()
        for part in (
            quota.value,
            RULES[quota].window_s,
            add,
            claim.limits.get(quota, -1),
            reserved.get(quota, 0),
            PLACES.index(quota) + 2 if quota in PLACES else 0,
        )
    ]
    return ("EVAL", _CLAIM, len(names), *names, claim.claim_id, hold_s, _KEPT_S, *flat)


def _decision(quotas: Sequence[Quota], reply: Reply) -> Decision:
    now, refused, used = expect(list, reply)
    now_s, number = float(expect(bytes, now)), expect(int, refused)
    found = {
        quota: Used(int(amount), resets_in_s(RULES[quota].window_s, now_s))
        for quota, amount in zip(quotas, expect(list, used), strict=True)
    }
    return Decision(found, quotas[number - 1] if number else None)
