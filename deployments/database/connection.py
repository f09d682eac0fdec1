"""The database connection, shared by all that is stored: documents and records.

SQLite has one connection and one process: SQLite before 3.51.3 can corrupt a WAL database that two
connections write, and one writer is enough. PostgreSQL has a pool and any number of processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from deployments.core.errors import ConfigurationError, InternalFault, KnowledgeUnavailable
from deployments.database.file_lock import FileLock
from deployments.database.migrations import upgrade

_POSTGRESQL_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_MIGRATION_LOCK = 0x5741524D  # PostgreSQL's advisory lock against two replicas that migrate at once


class Database:
    """An opened, migrated database; get one from `open`.

    A transaction must not be opened inside another one of the same task: SQLite's only connection
    would wait for itself.
    """

    def __init__(self, engine: AsyncEngine, lock: FileLock | None) -> None:
        self._engine = engine
        self._lock = lock
        self.dialect = engine.dialect.name
        # A search reads the generation, texts and vectors in several statements that must agree.
        # SQLite's transactions always do.
        self._reader = (
            engine
            if self.dialect == "sqlite"
            else engine.execution_options(isolation_level="REPEATABLE READ")
        )

    @classmethod
    async def open(cls, url: str, lock_wait_s: float = 60.0) -> Database:
        """Connects and migrates. `url`: sqlite:///path, postgresql:// or postgres://.

        On SQLite, another process that holds the file is waited for up to `lock_wait_s` seconds (a
        rolling update overlaps two). Raises: KnowledgeUnavailable, ConfigurationError.
        """
        parsed = _parsed(url)
        if parsed.get_backend_name() == "sqlite":
            lock = await _acquire_file_lock(parsed.database or "", lock_wait_s)
            database = cls(_sqlite_engine(parsed), lock)
        else:
            database = cls(_postgresql_engine(parsed), None)
        try:
            async with database.transaction() as connection:
                await connection.run_sync(_migrate)
        except BaseException:
            await database.close()
            raise
        return database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, rolled back on any error. Raises: KnowledgeUnavailable."""
        async with _translated_errors(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for reading, all of whose statements see one state. Raises: KnowledgeUnavailable."""
        async with _translated_errors(), self._reader.begin() as connection:
            yield connection

    @asynccontextmanager
    async def advisory_lock(self, key: int) -> AsyncIterator[None]:
        """Makes other processes that want the same key (64 bits, signed) wait; on SQLite there are none.

        Unlike in a transaction, others can be opened inside. Raises: KnowledgeUnavailable.
        """
        async with AsyncExitStack() as held:
            if self.dialect != "sqlite":
                async with _translated_errors():
                    connection = await held.enter_async_context(self._engine.connect())
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            yield

    async def ping(self) -> None:
        """Returns when the database answers. Raises: KnowledgeUnavailable."""
        async with self.transaction() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Closes connections and lets the next process in."""
        await self._engine.dispose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError) as error:
        raise InternalFault("the database refused a statement") from error
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        # The driver's own words; SQLAlchemy's would add the statement with its values.
        cause = getattr(error, "orig", None) or error
        raise KnowledgeUnavailable(f"the database can't be used: {cause}") from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Without the URL, which may hold a password.
        raise ConfigurationError("DATABASE_URL is no database URL", "database_url") from None
    if parsed.drivername in _POSTGRESQL_SCHEMES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite+aiosqlite")
    allowed = "sqlite:///path, postgresql:// or postgres://"
    raise ConfigurationError(f"DATABASE_URL must start with {allowed}", "database_url")


async def _acquire_file_lock(path: str, wait_s: float) -> FileLock:
    try:
        return await FileLock.acquire(_lock_file(path), wait_s)
    except TimeoutError as error:
        raise KnowledgeUnavailable(
            f"another process has used {path} for {wait_s:g} s; SQLite allows one"
        ) from error
    except OSError as error:
        raise KnowledgeUnavailable(f"{path} can't be used: {error}") from error


def _lock_file(path: str) -> Path:
    """Beside the real file, so that two names of one database share a lock."""
    real = Path(path).resolve()
    real.parent.mkdir(parents=True, exist_ok=True)
    return real.with_name(f"{real.name}.lock")


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=1, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver would begin transactions at the first write only, and never for a migration.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode = TRUNCATE", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _postgresql_engine(url: URL) -> AsyncEngine:
    return create_async_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5})


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    upgrade(connection)
