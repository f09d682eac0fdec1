"""Fills a new index in the background while searches use the active one, then activates the new index.

The progress is only in the database: after a kill, the next start continues. Meanwhile
`DocumentStore.put` writes to both indexes, so the new one is complete when no document is pending.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy import select

from deployments.core.errors import KnowledgeUnavailable
from deployments.database.connection import Database
from deployments.knowledge.indexes import (
    IndexRow,
    PendingDocument,
    activate,
    count_pending,
    pending_documents,
)
from deployments.knowledge.indexing import Indexer
from deployments.knowledge.store import DocumentStore
from deployments.knowledge.tables import indexes

log = logging.getLogger(__name__)

_BATCH_DOCUMENTS = 16
_LOCK = "rebuild"
"""Name of the lock among processes."""
_RETRY_S = 5.0
"""Pause after the database was unavailable."""


class Rebuild:
    """Fills one index. `pending` is the number of documents that are incomplete in it at the start."""

    def __init__(
        self, database: Database, store: DocumentStore, indexer: Indexer, index: IndexRow, pending: int
    ) -> None:
        self._database = database
        self._store = store
        self._indexer = indexer
        self._index = index
        self._total = pending
        self._pending = pending
        self._failure: str | None = None
        self._finished = False

    def describe(self) -> str:
        """Describes the progress, for the status page."""
        if self._finished:
            return "ready"
        if self._failure:
            return f"rebuild failed, the former index serves: {self._failure}"
        return f"rebuilding: {self._total - self._pending} of {self._total} documents"

    async def run(self) -> None:
        """Fills and activates the index. Returns also if another process drops it or filling fails.

        Never raises; retries while the database is unavailable.
        """
        while not self._finished:
            try:
                # One process does the work. The others find nothing to do when they get the lock.
                async with self._database.lock(_LOCK):
                    await self._fill()
                self._finished = True
            except KnowledgeUnavailable as error:
                log.warning("index rebuild waits for the database: %s", error)
                await asyncio.sleep(_RETRY_S)
            except Exception as error:
                log.exception("index rebuild failed; the former index serves until the next start")
                self._failure = repr(error)
                return

    async def _fill(self) -> None:
        """Walks through the pending documents until a walk finds none, and activates the index."""
        logged, after = None, 0
        while True:
            batch = await self._next_batch(after)
            if batch is None:
                log.warning("index: another process has dropped this one")
                return
            self._total = max(self._total, self._pending)
            if self._pending != logged:
                log.info("index: %d of %d documents", self._total - self._pending, self._total)
                logged = self._pending
            for document in batch:
                drafts = await self._indexer.split(document)
                vectors = await self._indexer.vectors(document.scope.tenant, drafts, document.asked_as)
                await self._store.put_into(self._index, document, drafts, vectors)
                self._pending -= 1
            if not batch and not after and await self._switch():
                return
            after = batch[-1].id if batch else 0

    async def _next_batch(self, after: int) -> Sequence[PendingDocument] | None:
        """Returns the next pending documents; None if another process has dropped this index.

        Counts them only where a walk begins, since counting reads all documents.
        """
        async with self._database.snapshot() as connection:
            own = select(indexes.c.id).where(indexes.c.id == self._index.id)
            if await connection.scalar(own) is None:
                return None
            if not after:
                self._pending = await count_pending(connection, self._index.id)
            return await pending_documents(connection, self._index.id, _BATCH_DOCUMENTS, after)

    async def _switch(self) -> bool:
        """Activates the index; returns False if a document has become pending meanwhile."""
        if self._index.active:
            return True
        async with self._database.transaction() as connection:
            switched = await activate(connection, self._index.id)
        if switched:
            log.info("index: the new one serves, %d documents", self._total)
        return switched
