"""Reads chunks with their documents, as searches show them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.documents import Passage, TextHit
from deployments.core.ids import DocId, Scope
from deployments.database.metadata import AnyRow
from deployments.knowledge.tables import chunks, documents


async def read_rows(connection: AsyncConnection, scope: Scope, chunk_ids: Sequence[int]) -> dict[int, AnyRow]:
    """Reads chunks with their documents, by chunk id. Chunks outside the scope are left out."""
    columns = (
        chunks.c.id,
        chunks.c.ordinal,
        chunks.c.heading,
        chunks.c.body,
        chunks.c.start_char,
        chunks.c.end_char,
        documents.c.tenant,
        documents.c.collection,
        documents.c.doc_id,
        documents.c.title,
        documents.c.section,
        documents.c.url,
        documents.c.version,
    )
    query = select(*columns).join(documents).where(chunks.c.id.in_(chunk_ids))
    # With the scope as a condition, SQLite would read all of the collection for more than some 60 ids.
    return {
        row.id: row
        for row in await connection.execute(query)
        if (row.tenant, row.collection) == (scope.tenant, scope.collection)
    }


def passage_of(row: AnyRow, score: float, similarity: float | None) -> Passage:
    """The passage of a row that `read_rows` has read."""
    return Passage(
        DocId(row.doc_id),
        row.title,
        row.heading,
        row.section,
        row.version,
        row.ordinal,
        row.body,
        score,
        similarity,
        row.url,
        row.start_char,
        row.end_char,
    )


def hit_of(row: AnyRow, score: float, cut: str) -> TextHit:
    """The hit of a row that `read_rows` has read. `cut` is its snippet."""
    return TextHit(
        DocId(row.doc_id),
        row.title,
        row.heading,
        row.section,
        row.version,
        score,
        cut,
        row.url,
    )
