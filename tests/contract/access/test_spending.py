"""What every Spending does, in Redis and in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from deployments.access.local_spending import LocalSpending
from deployments.access.redis_spending import RedisSpending
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import TenantId
from deployments.core.quotas import RULES, Claim, Quota, Spending
from deployments.redis.connection import RedisLink
from tests.contract.conftest import REDIS
from tests.fakes import FakeClock
from tests.redis_topologies import all_names, emptied

ACME, OTHER = TenantId("acme"), TenantId("acme2")
FLIGHT, UPLOADS = Quota.REQUESTS_IN_FLIGHT, Quota.UPLOADS_IN_FLIGHT
REQUESTS, PROMPT = Quota.REQUESTS_PER_MINUTE, Quota.PROMPT_TOKENS_PER_MINUTE
DAILY = Quota.PROMPT_TOKENS_PER_DAY
RESERVED = RULES[PROMPT].reserved


@pytest.fixture(params=["memory", *REDIS])
async def spending(
    request: pytest.FixtureRequest, redis_servers: Callable[[str], str]
) -> AsyncIterator[Spending]:
    if request.param == "memory":
        yield LocalSpending(100.0, time.time)
        return
    async with emptied(redis_servers(request.param)) as link:
        yield RedisSpending(link, 100.0)


def claim(
    number: int, adds: Mapping[Quota, int], limits: Mapping[Quota, int], tenant: TenantId = ACME
) -> Claim:
    return Claim(tenant, f"claim-{number}", adds, limits)


async def refused(spending: Spending, number: int, /, tenant: TenantId = ACME, **limits: int) -> Quota | None:
    """Claims 1 of each quota in `limits`, and of tokens nothing but what is reserved."""
    bounds = {Quota(name): limit for name, limit in limits.items()}
    adds = {quota: 0 if quota is PROMPT else 1 for quota in bounds}
    return (await spending.claim(claim(number, adds, bounds, tenant))).refused


async def test_places_are_limited_until_they_are_released(spending: Spending) -> None:
    """By tenant; a released claim frees only its own place."""
    assert await refused(spending, 1, requests_in_flight=2) is None
    assert await refused(spending, 2, requests_in_flight=2) is None
    assert await refused(spending, 3, requests_in_flight=2) is FLIGHT
    assert await refused(spending, 3, OTHER, requests_in_flight=2) is None
    await spending.release(claim(3, {FLIGHT: 1}, {}))
    assert await refused(spending, 3, requests_in_flight=2) is FLIGHT
    await spending.release(claim(1, {FLIGHT: 1}, {}))
    assert await refused(spending, 3, requests_in_flight=2) is None


async def test_a_refused_claim_changes_nothing(spending: Spending) -> None:
    """Not even the quotas that had enough left."""
    assert await refused(spending, 1, requests_in_flight=5, requests_per_minute=1) is None
    assert await refused(spending, 2, requests_in_flight=5, requests_per_minute=1) is REQUESTS
    used = await spending.used(ACME)
    assert (used[FLIGHT].amount, used[REQUESTS].amount) == (1, 1)


async def test_running_requests_reserve_tokens_until_they_are_counted(spending: Spending) -> None:
    """Only what was counted stays after a request."""
    room: dict[str, Any] = {"requests_in_flight": 9, "prompt_tokens_per_minute": 2 * RESERVED}
    assert await refused(spending, 1, **room) is None
    assert await refused(spending, 2, **room) is None
    assert await refused(spending, 3, **room) is PROMPT
    await spending.release(claim(1, {FLIGHT: 1}, {}))
    await spending.spend(ACME, {PROMPT: 10, DAILY: 10})
    assert await refused(spending, 3, **room) is PROMPT, "10 tokens more than can be reserved"
    await spending.release(claim(2, {FLIGHT: 1}, {}))
    assert await refused(spending, 3, **room) is None
    assert (await spending.used(ACME))[PROMPT].amount == 10


async def test_spending_knows_no_limit(spending: Spending) -> None:
    """Tokens that were computed count, also when they are more than allowed; large numbers stay exact."""
    await spending.spend(ACME, {PROMPT: 2**50, DAILY: 2**50 + 1})
    await spending.spend(ACME, {PROMPT: 1})
    used = await spending.used(ACME)
    assert (used[PROMPT].amount, used[DAILY].amount) == (2**50 + 1, 2**50 + 1)
    assert await refused(spending, 1, requests_in_flight=1, prompt_tokens_per_minute=2**50) is PROMPT
    assert (await spending.used(OTHER))[PROMPT].amount == 0


async def test_windows_say_when_they_end(spending: Spending) -> None:
    """A place has no window."""
    decision = await spending.claim(
        claim(1, {FLIGHT: 1, REQUESTS: 1, DAILY: 0}, {FLIGHT: 5, REQUESTS: 5, DAILY: 10**6})
    )
    left = {quota: used.resets_in_s for quota, used in decision.used.items()}
    now_s = time.time()
    assert left[FLIGHT] == 0
    assert left[REQUESTS] == pytest.approx(60 - now_s % 60, abs=2)
    assert left[DAILY] == pytest.approx(86400 - now_s % 86400, abs=2)


async def test_claims_at_once_never_exceed_a_limit(spending: Spending) -> None:
    """Whichever come first."""
    found = await asyncio.gather(
        *(refused(spending, n, requests_in_flight=7, uploads_in_flight=5) for n in range(20))
    )
    assert found.count(None) == 5
    assert found.count(UPLOADS) == 15


async def test_a_place_that_nobody_releases_becomes_free(link: RedisLink) -> None:
    """Its process may have been killed."""
    in_redis = RedisSpending(link, 0.05)
    clock = FakeClock()
    local = LocalSpending(0.05, clock)
    for spending, wait in ((in_redis, asyncio.sleep), (local, _passing(clock))):
        assert await refused(spending, 1, requests_in_flight=1) is None
        assert await refused(spending, 2, requests_in_flight=1) is FLIGHT
        await wait(0.06)
        assert await refused(spending, 2, requests_in_flight=1) is None


def _passing(clock: FakeClock) -> Callable[[float], Awaitable[None]]:
    async def wait(seconds: float) -> None:
        clock.pass_s(seconds)

    return wait


async def test_a_window_starts_from_zero() -> None:
    """At multiples of its length."""
    clock = FakeClock()
    clock.now_s = 120.0
    local = LocalSpending(100.0, clock)
    assert await refused(local, 1, requests_per_minute=1) is None
    clock.pass_s(59.9)
    assert await refused(local, 2, requests_per_minute=1) is REQUESTS
    clock.pass_s(0.1)
    assert await refused(local, 2, requests_per_minute=1) is None


async def test_all_keys_expire_and_each_tenant_has_three(link: RedisLink) -> None:
    """So memory is bounded by the tenants of two days."""
    spending = RedisSpending(link, 1.0)
    for tenant in (ACME, OTHER):
        for number in range(5):
            adds = {FLIGHT: 1, UPLOADS: 1, REQUESTS: 1}
            await spending.claim(claim(number, adds, dict.fromkeys(adds, 10), tenant))
    names = await all_names(link)
    assert len(names) == 6
    for name in names:
        (left_s,) = await link.call(("TTL", name))
        assert isinstance(left_s, int)
        assert 86400 < left_s <= 2 * 86400


async def test_unreadable_counts_are_deleted(link: RedisLink) -> None:
    """The next claim works."""
    await link.call(("SET", "warmline:quota:{acme}:windows", "x"))
    spending = RedisSpending(link, 1.0)
    with pytest.raises(CacheUnavailable):
        await refused(spending, 1, requests_per_minute=1)
    assert await refused(spending, 1, requests_per_minute=1) is None
