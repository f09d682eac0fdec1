"""Locks by name, shared by all processes of a database, for changes that take several transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from weakref import WeakValueDictionary

from deployments.database.connection import Database

_MAX_HELD = 4
"""Most locks held at once. On PostgreSQL each takes a connection, and its holder needs further ones."""


class NamedLocks:
    """The locks of one kind. A process must have only one object for each kind."""

    def __init__(self, database: Database, kind: str) -> None:
        self._database = database
        self._kind = kind
        self._in_process: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(_MAX_HELD)

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Holds the lock of a name, after waiting for its holder. Raises KnowledgeUnavailable.

        If the holder's connection is lost, the database releases the lock for other processes.
        """
        raw = f"{self._kind}/{name}".encode("utf-8", "surrogatepass")  # callers validate names
        key = int.from_bytes(blake2b(raw, digest_size=8).digest(), signed=True)
        async with (
            self._in_process.setdefault(name, asyncio.Lock()),
            self._slots,
            self._database.advisory_lock(key),
        ):
            yield
