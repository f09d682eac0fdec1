"""Failures of calls to Redis: each soon raises one kind of error, and later everything works again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import SegmentKey
from deployments.core.metrics import REDIS_S
from deployments.redis.connection import RedisLink
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.contract.token_cache.counting import batch, totals
from tests.fakes import RecordingMeter
from tests.integration.redis.redis_peers import KEYS, PATIENT_S, A, opened, peer, saying, silent, valkey

SOON_S = 2.0
"""Half of what redis-py's defaults take to report a dead server."""


async def test_every_method_fails_one_way_when_nobody_listens(tmp_path):
    async with opened(f"unix://{tmp_path}/nothing") as link:
        store, counters = RedisSegmentStore(link), RedisCounterStore(link)
        for call in [
            store.ping(),
            store.get_many(A, KEYS),
            store.put_many(A, {KEYS[0]: b"x"}, 60),
            store.delete_many(A, KEYS),
            store.clear(A.tenant, None),
            store.usage_by_scope(),
            counters.record(A, batch({"hits": 1})),
            totals(counters, A),
            counters.reset(A),
            counters.record(A, batch(uses={KEYS[0]: 1})),
            counters.popularity(A),
        ]:
            with pytest.raises(CacheUnavailable):
                await call


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis://name.invalid", "rediss://127.0.0.1:1"])
async def test_a_dead_address_is_reported_soon(url):
    async with opened(url) as link, asyncio.timeout(SOON_S):
        with pytest.raises(CacheUnavailable):
            await link.call(("PING",))


async def test_a_server_that_hangs_is_reported_soon_and_then_not_asked_for_a_while(tmp_path):
    now_s = 0.0
    async with peer(tmp_path, silent) as url, opened(url, clock=lambda: now_s) as link:
        for _ in range(3):
            async with asyncio.timeout(SOON_S):
                with pytest.raises(CacheUnavailable, match="TimeoutError"):
                    await link.call(("PING",))
        with pytest.raises(CacheUnavailable, match="a moment ago"):
            await link.call(("PING",))


async def test_each_call_is_measured_by_its_outcome(tmp_path):
    """Also one that the circuit breaker keeps from the server."""
    meter = RecordingMeter()
    async with valkey(tmp_path) as url, opened(url, meter=meter) as link:
        await link.call(("SET", "name", "x"))
        with pytest.raises(CacheUnavailable):
            await link.call(("NO_SUCH_COMMAND",))
        with pytest.raises(CacheUnavailable):
            await link.patient().call(("NO_SUCH_COMMAND",))
    assert [len(meter.of(REDIS_S, outcome=outcome)) for outcome in ("ok", "refused")] == [1, 2]
    async with opened(f"unix://{tmp_path}/nothing", meter=meter) as link:
        for _ in range(5):
            with pytest.raises(CacheUnavailable):
                await link.call(("PING",))
    assert [len(meter.of(REDIS_S, outcome=outcome)) for outcome in ("failed", "skipped")] == [3, 2]


async def test_a_server_that_drips_bytes_is_given_up_in_the_whole_and_not_by_the_byte(tmp_path):
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"+OK\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with peer(tmp_path, dripping) as url, opened(url) as link, asyncio.timeout(SOON_S):
        with pytest.raises(CacheUnavailable):
            await link.call(*[("PING",)] * 1000)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"$abc\r\n",
        b"$99999999999\r\nx",
        b"*2\r\n$1\r\nx\r\n",
        b":12\r\n",
        b"*1\r\n" * 5000,
        b"-\r\n",
        b"-ERR \xff\r\n",
        b"-MOVED x\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-ERR max number of clients reached\r\n",
        b"\r\n",
        b"\0" * 100,
    ],
)
async def test_whatever_a_peer_says_that_is_no_redis_it_fails_one_way(tmp_path, raw):
    async with peer(tmp_path, saying(raw)) as url:
        outcomes = [await outcome(url, read) for read in READS]
    assert set(outcomes) == {CacheUnavailable}


@pytest.mark.parametrize(
    "raw",
    [
        b"$-7\r\n",
        b"+PONG\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*1\r\n:1\r\n",
        b"*2\r\n:1\r\n:2\r\n",
        b"*2\r\n$1\r\n0\r\n*1\r\n*0\r\n",
        b"*2\r\n$1\r\n\xff\r\n$1\r\nx\r\n",
        b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    ],
)
async def test_a_reply_of_another_shape_is_used_or_fails_one_way(tmp_path, raw):
    async with peer(tmp_path, saying(raw)) as url:
        outcomes = [await outcome(url, read) for read in READS]
    assert CacheUnavailable in outcomes
    assert set(outcomes) <= {CacheUnavailable, None}


READS: list[Callable[[RedisLink], Awaitable[object]]] = [
    lambda link: RedisSegmentStore(link).get_many(A, KEYS[:1]),
    lambda link: RedisSegmentStore(link).clear(A.tenant, None),
    lambda link: RedisSegmentStore(link).usage_by_scope(),
    lambda link: totals(RedisCounterStore(link), A),
    lambda link: RedisCounterStore(link).popularity(A),
]


async def outcome(url: str, read: Callable[[RedisLink], Awaitable[object]]) -> type[BaseException] | None:
    """The type of error that a call raises, on its own connection and circuit; None for none."""
    async with opened(url) as link:
        try:
            await read(link)
        except Exception as error:
            return type(error)
    return None


async def test_a_full_server_refuses_writes_and_is_still_read(tmp_path):
    async with (
        valkey(tmp_path, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as url,
        opened(url, timeout_s=PATIENT_S) as link,
    ):
        store = RedisSegmentStore(link)
        await store.put_many(A, {KEYS[0]: b"x"}, 60)
        too_much = {SegmentKey(f"{number:048x}"): bytes(100_000) for number in range(100)}
        for _ in range(5):
            with pytest.raises(CacheUnavailable, match="OutOfMemory"):
                await store.put_many(A, too_much, 60)
        assert await store.get_many(A, KEYS[1:2]) == [bytes(100_000)]


async def test_a_call_given_up_leaves_no_reply_to_the_next_one(tmp_path):
    async with valkey(tmp_path) as url, opened(url, pool_size=1, timeout_s=PATIENT_S) as link:
        store = RedisSegmentStore(link)
        await store.put_many(A, {key: key.encode() for key in KEYS}, 600)
        for turn in range(200):
            given_up = asyncio.create_task(store.get_many(A, KEYS[:1] * 50))
            for _ in range(turn % 20):
                await asyncio.sleep(0)
            given_up.cancel()
            assert await store.get_many(A, KEYS[1:]) == [key.encode() for key in KEYS[1:]]


async def test_counts_that_arrive_after_they_were_given_up_count_once(tmp_path):
    """A stopped server reads, when it continues, both the call that was given up and its repetition."""
    sent = batch({"hits": 1}, {KEYS[0]: 1})
    async with (
        valkey(tmp_path, "--enable-debug-command", "yes") as url,
        opened(url, timeout_s=PATIENT_S) as patient,
    ):
        async with opened(url, timeout_s=0.3) as link:
            await patient.call(("PING",))
            asleep = asyncio.create_task(patient.call(("DEBUG", "SLEEP", 1.5)))
            await asyncio.sleep(0.1)
            for _ in range(2):
                with pytest.raises(CacheUnavailable, match="TimeoutError"):
                    await RedisCounterStore(link).record(A, sent)
            await asleep
        counters = RedisCounterStore(patient)
        assert await totals(counters, A) == {"hits": 1}
        assert await counters.record(A, sent) == {"hits": 1}
        assert await counters.popularity(A) == {KEYS[0]: 1}


async def test_more_calls_than_connections_wait_for_each_other(tmp_path):
    async with valkey(tmp_path) as url, opened(url, pool_size=2, timeout_s=PATIENT_S) as link:
        store = RedisSegmentStore(link)
        await store.put_many(A, {KEYS[0]: b"x"}, 60)
        found = await asyncio.gather(*(store.get_many(A, KEYS[:1]) for _ in range(200)))
        assert found == [[b"x"]] * 200
        (clients,) = await link.call(("INFO", "clients"))
        assert isinstance(clients, dict)
        assert clients["connected_clients"] <= 2


async def test_calls_that_find_no_free_connection_in_time_fail_like_others(tmp_path):
    async with peer(tmp_path, silent) as url, opened(url, pool_size=1) as link, asyncio.timeout(SOON_S):
        calls = (link.call(("PING",)) for _ in range(20))
        found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in found} == {CacheUnavailable}


async def test_a_server_that_comes_back_is_used_again(tmp_path):
    now_s = 0.0
    async with opened(f"unix://{tmp_path}/sock", timeout_s=PATIENT_S, clock=lambda: now_s) as link:
        store = RedisSegmentStore(link)
        for _ in range(2):
            async with valkey(tmp_path):
                await store.put_many(A, {KEYS[0]: b"x"}, 60)
                assert await store.get_many(A, KEYS[:1]) == [b"x"]
            for _ in range(3):
                with pytest.raises(CacheUnavailable):
                    await store.ping()
            with pytest.raises(CacheUnavailable, match="a moment ago"):
                await store.ping()
            now_s += 1
