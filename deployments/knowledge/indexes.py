"""Indexes: chunks and vectors of all documents, made by one embedding model, tokenizer, chunk size
and version of the chunking.

Exactly one index is active: searches use it. Another one may be building; it replaces the active one
when it is complete.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, TenantId
from deployments.core.salt import SALT_COLLECTION
from deployments.database.metadata import AnyRow
from deployments.knowledge.document_rows import asked_as
from deployments.knowledge.stamps import new_stamp
from deployments.knowledge.tables import chunks, collections, documents, indexes, wordings

_ACTIVE, _BUILDING = "active", "building"


@dataclass(frozen=True, slots=True)
class IndexKey:
    """What decides the chunks and vectors of an index."""

    embedding: Fingerprint
    """Of the embedding model."""
    tokenizer: Fingerprint
    """Of the tokenizer that measures chunks."""
    chunk_tokens: int
    """Most tokens of a chunk's segment."""
    chunking: int
    """Version of the code that cuts documents."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """An index in the database."""

    id: int
    key: IndexKey
    active: bool
    word_key: bytes
    """Secret key of the hashes of words."""


@dataclass(frozen=True, slots=True)
class PendingDocument:
    """A document that is incomplete in an index."""

    id: int
    """The document's row id."""
    scope: Scope
    doc_id: DocId
    title: str
    content: str
    asked_as: tuple[str, ...]
    version: int
    """The version that the other fields are from."""


async def read_indexes(connection: AsyncConnection) -> list[IndexRow]:
    """Reads all indexes and locks them: none is activated or dropped until the transaction ends."""
    rows = await connection.execute(select(indexes).order_by(indexes.c.id).with_for_update(read=True))
    return [_index(row) for row in rows]


async def ensure_index(connection: AsyncConnection, key: IndexKey) -> IndexRow:
    """Returns the index of `key`; creates it if needed, active in a new database and otherwise building.

    Drops a building index of another key, since no process will complete it.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("LOCK TABLE indexes IN EXCLUSIVE MODE"))
    present = await read_indexes(connection)
    own = next((index for index in present if index.key == key), None)
    if own is None:
        active = not any(index.active for index in present)
        values: dict[str, Any] = {
            "embedding_fingerprint": key.embedding,
            "tokenizer_fingerprint": key.tokenizer,
            "chunk_tokens": key.chunk_tokens,
            "chunking_version": key.chunking,
            "word_key": secrets.token_bytes(16),
            "status": _ACTIVE if active else _BUILDING,
        }
        made = await connection.execute(insert(indexes).values(values).returning(indexes.c.id))
        own = IndexRow(made.scalar_one(), key, active, values["word_key"])
    unfinished = indexes.c.status == _BUILDING
    await connection.execute(delete(indexes).where(unfinished, indexes.c.id != own.id))
    return own


async def pending_documents(
    connection: AsyncConnection, index_id: int, limit: int, after: int
) -> Sequence[PendingDocument]:
    """Returns at most `limit` documents that are incomplete in an index, ordered by row id, after `after`."""
    columns = (*_SCOPE, *(documents.c[name] for name in _PENDING_COLUMNS))
    query = _pending(select(*columns), index_id).where(documents.c.id > after)
    query = query.order_by(documents.c.id).limit(limit)
    return [
        PendingDocument(
            row.id, _scope(row), DocId(row.doc_id), row.title, row.content, asked_as(row), row.version
        )
        for row in await connection.execute(query)
    ]


async def count_pending(connection: AsyncConnection, index_id: int) -> int:
    """Counts the documents that are incomplete in an index."""
    query = _pending(select(func.count()).select_from(documents), index_id)
    return int(await connection.scalar(query) or 0)


async def activate(connection: AsyncConnection, index_id: int) -> bool:
    """Activates a complete index and drops all others; returns False if it is incomplete or was dropped.

    Increments every collection's generation, since searches find other chunks from then on. Does nothing
    if another process has activated it.
    """
    rows = await connection.execute(select(indexes.c.id, indexes.c.status).with_for_update())
    present = {row.id: row.status for row in rows}
    if index_id not in present or await count_pending(connection, index_id):
        return False
    if present[index_id] == _ACTIVE:
        return True
    await connection.execute(delete(indexes).where(indexes.c.id != index_id))
    await connection.execute(update(indexes).values(status=_ACTIVE))
    raised = {"generation": collections.c.generation + 1, "stamp": new_stamp()}
    with_texts = collections.c.name != SALT_COLLECTION
    await connection.execute(update(collections).where(with_texts).values(raised))
    return True


_SCOPE = (documents.c.tenant, documents.c.collection)
_PENDING_COLUMNS = ("id", "doc_id", "title", "content", "asked_as", "version")


def _pending(query: Select[Any], index_id: int) -> Select[Any]:
    """Selects incomplete documents: a chunk has no vector, or all chunks or all wordings are missing.

    `DocumentStore.put` leaves a document in one of these states where it has no vectors of an index's
    model.
    """
    of_index = (chunks.c.document_id == documents.c.id, chunks.c.index_id == index_id)
    has_chunks = exists().where(*of_index)
    lacks_vectors = exists().where(*of_index, chunks.c.embedding.is_(None))
    has_wordings = exists().where(wordings.c.document_id == documents.c.id, wordings.c.index_id == index_id)
    lacks_wordings = and_(documents.c.asked_as != "", ~has_wordings)
    return query.where(or_(~has_chunks, lacks_vectors, lacks_wordings))


def _scope(row: AnyRow) -> Scope:
    return Scope(TenantId(row.tenant), CollectionName(row.collection))


def _index(row: AnyRow) -> IndexRow:
    key = IndexKey(
        Fingerprint(row.embedding_fingerprint),
        Fingerprint(row.tokenizer_fingerprint),
        row.chunk_tokens,
        row.chunking_version,
    )
    return IndexRow(row.id, key, row.status == _ACTIVE, bytes(row.word_key))
