"""Servers are killed while a client asks: that costs hits, never an answer, and soon nothing."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from pathlib import Path

import pytest

from deployments.access.redis_spending import RedisSpending
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import TenantId
from deployments.redis import replication
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.integration.redis.asking import SCOPE, TEXTS, Asking, asking
from tests.integration.redis.redis_peers import KEYS, PATIENT_S, opened
from tests.redis_topologies import cluster, one_server, sentinel_group, until

ALL = len(TEXTS)
BOUND_S = 1.5
"""An answer makes three calls to Redis of at most 0.3 s each; the rest is for a busy machine."""


@pytest.fixture(params=["valkey", pytest.param("redis-server", marks=pytest.mark.system)])
def binary(request: pytest.FixtureRequest) -> Path | None:
    """The program of the servers; None: the embedded one."""
    found = shutil.which(request.param)
    return Path(found) if found else None


def bounded_and_right(told: Asking) -> bool:
    print(told)
    return told.wrong == 0 and told.longest_s < BOUND_S


async def test_a_replica_of_a_sentinel_group_takes_over(tmp_path: Path, binary: Path | None) -> None:
    """The master that comes back empty is not asked."""
    with sentinel_group(tmp_path, binary=binary) as group:
        master = group.servers[0]
        async with asking(group.url) as told:
            await told.until(lambda hits: hits == ALL)
            master.kill()
            await told.until(lambda hits: hits == 0)
            await told.until(lambda hits: hits == ALL)
            await asyncio.to_thread(master.start)
            told.seen.clear()
            await asyncio.sleep(0.5)
            assert told.seen == {ALL}
    assert bounded_and_right(told)


async def test_a_replica_in_a_cluster_takes_over(tmp_path: Path, binary: Path | None) -> None:
    """With the entries. Later the first primary takes over again."""
    with cluster(tmp_path, replicas=True, binary=binary) as servers:
        async with asking(servers.url) as told:
            await told.until(lambda hits: hits == ALL)
            killed, replica = servers.servers[0], servers.servers[3]
            for server in (killed, replica):
                server.kill()
                await told.until(lambda hits: hits < ALL)
                await told.until(lambda hits: hits == ALL)
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(until, server.replicates)
    assert bounded_and_right(told)


async def test_a_shard_without_a_replica_costs_only_its_own_keys(tmp_path: Path, binary: Path | None) -> None:
    """If the cluster may work without it. It is used again when it is back."""
    with cluster(tmp_path, "--cluster-require-full-coverage", "no", binary=binary) as servers:
        killed = servers.servers[0]
        async with asking(servers.url) as told, opened(servers.url) as link:
            await told.until(lambda hits: hits == ALL)
            killed.kill()
            await told.until(lambda hits: 0 < hits < ALL)
            spending = RedisSpending(link, 60.0)
            tenants = [spending.used(TenantId(f"t{number}")) for number in range(20)]
            found = await asyncio.gather(*tenants, return_exceptions=True)
            assert {isinstance(one, CacheUnavailable) for one in found} == {True, False}
            await asyncio.to_thread(killed.start)
            await told.until(lambda hits: hits == ALL)
    assert bounded_and_right(told)


async def test_a_server_of_a_cluster_that_hangs_is_soon_not_asked(tmp_path: Path) -> None:
    """A killed server refuses connections; one that hangs costs time, until its circuit opens."""
    with cluster(tmp_path, "--cluster-require-full-coverage", "no") as servers:
        async with asking(servers.url) as told:
            await told.until(lambda hits: hits == ALL)
            process = servers.servers[0].running
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            await told.until(lambda hits: 0 < hits < ALL)
            before, began_s = told.answers, time.monotonic()
            await asyncio.sleep(1.5)
            pace_s = (time.monotonic() - began_s) / (told.answers - before)
            process.send_signal(signal.SIGCONT)
            await told.until(lambda hits: hits == ALL)
    assert bounded_and_right(told)
    assert pace_s < 0.1, "most answers do not wait for it"


async def test_a_slot_moves_while_its_keys_are_used(tmp_path: Path) -> None:
    """Keys that have moved, and keys that have not yet, are read and written."""
    with cluster(tmp_path, primaries=2) as both:
        source, target = both.servers
        async with opened(both.url, timeout_s=PATIENT_S) as link:
            names = [f"{{a}}{number}" for number in range(4)]  # slot 15495, which the second one has
            source, target = target, source
            slot = int(str(source.ask("CLUSTER", "KEYSLOT", names[0])))
            await link.call(*(("SET", name, name) for name in names))
            target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.ask("CLUSTER", "MYID"))
            source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.ask("CLUSTER", "MYID"))
            source.ask("MIGRATE", "127.0.0.1", target.port, names[0], 0, 5000)
            reads = [("GET", name) for name in names]
            assert await link.call(*reads) == [name.encode() for name in names]
            assert await link.call(("SET", "{a}new", "x"), ("GET", "{a}new")) == [True, b"x"]
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names[1:])
            for server in (target, source):
                server.ask("CLUSTER", "SETSLOT", slot, "NODE", target.ask("CLUSTER", "MYID"))
            for _ in range(2):  # at first by the old map
                assert await link.call(*reads) == [name.encode() for name in names]


async def test_an_erasure_waits_for_replicas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one that becomes the primary could bring the entries back."""
    monkeypatch.setattr(replication, "_WAIT_S", 0.5)
    with sentinel_group(tmp_path, sentinels=1) as group:
        replica = group.servers[1]
        assert replica.running is not None
        async with opened(group.url, timeout_s=PATIENT_S) as link:
            store = RedisSegmentStore(link)
            await store.put_many(SCOPE, dict.fromkeys(KEYS, b"x"), 60)
            replica.running.send_signal(signal.SIGSTOP)
            with pytest.raises(CacheUnavailable, match="late"):
                await store.clear(SCOPE.tenant, None)
            replica.running.send_signal(signal.SIGCONT)
            monkeypatch.setattr(replication, "_WAIT_S", PATIENT_S)
            assert await store.clear(SCOPE.tenant, None) == 0
            assert replica.ask("DBSIZE") == 0


async def test_a_cluster_that_is_down_is_unavailable_and_used_when_it_comes(tmp_path: Path) -> None:
    """At the start, too; and a server that is in no cluster is reported as that."""
    with one_server(tmp_path) as alone:
        url = alone.url.replace("redis://", "redis+cluster://")
        async with opened(url) as link:
            for _ in range(2):
                with pytest.raises(CacheUnavailable, match="refuses"):
                    await link.call(("GET", "a"))
    async with opened(url) as link, asyncio.timeout(PATIENT_S):
        for _ in range(5):
            with pytest.raises(CacheUnavailable, match="does not answer"):
                await link.call(("GET", "a"))
