"""Full text search inside the database: FTS5 in SQLite, tsvector in PostgreSQL.

Titles weigh more than headings and these more than bodies. Tenant, collection and section are
conditions of the query itself, so a limit counts matching chunks only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import Scope
from deployments.knowledge.search_terms import (
    fts5_query,
    indexed_words,
    search_terms,
    tsquery,
    without_marks,
)


@dataclass(frozen=True, slots=True)
class IndexedText:
    """A chunk's searchable text."""

    chunk_id: int
    title: str
    heading: str
    body: str


@dataclass(frozen=True, slots=True)
class TextQuery:
    """What to look for, where. At most `limit` chunks are found. Snippets cost more than the search."""

    index_id: int
    scope: Scope
    section: str | None
    question: str
    limit: int
    snippets: bool = False


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A chunk found. `score` is larger for a better match, comparable within one search only.

    `snippet` is the part of the body that matches, "" when it was not asked for.
    """

    chunk_id: int
    score: float
    snippet: str


class FullText(Protocol):
    """Full text of chunks. Rows go with their chunks, by trigger or foreign key."""

    async def add(self, connection: AsyncConnection, texts: Sequence[IndexedText]) -> None:
        """Makes chunks findable."""

    async def search(self, connection: AsyncConnection, query: TextQuery) -> list[TextMatch]:
        """The best matches first; ties by chunk id. Any text is a safe question."""


_CONDITIONS = """
    c.index_id = :index_id AND d.tenant = :tenant AND d.collection = :collection
    AND (CAST(:section AS TEXT) IS NULL OR d.section = :section)
"""


class SqliteFullText:
    """Ranks by BM25. Its word statistics are those of the whole database, ranks are what leaves it."""

    _ADD = text(
        "INSERT INTO chunk_search (rowid, title, heading, body) VALUES (:id, :title, :heading, :body)"
    )
    _SNIPPET = "snippet(chunk_search, 2, '', '', '…', 32)"
    _SEARCH = f"""
        SELECT c.id, -bm25(chunk_search, 4.0, 2.0, 1.0) AS score, {{snippet}} AS snippet
        FROM chunk_search JOIN chunks c ON c.id = chunk_search.rowid
        JOIN documents d ON d.id = c.document_id
        WHERE chunk_search MATCH :query AND {_CONDITIONS}
        ORDER BY score DESC, c.id LIMIT :limit
        """  # noqa: S608 -- constants only

    async def add(self, connection: AsyncConnection, texts: Sequence[IndexedText]) -> None:
        """See `FullText`."""
        rows = [{"id": t.chunk_id, "title": t.title, "heading": t.heading, "body": t.body} for t in texts]
        if rows:
            await connection.execute(self._ADD, rows)

    async def search(self, connection: AsyncConnection, query: TextQuery) -> list[TextMatch]:
        """See `FullText`."""
        terms = search_terms(query.question)
        statement = self._SEARCH.format(snippet=self._SNIPPET if query.snippets else "''")
        return await _matches(connection, statement, query, query=fts5_query(terms)) if terms else []


class PostgresFullText:
    """Ranks by cover density over English word stems.

    That knows nothing of how rare a word is: `tw` of another error's code counts as much as `4003`. So what
    has a phrase of the question comes before all that has only words of it.
    """

    _ADD = text(
        """
        INSERT INTO chunk_search (chunk_id, words) VALUES (:id,
            setweight(to_tsvector('english', :title), 'A')
            || setweight(to_tsvector('english', :heading), 'B')
            || setweight(to_tsvector('english', :body), 'D'))
        """
    )
    _SNIPPET = """ts_headline('english', c.body, q.query,
        'StartSel="", StopSel="", MaxWords=32, MinWords=16')"""
    _SEARCH = f"""
        SELECT c.id, CAST(s.words @@ p.phrases AS integer)
                   + ts_rank_cd('{{{{0.25, 0.25, 0.5, 1.0}}}}', s.words, q.query, 1 | 32) AS score,
               {{snippet}} AS snippet
        FROM to_tsquery('english', :query) AS q (query)
        CROSS JOIN to_tsquery('english', :phrases) AS p (phrases)
        JOIN chunk_search s ON s.words @@ q.query JOIN chunks c ON c.id = s.chunk_id
        JOIN documents d ON d.id = c.document_id
        WHERE {_CONDITIONS}
        ORDER BY score DESC, c.id LIMIT :limit
        """  # noqa: S608 -- constants only

    async def add(self, connection: AsyncConnection, texts: Sequence[IndexedText]) -> None:
        """See `FullText`."""
        rows = [
            {
                "id": t.chunk_id,
                "title": indexed_words(t.title),
                "heading": indexed_words(t.heading),
                "body": indexed_words(t.body),
            }
            for t in texts
        ]
        if rows:
            await connection.execute(self._ADD, rows)

    async def search(self, connection: AsyncConnection, query: TextQuery) -> list[TextMatch]:
        """See `FullText`."""
        terms = search_terms(without_marks(query.question))
        if not terms:
            return []
        statement = self._SEARCH.format(snippet=self._SNIPPET if query.snippets else "''")
        phrases = tsquery(term for term in terms if len(term) > 1)
        return await _matches(connection, statement, query, query=tsquery(terms), phrases=phrases)


def full_text(dialect: str) -> FullText:
    """The one of a database."""
    return SqliteFullText() if dialect == "sqlite" else PostgresFullText()


async def _matches(
    connection: AsyncConnection, statement: str, wanted: TextQuery, **expressions: str
) -> list[TextMatch]:
    parameters: dict[str, Any] = {
        "index_id": wanted.index_id,
        "tenant": wanted.scope.tenant,
        "collection": wanted.scope.collection,
        "section": wanted.section,
        "limit": wanted.limit,
        **expressions,
    }
    rows = await connection.execute(text(statement), parameters)
    return [TextMatch(row.id, row.score, row.snippet) for row in rows]
