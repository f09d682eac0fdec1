"""SQL statements on documents. Callers run them inside their own transactions."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Select, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.documents import Document
from deployments.core.errors import NotFound
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.core.segments import document_segment
from deployments.database.metadata import AnyRow
from deployments.knowledge.readers.loaders import LoadedDocument
from deployments.knowledge.stored_chunks import ChunkDraft, scope_key
from deployments.knowledge.tables import chunks, documents, indexes


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document converted to Markdown and split into chunks, ready to be stored."""

    scope: Scope
    doc_id: DocId
    loaded: LoadedDocument
    chunks: Sequence[ChunkDraft]
    digest: str
    """Of the upload."""

    @property
    def labels(self) -> Labels:
        """All that a caller states of the document besides its content."""
        loaded = self.loaded
        return loaded.title, loaded.section, loaded.asked_as, loaded.url, dict(loaded.metadata)


Labels = tuple[str, str | None, tuple[str, ...], str | None, dict[str, str]]
"""Title, section, wordings, url and metadata of a document."""


def _in_scope(query: Select[Any], scope: Scope) -> Select[Any]:
    return query.where(documents.c.tenant == scope.tenant, documents.c.collection == scope.collection)


async def find_document(connection: AsyncConnection, scope: Scope, doc_id: DocId) -> AnyRow | None:
    """Returns the row of a document, or None."""
    query = _in_scope(select(documents), scope).where(documents.c.doc_id == doc_id)
    row: AnyRow | None = (await connection.execute(query)).one_or_none()
    return row


def present_or_raise(row: AnyRow | None, scope: Scope, doc_id: DocId) -> AnyRow:
    """Returns the row. Raises NotFound if there is none."""
    if row is None:
        raise NotFound(f"there is no document {doc_id} in {scope.collection}", "doc_id")
    return row


def is_equal(row: AnyRow, document: PreparedDocument) -> bool:
    """Whether a stored document has the same content and labels."""
    return (row.content, labels(row)) == (document.loaded.text, document.labels)


def labels(row: AnyRow) -> Labels:
    """A stored document's labels, which a revision does not change."""
    return row.title, row.section, asked_as(row), row.url, row.metadata


def asked_as(row: AnyRow) -> tuple[str, ...]:
    """A stored document's wordings."""
    return tuple(row.asked_as.splitlines())


async def read_segments(connection: AsyncConnection, index_id: int, found: AnyRow) -> dict[str, str]:
    """Returns the texts of a stored document's segments in an index, by segment hash."""
    query = select(chunks.c.segment_hash, chunks.c.heading, chunks.c.body).where(
        chunks.c.index_id == index_id, chunks.c.document_id == found.id
    )
    return {
        row.segment_hash: document_segment(found.title, row.heading, row.body)
        for row in await connection.execute(query)
    }


FIRST_PLACE = (DocId(""), 0)


async def read_matching_segments(
    connection: AsyncConnection, scope: Scope, pattern: str, after: tuple[DocId, int], limit: int
) -> tuple[list[str], tuple[DocId, int] | None]:
    """Returns segment texts of documents whose ids match a glob pattern, each text once.

    Reads at most `limit` chunks, ordered by document and row id, after those of `after`, at first
    `FIRST_PLACE`. Also returns the `after` of the next call; None if there are no further chunks.
    """
    start = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    columns = (chunks.c.id, documents.c.doc_id, documents.c.title, chunks.c.heading, chunks.c.body)
    query = _in_scope(select(*columns).select_from(chunks.join(documents).join(indexes)), scope).where(
        indexes.c.status == "active",
        documents.c.doc_id.startswith(start, autoescape=True),
        documents.c.doc_id >= after[0],
        or_(documents.c.doc_id > after[0], chunks.c.id > after[1]),
    )
    ordered = query.order_by(documents.c.doc_id, chunks.c.id).limit(limit)
    rows = (await connection.execute(ordered)).all()
    matching = (row for row in rows if fnmatchcase(row.doc_id, pattern))
    texts = list(dict.fromkeys(document_segment(row.title, row.heading, row.body) for row in matching))
    return texts, (DocId(rows[-1].doc_id), rows[-1].id) if len(rows) == limit else None


async def unused_segments(
    connection: AsyncConnection, scope: Scope, index_id: int, segments: Mapping[str, str]
) -> list[str]:
    """Returns the texts of those `segments` (by hash) that no document of the collection has now."""
    if not segments:
        return []
    query = select(chunks.c.segment_hash).where(
        chunks.c.index_id == index_id,
        chunks.c.scope_key == scope_key(scope),
        chunks.c.segment_hash.in_(segments),
    )
    used = set((await connection.execute(query)).scalars())
    return [segment for key, segment in segments.items() if key not in used]


async def write_document(
    connection: AsyncConnection, found: AnyRow | None, document: PreparedDocument
) -> tuple[int, int]:
    """Inserts a document, or overwrites the row `found`; returns row id and version."""
    loaded, now_s = document.loaded, time.time()
    values: dict[str, Any] = {
        "title": loaded.title,
        "section": loaded.section,
        "url": loaded.url,
        "metadata": dict(loaded.metadata),
        "content": loaded.text,
        "content_bytes": len(loaded.text.encode()),
        "digest": document.digest,
        "asked_as": "\n".join(loaded.asked_as),
        "updated_at_s": now_s,
    }
    if found is not None:
        version = found.version + 1
        changed = update(documents).where(documents.c.id == found.id)
        await connection.execute(changed.values(version=version, **values))
        return found.id, version
    scope = document.scope
    values |= {"tenant": scope.tenant, "collection": scope.collection, "doc_id": document.doc_id}
    values |= {"version": 1, "created_at_s": now_s}
    made = await connection.execute(insert(documents).values(values).returning(documents.c.id))
    return made.scalar_one(), 1


async def note_digest(connection: AsyncConnection, row_id: int, digest: str) -> None:
    """Stores the digest of an upload that is equal to what is stored, though its file differs."""
    await connection.execute(update(documents).where(documents.c.id == row_id).values(digest=digest))


def select_documents(scope: Scope, *, with_texts: bool) -> Select[Any]:
    """Selects a collection's documents, each with its `chunk_count` in the active index.

    Without texts, `content` and `asked_as` are empty: together those of many documents can be gigabytes.
    """
    counted = (
        select(func.count())
        .select_from(chunks.join(indexes))
        .where(chunks.c.document_id == documents.c.id, indexes.c.status == "active")
        .scalar_subquery()
    )
    texts = ("content", "asked_as")
    columns = [
        column if with_texts or column.name not in texts else literal("").label(column.name)
        for column in documents.c
    ]
    return _in_scope(select(*columns, counted.label("chunk_count")), scope)


def to_document(row: AnyRow) -> Document:
    """Converts a row of `select_documents`."""
    return Document(
        Scope(TenantId(row.tenant), CollectionName(row.collection)),
        DocId(row.doc_id),
        row.title,
        row.section,
        row.content,
        row.version,
        row.chunk_count,
        row.created_at_s,
        row.updated_at_s,
        asked_as(row),
        row.url,
        row.metadata,
    )
