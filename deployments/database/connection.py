"""The database connection that documents and records share.

On SQLite there is one connection in one process: versions before 3.51.3 can corrupt a WAL database that
two connections write, and one writer is enough. On PostgreSQL there is a pool, in any number of
processes.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from deployments.core.errors import ConfigurationError, InternalFault, KnowledgeUnavailable
from deployments.core.metrics import DATABASE_S, SILENT, Meter
from deployments.core.private_files import make_private_file
from deployments.database.file_lock import FileLock
from deployments.database.migrations import upgrade
from deployments.database.named_locks import NamedLocks
from deployments.database.translated_errors import translated_errors

log = logging.getLogger(__name__)

_POSTGRESQL_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_PRAGMAS = (
    "journal_mode = TRUNCATE",
    "synchronous = FULL",
    "foreign_keys = ON",
    # Overwrites what is deleted with zeros, so that the file has no deleted texts.
    "secure_delete = ON",
)
_CONNECT_TIMEOUT_S = 10  # on a busy cluster 5 were too few
_MIGRATION_LOCK = 0x5741524D  # key of PostgreSQL's advisory lock: one replica migrates at a time


class Database:
    """An opened and migrated database; create it by `open`.

    A task must not open a transaction inside another one: on SQLite it would wait forever for the only
    connection, which it holds itself.
    """

    def __init__(self, engine: AsyncEngine, lock: FileLock | None, meter: Meter = SILENT) -> None:
        self._meter = meter
        self._engine = engine
        self._file_lock = lock
        self._locks = NamedLocks(engine)
        self.dialect = engine.dialect.name
        # A search reads generation, texts and vectors in several statements, which must see one state.
        # In SQLite's transactions they always do.
        self._reader = (
            engine
            if self.dialect == "sqlite"
            else engine.execution_options(isolation_level="REPEATABLE READ")
        )

    @classmethod
    async def open(cls, url: str, lock_wait_s: float = 60.0, meter: Meter = SILENT) -> Database:
        """Connects and migrates. `url` is sqlite:///path, postgresql:// or postgres://. `meter` gets the
        time of each transaction.

        On SQLite, waits up to `lock_wait_s` seconds for another process that uses the file, since a
        rolling update overlaps two processes. Raises KnowledgeUnavailable, ConfigurationError.
        """
        parsed = _parsed(url)
        if parsed.get_backend_name() == "sqlite":
            lock = await _acquire_file_lock(parsed.database or "", lock_wait_s)
            database = cls(_sqlite_engine(parsed), lock, meter)
        else:
            database = cls(_postgresql_engine(parsed), None, meter)
        try:
            async with database.transaction() as connection:
                await connection.run_sync(_migrate)
        except BaseException:
            await database.close()
            raise
        return database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction, committed at the end and rolled back on any error.

        Raises KnowledgeUnavailable, and InternalFault if the database refuses a statement.
        """
        with self._timed("transaction"):
            async with translated_errors(), self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction for reading, whose statements all see one state of the database.

        Raises KnowledgeUnavailable, and InternalFault if the database refuses a statement.
        """
        with self._timed("snapshot"):
            async with translated_errors(), self._reader.begin() as connection:
                yield connection

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        began_s, outcome = time.monotonic(), "rolled_back"
        try:
            yield
            outcome = "ok"
        except (InternalFault, KnowledgeUnavailable):
            outcome = "failed"
            raise
        finally:
            self._meter.record(DATABASE_S, time.monotonic() - began_s, kind=kind, outcome=outcome)

    def lock(self, name: str) -> AbstractAsyncContextManager[None]:
        """Locks a name among all processes, after waiting for its holder. Raises KnowledgeUnavailable.

        Transactions can be opened inside. If the connection of the locks is lost, others get the lock.
        """
        return self._locks.held(name)

    def lock_if_free(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Locks a name among all processes if it is free. The context gives True if it did.

        Raises KnowledgeUnavailable.
        """
        return self._locks.held_if_free(name)

    async def ping(self) -> None:
        """Checks that the database answers. Raises KnowledgeUnavailable."""
        async with self.transaction() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Closes all connections and, on SQLite, releases the file for the next process."""
        await self._locks.close()
        await self._engine.dispose()
        if self._file_lock is not None:
            self._file_lock.release()
            self._file_lock = None


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The message omits the URL, which may contain a password.
        raise ConfigurationError("DATABASE_URL is not a database URL", "database_url") from None
    if parsed.drivername in _POSTGRESQL_SCHEMES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite+aiosqlite")
    allowed = "sqlite:///path, postgresql:// or postgres://"
    raise ConfigurationError(f"DATABASE_URL must start with {allowed}", "database_url")


async def _acquire_file_lock(path: str, wait_s: float) -> FileLock:
    try:
        lock_file = _lock_file(path)
        make_private_file(Path(path))  # SQLite gives its mode to -journal, -wal and -shm
        return await FileLock.acquire(lock_file, wait_s)
    except TimeoutError as error:
        raise KnowledgeUnavailable(
            f"another process has used {path} for {wait_s:g} s; SQLite allows only one"
        ) from error
    except OSError as error:
        raise KnowledgeUnavailable(f"{path} can't be used: {error}") from error


def _lock_file(path: str) -> Path:
    """Returns a path next to the resolved file, so that two names of one database share a lock."""
    real = Path(path).resolve()
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return real.with_name(f"{real.name}.lock")


class _ClosingConnection(sqlite3.Connection):
    """Ends its statements and its transaction when it closes.

    SQLAlchemy closes the connection of a call that is cancelled. The call's statement would otherwise stay
    open, and keep the file locked for all later calls, until Python's garbage collection finds it.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, *arguments: Any) -> Any:
        made = super().cursor(*arguments)
        self._cursors.add(made)
        return made

    def close(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        self.rollback()
        super().close()


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=1, max_overflow=0, connect_args={"factory": _ClosingConnection}
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # Otherwise the driver begins transactions only at the first write, and never for a migration.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _postgresql_engine(url: URL) -> AsyncEngine:
    connect_args = {"connect_timeout": _CONNECT_TIMEOUT_S}
    return create_async_engine(url, pool_pre_ping=True, connect_args=connect_args)


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    upgrade(connection)
