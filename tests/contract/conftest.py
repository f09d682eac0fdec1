"""An empty database on SQLite, then one on PostgreSQL; and an empty Redis."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path

import pytest

from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis
from tests.postgres import PostgresServer, find_binaries
from tests.redis_topologies import advance, cluster, emptied


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


REDIS = ("embedded", "cluster")
"""One server, and a cluster of three primaries. To stores, the master of a Sentinel group is one server."""


@pytest.fixture(scope="session")
def redis_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a kind of servers, which start at its first use."""
    with ExitStack() as stack:

        @cache
        def url_of(kind: str) -> str:
            folder = tmp_path_factory.mktemp("redis")
            if kind == "embedded":
                server = EmbeddedRedis(folder)
                stack.callback(server.release)
                return server.acquire()
            return stack.enter_context(cluster(folder)).url

        yield url_of


@pytest.fixture(params=REDIS)
def redis_url(request: pytest.FixtureRequest, redis_servers: Callable[[str], str]) -> str:
    return redis_servers(request.param)


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    async with emptied(redis_url) as link:
        yield link


@pytest.fixture
def advance_redis(link: RedisLink) -> Callable[[int], Awaitable[None]]:
    """Lets seconds pass for Redis."""
    return partial(advance, link)
