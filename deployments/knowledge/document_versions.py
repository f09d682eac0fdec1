"""Earlier versions of documents. Deleting a document also deletes its versions.

A document keeps its last `MAX_VERSIONS` versions, each for `MAX_AGE_S` after it was replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import delete, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.documents import DocumentVersion
from deployments.core.errors import NotFound
from deployments.core.ids import DocId, Scope
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.knowledge.document_rows import find_document, present_or_raise
from deployments.knowledge.tables import document_versions as earlier
from deployments.knowledge.tables import documents

MAX_VERSIONS = 50
"""Earlier versions of a document that are kept."""
MAX_AGE_S = 400 * 24 * 3600.0
"""How long a version is kept after it was replaced."""


async def keep_version(connection: AsyncConnection, document: AnyRow) -> None:
    """Copies a document's row to its versions, and deletes versions beyond the last `MAX_VERSIONS`.

    Call it in the transaction that overwrites the row.
    """
    values = {
        "document_id": document.id,
        "version": document.version,
        "title": document.title,
        "section": document.section,
        "url": document.url,
        "metadata": document.metadata,
        "content": document.content,
        "stored_at_s": document.updated_at_s,
    }
    await connection.execute(insert(earlier).values(values))
    beyond = earlier.c.version <= document.version - MAX_VERSIONS
    await connection.execute(delete(earlier).where(earlier.c.document_id == document.id, beyond))


@dataclass(frozen=True, slots=True)
class VersionRetention:
    """Deletes versions that are too old."""

    database: Database
    clock: Callable[[], float]
    """Gives Unix seconds."""

    async def prune(self, limit: int) -> int:
        """Deletes at most `limit` versions replaced `MAX_AGE_S` ago; returns how many.

        Raises KnowledgeUnavailable.
        """
        before_s = self.clock() - MAX_AGE_S
        later = earlier.alias()
        next_s = (
            select(func.min(later.c.stored_at_s))
            .where(later.c.document_id == earlier.c.document_id, later.c.version > earlier.c.version)
            .scalar_subquery()
        )
        replaced_at_s = func.coalesce(next_s, documents.c.updated_at_s)
        # Stored earlier than replaced, so the index on the first finds the few candidates.
        old = (earlier.c.stored_at_s < before_s, replaced_at_s < before_s)
        names = select(earlier.c.document_id, earlier.c.version).join(documents).where(*old).limit(limit)
        async with self.database.transaction() as connection:
            found = [tuple(row) for row in await connection.execute(names)]
            if found:
                key = tuple_(earlier.c.document_id, earlier.c.version)
                await connection.execute(delete(earlier).where(key.in_(found)))
        return len(found)


class DocumentHistory:
    """Reads the versions of documents, including the current ones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self, scope: Scope, doc_id: DocId, version: int) -> DocumentVersion:
        """Returns one version of a document. Raises NotFound, KnowledgeUnavailable."""
        async with self._database.snapshot() as connection:
            present = present_or_raise(await find_document(connection, scope, doc_id), scope, doc_id)
            if present.version == version:
                return _current(present)
            query = select(earlier).where(earlier.c.document_id == present.id, earlier.c.version == version)
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"there is no version {version} of document {doc_id}", "version")
        return _version(row, row.content, row.stored_at_s)

    async def versions(
        self, scope: Scope, doc_id: DocId, limit: int, before: int | None
    ) -> tuple[DocumentVersion, ...]:
        """Returns at most `limit` versions without their contents, newest first.

        With `before`, only versions older than it. Raises NotFound, KnowledgeUnavailable.
        """
        columns = [column for column in earlier.c if column.name not in {"document_id", "content"}]
        async with self._database.snapshot() as connection:
            present = present_or_raise(await find_document(connection, scope, doc_id), scope, doc_id)
            bound = present.version + 1 if before is None else before
            query = select(*columns).where(earlier.c.document_id == present.id, earlier.c.version < bound)
            rows = await connection.execute(query.order_by(earlier.c.version.desc()).limit(limit))
            found = [_version(row, None, row.stored_at_s) for row in rows]
        newest = [replace(_current(present), content=None)] if present.version < bound else []
        return tuple([*newest, *found][:limit])


def _current(row: AnyRow) -> DocumentVersion:
    return _version(row, row.content, row.updated_at_s)


def _version(row: AnyRow, content: str | None, stored_at_s: float) -> DocumentVersion:
    return DocumentVersion(row.version, row.title, row.section, content, stored_at_s, row.url, row.metadata)
