"""Reads which segments the documents of a collection have now."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from deployments.core.batches import batches
from deployments.core.conversations import NO_LIMIT, Limit
from deployments.core.ids import Scope
from deployments.core.segments import document_segment
from deployments.database.connection import Database
from deployments.knowledge.collection_states import read_state
from deployments.knowledge.labels import matches
from deployments.knowledge.stored_chunks import scope_key
from deployments.knowledge.tables import chunks, documents

_PER_STATEMENT = 500
"""Digests in one statement; SQLite allows 32,766 values."""


class DocumentSegments:
    """Implements `CurrentSegments`. The database's owner closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current_segments(
        self, scope: Scope, digests: Sequence[str], limit: Limit = NO_LIMIT
    ) -> dict[str, str]:
        """Returns the texts, by digest, of segments that a document within the limit has now.

        Raises KnowledgeUnavailable.
        """
        found: dict[str, str] = {}
        columns = chunks.c.segment_hash, documents.c.title, chunks.c.heading, chunks.c.body
        wanted = select(*columns).join(documents)
        wanted = wanted.where(documents.c.tenant == scope.tenant, documents.c.collection == scope.collection)
        if limit.section is not None:
            wanted = wanted.where(documents.c.section == limit.section)
        if limit.only:
            wanted = wanted.where(matches(scope, limit.only))
        async with self._database.snapshot() as connection:
            index_id = (await read_state(connection, scope)).index_id
            wanted = wanted.where(chunks.c.index_id == index_id, chunks.c.scope_key == scope_key(scope))
            for batch in batches(digests, _PER_STATEMENT):
                for row in await connection.execute(wanted.where(chunks.c.segment_hash.in_(batch))):
                    found[row.segment_hash] = document_segment(row.title, row.heading, row.body)
        return found
