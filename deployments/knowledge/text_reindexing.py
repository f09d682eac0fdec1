"""Indexes all chunks for full text again, at the first start with another `WORDS_VERSION`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.database.connection import Database
from deployments.database.milestones import Milestones
from deployments.knowledge.fulltext import ChunkWords, TextScope, full_text
from deployments.knowledge.index_words import WORDS_VERSION

log = logging.getLogger(__name__)

_BATCH = 500
"""Chunks of one transaction."""
_NEXT = text(
    "SELECT c.id, c.index_id, i.word_key, d.tenant, d.collection, d.title, c.heading, c.body FROM chunks c "
    "JOIN indexes i ON i.id = c.index_id JOIN documents d ON d.id = c.document_id "
    "WHERE c.id > :last ORDER BY c.id LIMIT :limit"
)


async def reindex_texts(database: Database) -> None:
    """Indexes all chunks, unless this was done in an earlier start. Raises KnowledgeUnavailable.

    A start that is killed meanwhile is repeated by the next one.
    """
    milestones = Milestones(database)
    milestone = f"words:{WORDS_VERSION}"
    if await milestones.reached(milestone):
        return
    done = 0
    last: int | None = 0
    while last is not None:
        async with database.transaction() as connection:
            count, last = await _reindex_batch(connection, last)
        done += count
        log.info("full text: indexed %d chunks", done)
    await milestones.reach(milestone)


async def _reindex_batch(connection: AsyncConnection, last: int) -> tuple[int, int | None]:
    """Indexes the chunks after `last`; returns their number, and the last one's id if there may be more."""
    key = "rowid" if connection.dialect.name == "sqlite" else "chunk_id"
    if connection.dialect.name == "postgresql":
        # Writers wait for this lock before their first row. If they waited row by row, both could deadlock.
        await connection.execute(text("LOCK TABLE chunk_search IN SHARE ROW EXCLUSIVE MODE"))
    rows = (await connection.execute(_NEXT, {"last": last, "limit": _BATCH})).all()
    if not rows:
        return 0, None
    span = {"first": rows[0].id, "last": rows[-1].id}
    await connection.execute(
        text(f"DELETE FROM chunk_search WHERE {key} BETWEEN :first AND :last"),  # noqa: S608 -- constants
        span,
    )
    for within, group in groupby(rows, _within):
        words = await asyncio.to_thread(_words, list(group))
        await full_text(connection.dialect.name).add(connection, within, words)
    return len(rows), rows[-1].id


def _within(row: Row[tuple[object, ...]]) -> TextScope:
    scope = Scope(TenantId(row.tenant), CollectionName(row.collection))
    return TextScope(row.index_id, bytes(row.word_key), scope)


def _words(rows: Sequence[Row[tuple[object, ...]]]) -> dict[int, ChunkWords]:
    return {row.id: ChunkWords.of(row.title, row.heading, row.body) for row in rows}
