"""Hosts whose wall clocks are ten minutes apart: leases, deadlines, times, usage and history are not harmed.

All parts run in this process. Each gets the clock of its host by the module that asks for the time.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from secrets import token_hex

import pytest

from deployments.access.local_spending import LocalSpending
from deployments.access.usage_store import UsageStore
from deployments.core.cache_history import ReuseCounts
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.usage import DAY_S, Amounts, UsageField, UsageQuery
from deployments.rag.usage_reports import UsageReports
from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.token_cache.history import RedisHistory
from tests.abuse.attacked import Attacked

pytestmark = pytest.mark.system

APART_S = 600.0
HOSTS = {"deployments.rag": -APART_S, "deployments.knowledge": APART_S, "deployments.access": APART_S}
"""How far a host's clock is from the true time, by the beginning of its modules' names; 0 for the others."""
ACME = TenantId("acme")


@pytest.fixture(autouse=True)
def _clocks_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    true_s = time.time

    def of_host() -> float:
        caller = sys._getframe(1).f_globals["__name__"]
        return true_s() + next((apart for name, apart in HOSTS.items() if caller.startswith(name)), 0.0)

    monkeypatch.setattr(time, "time", of_host)


async def test_a_change_is_seen_at_once_and_times_are_true(app: Attacked) -> None:
    """An absolute deadline would be over, or the time to the first token ten minutes or negative."""
    for version in ("first", "second"):
        assert (await app.put("acme", "doc", f"reset password, {version} version")).status_code == 200
        began_s = time.monotonic()
        answer = await app.answer("acme")
        took_ms = (time.monotonic() - began_s) * 1000
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert [version in citation["snippet"] for citation in body["citations"]] == [True]
        assert all(0 <= time_ms <= took_ms for time_ms in body["timings_ms"].values())


async def test_usage_is_counted_once_on_the_day_of_the_agent(app: Attacked) -> None:
    """Also where a day has begun for one host and not for the other."""
    store = UsageStore(app.database)
    for clock_s in (20_000 * DAY_S - 1, 20_000 * DAY_S + 1, 20_000 * DAY_S - 1):
        reports = UsageReports("support", LocalSpending(60, time.time), store, partial(float, clock_s))
        reports.add(ACME, "", Amounts(1, 100, 50, 10))
        assert not await reports._store_all()
        assert not await reports._store_all()  # an empty batch
    by_day = await store.usage(UsageQuery(19_990, 20_010, (UsageField.DAY,), ACME))
    assert [(row.day, row.amounts.requests) for row in by_day] == [(19_999, 2), (20_000, 1)]


async def test_the_history_has_one_clock(tmp_path: Path) -> None:
    """That of Redis: what hosts count now is in the present step, whatever their own clocks say."""
    server = EmbeddedRedis(tmp_path)
    link = RedisLink(server.acquire(), pool_size=2, timeout_s=1.0)
    scope = Scope(ACME, CollectionName(f"c{token_hex(4)}"))
    try:
        for _ in range(3):
            await RedisHistory(link).add({scope: ReuseCounts(answers=1)})
        found = await RedisHistory(link).history(scope)
    finally:
        await link.close()
        server.release()
    assert sum(step.answers for step in found.hour.steps[-2:]) == 3  # a minute may begin meanwhile
