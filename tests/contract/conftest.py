"""An empty database on SQLite, then one on PostgreSQL; and an empty Redis."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from deployments.redis.connection import RedisLink, expect
from deployments.redis.embedded_server import EmbeddedRedis
from tests.postgres import PostgresServer, find_binaries


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


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedRedis(Path(tmp_path_factory.mktemp("redis")))
    yield server.acquire()
    server.release()


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    """A link to an empty Redis."""
    # What is tested here is what the server does, not how fast: a busy machine must not fail it.
    link = RedisLink(redis_url, timeout_s=10)
    await link.call(("FLUSHALL",))
    yield link
    await link.close()


@pytest.fixture
def advance_redis(link: RedisLink) -> Callable[[int], Awaitable[None]]:
    """Brings every expiry nearer by so many seconds, which for the server is the same as waiting."""

    async def advance(seconds: int) -> None:
        (names,) = await link.call(("KEYS", "*"))
        for name in expect(list, names):
            (left_ms,) = await link.call(("PTTL", name))
            if expect(int, left_ms) >= 0:
                await link.call(("PEXPIRE", name, expect(int, left_ms) - 1000 * seconds))

    return advance
