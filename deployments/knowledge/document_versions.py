"""Earlier versions of documents. Deleting a document also deletes its versions."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.documents import DocumentVersion
from deployments.core.errors import NotFound
from deployments.core.ids import DocId, Scope
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.knowledge.document_rows import find_document, present_or_raise
from deployments.knowledge.tables import document_versions as earlier


async def keep_version(connection: AsyncConnection, document: AnyRow) -> None:
    """Copies a document's row to its versions. Call it in the transaction that overwrites the row."""
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
