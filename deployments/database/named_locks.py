"""Locks by name among all processes of one database: for changes that take several transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from weakref import WeakValueDictionary

from deployments.database.connection import Database

_MAX_HELD = 4
"""On PostgreSQL each takes a connection, and its holder needs more: the pool must not run out."""


class NamedLocks:
    """The locks of one kind, of which a process has one object."""

    def __init__(self, database: Database, kind: str) -> None:
        self._database = database
        self._kind = kind
        self._in_process: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(_MAX_HELD)

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Waits for whoever has the name. A lost connection gives it up. Raises: KnowledgeUnavailable."""
        raw = f"{self._kind}/{name}".encode("utf-8", "surrogatepass")  # any text: callers say what is no name
        key = int.from_bytes(blake2b(raw, digest_size=8).digest(), signed=True)
        async with (
            self._in_process.setdefault(name, asyncio.Lock()),
            self._slots,
            self._database.advisory_lock(key),
        ):
            yield
