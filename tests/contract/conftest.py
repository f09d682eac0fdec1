"""An empty database on SQLite, then one on PostgreSQL; and an empty Redis."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from deployments.redis.connection import RedisLink, expect
from deployments.redis.embedded_server import EmbeddedRedis
from tests.postgres import PostgresServer, find_binaries
from tests.redis_topologies import all_names, cluster, sentinel_group


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    # Not pytest's folder: sockets have short paths, and the server's own user must get there.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(binaries, Path(folder))
        yield server
        server.stop()


_POSTGRES = pytest.param("postgresql", marks=[] if find_binaries() else [pytest.mark.system])


@pytest.fixture(params=["sqlite", _POSTGRES])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/warmline.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.empty()


@pytest.fixture(scope="session", params=["embedded", "sentinel", "cluster"])
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of one server, of a Sentinel group, and of a cluster of three primaries."""
    folder = tmp_path_factory.mktemp("redis")
    if request.param == "embedded":
        server = EmbeddedRedis(folder)
        yield server.acquire()
        server.release()
        return
    several = cluster(folder) if request.param == "cluster" else sentinel_group(folder, sentinels=1)
    with several as topology:
        yield topology.url


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    """A link to an empty Redis."""
    # What is tested here is what the servers do, not how fast: a busy machine must not fail it.
    link = RedisLink(redis_url, timeout_s=10)
    for shard in await link.shards():
        await shard.call(("FLUSHALL",))
    yield link
    await link.close()


@pytest.fixture
def advance_redis(link: RedisLink) -> Callable[[int], Awaitable[None]]:
    """Brings every expiry nearer by so many seconds, which for the server is the same as waiting."""

    async def advance(seconds: int) -> None:
        for name in await all_names(link):
            (left_ms,) = await link.call(("PTTL", name))
            if expect(int, left_ms) >= 0:
                await link.call(("PEXPIRE", name, expect(int, left_ms) - 1000 * seconds))

    return advance
