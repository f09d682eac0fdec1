"""Full text search inside the database: FTS5 in SQLite, tsvector in PostgreSQL.

Titles weigh more than headings, headings more than bodies. The query itself filters by tenant,
collection and section, so its limit counts only matching chunks.
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
    """A full-text search."""

    index_id: int
    scope: Scope
    section: str | None
    """Only chunks of documents in this section; None searches all sections."""
    question: str
    """Any text; it needs no escaping."""
    limit: int
    """Most chunks to return."""
    snippets: bool = False
    """Whether to return snippets, which take longer than the search itself."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A chunk that full text search found."""

    chunk_id: int
    score: float
    """Larger for a better match; comparable only within one search."""
    snippet: str
    """The part of the body that matches; "" if the query did not ask for snippets."""


class FullText(Protocol):
    """The full-text index of chunks. A trigger or foreign key deletes its rows with their chunks."""

    async def add(self, connection: AsyncConnection, texts: Sequence[IndexedText]) -> None:
        """Adds chunks to the index."""

    async def search(self, connection: AsyncConnection, query: TextQuery) -> list[TextMatch]:
        """Returns matching chunks, best first; equal scores are ordered by chunk id."""


_CONDITIONS = """
    c.index_id = :index_id AND d.tenant = :tenant AND d.collection = :collection
    AND (CAST(:section AS TEXT) IS NULL OR d.section = :section)
"""


class SqliteFullText:
    """Ranks by BM25. Word statistics cover all tenants; callers get only ranking and scores."""

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
        """Adds chunks to the index."""
        rows = [{"id": t.chunk_id, "title": t.title, "heading": t.heading, "body": t.body} for t in texts]
        if rows:
            await connection.execute(self._ADD, rows)

    async def search(self, connection: AsyncConnection, query: TextQuery) -> list[TextMatch]:
        """Returns matching chunks, best first; equal scores are ordered by chunk id."""
        terms = search_terms(query.question)
        statement = self._SEARCH.format(snippet=self._SNIPPET if query.snippets else "''")
        return await _matches(connection, statement, query, query=fts5_query(terms)) if terms else []


class PostgresFullText:
    """Ranks by cover density over English word stems.

    Cover density ignores how rare a word is: `tw` from another error's code counts as much as `4003`. So
    chunks with a phrase of the question rank before chunks with only words of it.
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
        """Adds chunks to the index."""
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
        """Returns matching chunks, best first; equal scores are ordered by chunk id."""
        terms = search_terms(without_marks(query.question))
        if not terms:
            return []
        statement = self._SEARCH.format(snippet=self._SNIPPET if query.snippets else "''")
        phrases = tsquery(term for term in terms if len(term) > 1)
        return await _matches(connection, statement, query, query=tsquery(terms), phrases=phrases)


def full_text(dialect: str) -> FullText:
    """Returns the full-text index of an SQL dialect."""
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
