"""The ACL that ships allows all that the application does in Redis, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from deployments.access.redis_spending import RedisSpending
from deployments.core.cache_history import ReuseCounts
from deployments.core.counted_use import CountBatch
from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.quotas import PLACES, RULES, Claim
from deployments.redis.connection import RedisLink
from deployments.retrieval.cached_retriever import RetrievalKey
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.token_cache import counters, hot_paths
from deployments.token_cache.cluster_usage import ClusterUsage
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.history import RedisHistory
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.fakes import a_passage
from tests.integration.redis.redis_peers import PATIENT_S, opened
from tests.redis_topologies import Topology, cluster, one_server, sentinel_group

ACL = Path(__file__).parents[3] / "serve_app" / "config" / "redis_acl.txt"
A = Scope(TenantId("a"), CollectionName("kb"))
ONE, TWO = SegmentKey("1" * 48), SegmentKey("2" * 48)


USERS = [
    line.removeprefix("# ").split()[1:] for line in ACL.read_text().splitlines() if "user warmline on" in line
]
"""Of the Sentinels, and of the servers with data."""
KINDS: dict[str, Callable[[Path], AbstractContextManager[Topology]]] = {
    "server": one_server,
    "sentinel": partial(sentinel_group, sentinels=1),
    "cluster": cluster,
}


@pytest.fixture(params=KINDS)
async def link(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisLink]:
    """As the user of the ACL, on servers that have another application's key."""
    of_sentinels, of_servers = USERS
    with KINDS[request.param](tmp_path) as servers:
        async with opened(servers.url, timeout_s=PATIENT_S) as admin:
            await admin.call(("SET", "other:key", "x"))
        for process in servers.sentinels:
            process.ask("ACL", "SETUSER", *of_sentinels)
            process.ask("ACL", "SETUSER", "default", "off")
        for process in servers.servers:
            process.ask("ACL", "SETUSER", *of_servers)
        url = servers.url.replace("//", "//warmline:CHANGE-ME@", 1)
        if servers.sentinels:
            url += "?sentinel_username=warmline&sentinel_password=CHANGE-ME"
        async with opened(url, timeout_s=PATIENT_S) as link:
            yield link


async def test_all_that_the_application_does_is_allowed(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each store's calls, trims included."""
    for module in (counters, hot_paths):
        monkeypatch.setattr(module, "trim_above", lambda kept: 0)
    segments = RedisSegmentStore(link)
    await segments.put_many(A, {ONE: b"x", TWO: b"y"}, 60)
    assert await segments.get_many(A, [ONE]) == [b"x"]
    assert await segments.delete_many(A, [ONE]) == 1
    usage = ClusterUsage(link)
    assert await usage.fresh(A) is not None
    await usage.close()
    assert await segments.clear(A.tenant, None) == 1
    counted = RedisCounterStore(link)
    assert await counted.record(A, CountBatch("w", 1, {"hits": 2.0}, {ONE: 1})) == {"hits": 2.0}
    assert await counted.popularity(A) == {ONE: 1}
    await counted.reset(A)
    paths = RedisHotPaths(link, kept_scopes=1)
    await paths.record({A: [(ONE,)] * 2, Scope(TenantId("b"), A.collection): [(ONE,)]})
    await paths.replace(A, {ONE: TWO})
    assert await paths.hottest(5)
    retrievals, key = RedisRetrievalStore(link), RetrievalKey(SearchQuery(A, "question", 5), "state", "")
    found = Retrieval((a_passage(0),), 7, "state")
    await retrievals.put(key, found, 60)
    assert await retrievals.get(key) == found
    assert await retrievals.forget(A, 8) == 1
    await retrievals.put(key, replace(found, generation=8), 60)
    assert await retrievals.clear(A.tenant, A.collection) == 1
    history = RedisHistory(link)
    await history.add({A: ReuseCounts(1, 5, 0, 1000, 900, 50)})
    assert (await history.history(A)).hour.steps[-1].answers == 1
    spending, every = RedisSpending(link, 60.0), dict.fromkeys(RULES, 1)
    claim = Claim(A.tenant, "claim", dict.fromkeys(PLACES, 1) | every, {})
    await spending.claim(claim)
    await spending.spend(A.tenant, every)
    await spending.release(claim)
    assert await spending.used(A.tenant)
    await segments.ping()
    for shard in await link.shards():
        await shard.call(("INFO",))


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "other:key"),
        ("SET", "other:key", "y"),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, "other:key"),
        ("EVAL", "return redis.call('FLUSHALL')", 1, "other:key"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("MONITOR",),
        ("ACL", "LIST"),
        ("PUBLISH", "channel", "x"),
        ("CLUSTER", "RESET"),
    ],
)
@pytest.mark.parametrize("link", ["server"], indirect=True)
async def test_nothing_else_is(link: RedisLink, command: tuple[str, ...]) -> None:
    """Not even through a script."""
    (shard,) = await link.shards()
    with pytest.raises(CacheUnavailable, match="refuses"):
        await shard.call(command)
