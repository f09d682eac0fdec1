"""What the stores in Redis do beyond the contract, on a real server."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deployments.core.errors import CacheUnavailable, InvalidRequest
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.token_ids import token_ids
from deployments.redis.connection import Command, RedisLink, RedisShard, Reply, expect
from deployments.token_cache.cluster_usage import ClusterUsage
from deployments.token_cache.codec import encode
from deployments.token_cache.counters import BATCH_NUMBER_TTL_S, POPULARITY_TTL_S, RedisCounterStore
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.keys import (
    PATH_SCOPES,
    counted_name,
    counters_name,
    paths_name,
    popularity_name,
    segment_prefix,
)
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.contract.token_cache.counting import batch, totals
from tests.redis_topologies import all_names

A = Scope(TenantId("a"), CollectionName("kb"))
KEYS = [SegmentKey(f"{number:048x}") for number in range(3)]

REDIS_6_2 = {
    "auth", "eval", "expire", "get", "getrange", "hget", "hgetall", "hincrbyfloat", "hset", "mget",
    "pexpire", "ping", "pttl", "rename", "scan", "select", "set", "strlen", "unlink", "zcard", "zincrby",
    "zrange", "zrem", "zremrangebyrank", "zrevrange",
}  # fmt: skip


async def test_entries_of_the_wrong_type_are_no_values(link: RedisLink):
    store = RedisSegmentStore(link)
    await store.put_many(A, {KEYS[1]: b"good"}, 60)
    await link.call(
        ("RPUSH", segment_prefix(A) + KEYS[0], "x"), ("HSET", segment_prefix(A) + KEYS[2], "f", "v")
    )
    assert await store.get_many(A, KEYS) == [None, b"good", None]


async def test_entries_of_the_wrong_type_are_overwritten_deleted_cleared_and_not_measured(link: RedisLink):
    store = RedisSegmentStore(link)
    for key in KEYS:
        await link.call(("RPUSH", segment_prefix(A) + key, "x"))
    assert await store.usage_by_scope() == {}
    await store.put_many(A, {KEYS[0]: b"good"}, 60)
    assert await store.get_many(A, KEYS[:1]) == [b"good"]
    assert await store.delete_many(A, KEYS[1:2]) == 1
    assert await store.clear(A.tenant, None) == 2


async def test_counters_of_the_wrong_type_are_deleted_and_work_again(link: RedisLink):
    counters = RedisCounterStore(link)
    for name in (counters_name(A), popularity_name(A)):
        await link.call(("SET", name, "x"))
    for sent in (batch({"hits": 1}), batch(uses={KEYS[0]: 1})):
        with pytest.raises(CacheUnavailable):
            await counters.record(A, sent)
    await counters.record(A, batch({"hits": 1}))
    await counters.record(A, batch(uses={KEYS[0]: 1}))
    assert await totals(counters, A) == {"hits": 1}
    assert await counters.popularity(A) == {KEYS[0]: 1}


async def test_paths_of_the_wrong_type_are_deleted_and_work_again(link: RedisLink):
    paths = RedisHotPaths(link)
    for name in (paths_name(A), PATH_SCOPES):
        await link.call(("SET", name, "x"))
        with pytest.raises(CacheUnavailable):
            await paths.record({A: [(KEYS[0],)]})
    await paths.record({A: [(KEYS[0],)]})
    await link.call(("UNLINK", PATH_SCOPES), ("SET", PATH_SCOPES, "x"))
    with pytest.raises(CacheUnavailable):
        await paths.hottest(9)
    assert await paths.hottest(9) == []


async def test_names_that_are_no_path_or_scope_are_ignored(link: RedisLink):
    paths = RedisHotPaths(link)
    await paths.record({A: [(KEYS[0],)]})
    for name in ("", "no scope", "*/kb", "a/KB", "a/kb/c"):
        await link.call(("ZADD", PATH_SCOPES, 1e300, name))
    for path in (b"", b"\x00", b"\x18short", b"\x18" + bytes(24 * 9)):
        await link.call(("ZADD", paths_name(A), 1e300, path))
    assert [path.keys for path in await paths.hottest(9)] == [(KEYS[0],)]


async def test_a_scope_that_is_trimmed_leaves_nothing(link: RedisLink):
    paths = RedisHotPaths(link, kept_scopes=4)
    scopes = [Scope(TenantId(f"t{number}"), A.collection) for number in range(6)]
    for number, scope in enumerate(scopes):
        await paths.record({scope: [(KEYS[0],)] * (number + 1)})
    assert await all_names(link) == {PATH_SCOPES.encode(), *(paths_name(s).encode() for s in scopes[2:])}


@pytest.mark.parametrize("value", ["many", "inf", "-inf", "nan", "", b"\xff"])
async def test_counters_that_are_no_numbers_are_deleted_and_work_again(link: RedisLink, value: str | bytes):
    counters = RedisCounterStore(link)
    for increments in ({}, {"misses": 1}, {"hits": 1}):
        await link.call(("HSET", counters_name(A), "hits", value))
        with pytest.raises(CacheUnavailable):
            await counters.record(A, batch(increments))
        assert await counters.record(A, batch({"hits": 1})) == {"hits": 1}


async def test_a_counter_that_is_infinite_is_deleted_and_works_again(link: RedisLink):
    counters = RedisCounterStore(link)
    await link.call(("HSET", counters_name(A), "hits", "inf"))
    with pytest.raises(CacheUnavailable):
        await counters.record(A, batch({"hits": 1}))
    assert await counters.record(A, batch({"hits": 1})) == {"hits": 1}


@pytest.mark.parametrize(("key", "score"), [(KEYS[0], "inf"), (KEYS[0], "-inf"), (b"\xff", "1")])
async def test_popularity_that_cannot_be_read_is_deleted_and_works_again(
    link: RedisLink, key: str | bytes, score: str
):
    counters = RedisCounterStore(link)
    await link.call(("ZADD", popularity_name(A), score, key))
    with pytest.raises(CacheUnavailable):
        await counters.popularity(A)
    assert await counters.popularity(A) == {}


async def test_a_batch_half_of_which_failed_is_counted_once(link: RedisLink):
    counters = RedisCounterStore(link)
    await link.call(("SET", popularity_name(A), "x"))
    sent = batch({"hits": 1}, {KEYS[0]: 1})
    with pytest.raises(CacheUnavailable):
        await counters.record(A, sent)
    for _ in range(2):
        assert await counters.record(A, sent) == {"hits": 1}
    assert await counters.popularity(A) == {KEYS[0]: 1}


async def test_the_number_of_the_last_batch_may_be_of_the_wrong_type(link: RedisLink):
    counters, sent = RedisCounterStore(link), batch({"hits": 1})
    await link.call(("RPUSH", counted_name(counters_name(A), sent.writer), "x"))
    for _ in range(2):
        assert await counters.record(A, sent) == {"hits": 1}


async def test_a_batch_is_one_round_trip(link: RedisLink, trips: list[int]):
    await RedisCounterStore(link).record(A, batch({"hits": 1, "misses": 2}, dict.fromkeys(KEYS, 1)))
    assert trips == [2]


async def test_which_keys_have_a_ttl(link: RedisLink):
    await RedisSegmentStore(link).put_many(A, {KEYS[0]: b"x"}, 77)
    sent = batch({"hits": 1}, {KEYS[0]: 1})
    await RedisCounterStore(link).record(A, sent)
    await RedisHotPaths(link).record({A: [(KEYS[0],)]})
    names = (counters_name(A), popularity_name(A), paths_name(A), PATH_SCOPES)
    assert await link.call(*(("TTL", name) for name in names)) == [-1, POPULARITY_TTL_S, -1, -1]
    assert await link.call(("TTL", segment_prefix(A) + KEYS[0])) == [77]
    remembering = [counted_name(name, sent.writer) for name in names[:2]]
    assert await link.call(*(("TTL", name) for name in remembering)) == [BATCH_NUMBER_TTL_S] * 2


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of commands of each round trip: one to each server, at once."""
    found: list[int] = []
    replies_to = RedisShard._replies

    async def counting(shard: RedisShard, commands: Sequence[Command]) -> list[Reply]:
        found.append(len(commands))
        return await replies_to(shard, commands)

    monkeypatch.setattr(RedisShard, "_replies", counting)
    return found


async def test_all_segments_of_a_prompt_are_read_in_one_round_trip(link: RedisLink, trips: list[int]):
    await RedisSegmentStore(link).get_many(A, KEYS * 100)
    assert len(trips) == 1


async def test_entries_that_scan_returns_twice_are_counted_once(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
):
    store = RedisSegmentStore(link)
    await store.put_many(A, {key: encode(token_ids([1, 2]), key, 49_152) for key in KEYS}, 60)
    call = RedisShard.call

    async def stuttering(shard: RedisShard, *commands: Command) -> list[Reply]:
        replies = await call(shard, *commands)
        if commands[0][0] == "SCAN":
            cursor, names = expect(tuple, replies[0])
            return [(cursor, names * 2)]
        return replies

    monkeypatch.setattr(RedisShard, "call", stuttering)
    assert set(await store.usage_by_scope()) == {str(A)}
    assert await store.clear(A.tenant, None) == 3


@pytest.mark.parametrize("redis_url", ["embedded"], indirect=True)
async def test_only_commands_of_redis_6_2_are_sent(redis_url: str, link: RedisLink):
    await link.call(("CONFIG", "RESETSTAT"))
    fresh = RedisLink(redis_url + "?db=1", timeout_s=10)  # with what a new connection sends
    store, counters = RedisSegmentStore(fresh), RedisCounterStore(fresh, kept=1)
    await store.ping()
    await store.put_many(A, dict.fromkeys(KEYS, b"x"), 60)
    await store.get_many(A, KEYS)
    await (meter := ClusterUsage(fresh)).fresh(A)
    await meter.close()
    await store.delete_many(A, KEYS[:1])
    await store.clear(A.tenant, None)
    await counters.record(A, batch({"hits": 1}))
    await totals(counters, A)
    await counters.reset(A)
    await counters.record(A, batch(uses=dict.fromkeys(KEYS, 1)))
    await counters.popularity(A)
    paths = RedisHotPaths(fresh, kept=1, kept_scopes=1)
    await paths.record({Scope(TenantId(name), A.collection): [(key,) for key in KEYS] for name in "ab"})
    await paths.hottest(2)
    await store.close()
    (stats,) = await link.call(("INFO", "commandstats"))
    sent = {name.removeprefix("cmdstat_") for name in expect(dict, stats)} - {"config|resetstat", "info"}
    assert sent == REDIS_6_2 - {"auth"}


@pytest.mark.parametrize("bad", ["*", "a/kb:x", "[a]"])
async def test_an_unchecked_tenant_reaches_no_entries(link: RedisLink, bad: str):
    store = RedisSegmentStore(link)
    await store.put_many(A, {KEYS[0]: b"x"}, 60)
    with pytest.raises(InvalidRequest):
        await store.clear(TenantId(bad), None)
    with pytest.raises(InvalidRequest):
        await store.get_many(Scope(TenantId(bad), A.collection), KEYS)
    assert await store.get_many(A, KEYS[:1]) == [b"x"]
