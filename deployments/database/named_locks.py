"""Locks by name, shared by all processes of a database, for changes that take several transactions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from weakref import WeakValueDictionary

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from deployments.core.detached_task import detached_task
from deployments.core.errors import KnowledgeUnavailable
from deployments.database.translated_errors import translated_errors

log = logging.getLogger(__name__)

_RETRY_S = 0.05
"""Seconds between two attempts to get a lock that another process holds."""
_TAKE = text("SELECT pg_try_advisory_lock(:key)")
_RELEASE = text("SELECT pg_advisory_unlock(:key)")


class NamedLocks:
    """The locks of one process.

    On PostgreSQL one connection holds all of them, outside of a transaction, so that the number of
    connections does not limit how many are held. It must be the same session all the time: a pooler
    between must not change it from transaction to transaction. SQLite needs no connection, since only one
    process uses the file.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._shared = engine.dialect.name != "sqlite"
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT") if self._shared else engine
        self._connection: AsyncConnection | None = None
        self._turn = asyncio.Lock()
        self._in_process: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._statements: set[asyncio.Task[bool]] = set()

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Holds the lock of a name, after waiting for its holder. Raises KnowledgeUnavailable.

        If the connection is lost, the database frees its locks for other processes.
        """
        async with self._in_process.setdefault(name, asyncio.Lock()):
            key = _key(name)
            try:
                while not await self._execute(_TAKE, key):  # noqa: ASYNC110 -- no event tells of it
                    await asyncio.sleep(_RETRY_S)
                yield
            finally:
                await self._release(key)

    @asynccontextmanager
    async def held_if_free(self, name: str) -> AsyncIterator[bool]:
        """Holds the lock of a name if it is free; yields True if it does. Raises KnowledgeUnavailable."""
        in_process = self._in_process.setdefault(name, asyncio.Lock())
        if in_process.locked():
            yield False
            return
        async with in_process:
            key = _key(name)
            try:
                yield await self._execute(_TAKE, key)
            finally:
                await self._release(key)

    async def close(self) -> None:
        """Closes the connection, which frees all locks."""
        async with self._turn:
            await self._drop_connection()

    async def _release(self, key: int) -> None:
        """Also called where the lock was perhaps not taken, which the database ignores."""
        try:
            await self._execute(_RELEASE, key)
        except KnowledgeUnavailable:
            log.warning("a lock was released by the loss of its connection")

    async def _execute(self, statement: TextClause, key: int) -> bool:
        """Executes in a task, since cancelling a statement could cost the connection, and with it the
        locks of others. Statements run one by one, so a release follows its cancelled attempt. SQLite has
        none to execute: True.
        """
        if not self._shared:
            return True
        task = detached_task(self._executed(statement, key))
        self._statements.add(task)
        task.add_done_callback(self._statements.discard)
        return await asyncio.shield(task)

    async def _executed(self, statement: TextClause, key: int) -> bool:
        async with self._turn, translated_errors():
            try:
                if self._connection is None:
                    self._connection = await self._engine.connect()
                return bool(await self._connection.scalar(statement, {"key": key}))
            except BaseException:
                await self._drop_connection()
                raise

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()


def _key(name: str) -> int:
    raw = name.encode("utf-8", "surrogatepass")  # callers validate names
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), signed=True)
