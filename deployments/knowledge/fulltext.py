"""Full text search inside the database: FTS5 in SQLite, tsvector in PostgreSQL.

Titles weigh more than headings, headings more than bodies. The query itself filters by tenant,
collection, section and `DocumentFilter`, so its limit counts only matching chunks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.ids import Scope
from deployments.knowledge.document_filter import condition, parameters
from deployments.knowledge.search_terms import (
    Term,
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
    only: DocumentFilter = EVERY_DOCUMENT
    """Only chunks of these documents."""
    snippets: bool = False
    """Whether to return snippets, which take longer than the search itself."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A chunk that full text search found."""

    chunk_id: int
    snippet: str
    """The part of the body that matches; "" if the query did not ask for snippets."""


class FullText(Protocol):
    """The full-text index of chunks. A trigger or foreign key deletes its rows with their chunks."""

    async def add(self, connection: AsyncConnection, texts: Sequence[IndexedText]) -> None:
        """Adds chunks to the index."""

    async def search(self, connection: AsyncConnection, query: TextQuery) -> list[TextMatch]:
        """Returns matching chunks, best first. The order depends on chunks of the query's scope only."""


_CONDITIONS = """
    c.index_id = :index_id AND d.tenant = :tenant AND d.collection = :collection
    AND (CAST(:section AS TEXT) IS NULL OR d.section = :section)
"""


class SqliteFullText:
    """Ranks by the terms that a chunk has: a term that few chunks of the scope have counts more.

    FTS5's own `bm25` can't be used: its word counts and lengths are those of all tenants' rows, so that
    order and scores would tell one tenant which words others store.
    """

    _ADD = text(
        "INSERT INTO chunk_search (rowid, title, heading, body) VALUES (:id, :title, :heading, :body)"
    )
    _WEIGHTS: Mapping[str, float] = {"title": 4.0, "heading": 2.0, "body": 1.0}
    _WANTED = f"{_CONDITIONS} AND {condition('sqlite', 'd')}"
    _SCOPE = f"documents d JOIN chunks c ON c.document_id = d.id WHERE {_WANTED}"
    _HITS = f"""
        SELECT c.id AS id, {{term}} AS term, {{score}} AS score
        FROM chunk_search CROSS JOIN chunks c ON c.id = chunk_search.rowid
        CROSS JOIN documents d ON d.id = c.document_id
        WHERE chunk_search MATCH {{match}} AND {_WANTED}
        """  # noqa: S608 -- constants only
    # Sums of equal numbers in different order differ in the last digits, hence the rounding.
    _BEST = """
        SELECT id FROM ({hits}) GROUP BY id ORDER BY round(sum(score), 9) DESC, id LIMIT :limit
        """
    _SNIPPETS = """
        SELECT rowid, snippet(chunk_search, 2, '', '', '…', 32) AS snippet
        FROM chunk_search WHERE chunk_search MATCH :query AND rowid IN (SELECT value FROM json_each(:ids))
        """

    async def add(self, connection: AsyncConnection, texts: Sequence[IndexedText]) -> None:
        """Adds chunks to the index."""
        rows = [{"id": t.chunk_id, "title": t.title, "heading": t.heading, "body": t.body} for t in texts]
        if rows:
            await connection.execute(self._ADD, rows)

    async def search(self, connection: AsyncConnection, query: TextQuery) -> list[TextMatch]:
        """Returns matching chunks, best first; equally good ones are ordered by chunk id."""
        terms = search_terms(query.question)
        rarity = await self._rarity(connection, query, terms) if terms else {}
        if not rarity:
            return []
        hits, values = [], _parameters(query)
        for number, rare in rarity.items():
            for column, weight in self._WEIGHTS.items():
                name = f"{column}_{number}"
                values[name] = f"{column} : {fts5_query([terms[number]])}"
                values[f"score_{name}"] = weight * rare
                hits.append(self._HITS.format(term=number, score=f":score_{name}", match=f":{name}"))
        found = await connection.execute(text(self._BEST.format(hits=" UNION ALL ".join(hits))), values)
        ids = list(found.scalars())
        snippets = await self._snippets(connection, terms, ids) if query.snippets else {}
        return [TextMatch(id_, snippets.get(id_, "")) for id_ in ids]

    async def _rarity(
        self, connection: AsyncConnection, query: TextQuery, terms: Sequence[Term]
    ) -> dict[int, float]:
        """Returns BM25's inverse document frequency, by the term's position, of those the scope has."""
        values = _parameters(query)
        chunks = await connection.scalar(text(f"SELECT count(*) FROM {self._SCOPE}"), values)  # noqa: S608
        hits = []
        for number, term in enumerate(terms):
            values[f"match_{number}"] = fts5_query([term])
            hits.append(self._HITS.format(term=number, score=1, match=f":match_{number}"))
        counted = f"SELECT term, count(*) AS n FROM ({' UNION ALL '.join(hits)}) GROUP BY term"  # noqa: S608
        rows = await connection.execute(text(counted), values)
        return {row.term: math.log1p(((chunks or 0) - row.n + 0.5) / (row.n + 0.5)) for row in rows}

    async def _snippets(
        self, connection: AsyncConnection, terms: Sequence[Term], ids: Sequence[int]
    ) -> dict[int, str]:
        values = {"query": fts5_query(terms), "ids": json.dumps(ids)}
        return {row.rowid: row.snippet for row in await connection.execute(text(self._SNIPPETS), values)}


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
        WHERE {_CONDITIONS} AND {condition("postgresql", "d")}
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
        values = _parameters(query) | {"query": tsquery(terms), "phrases": phrases}
        rows = await connection.execute(text(statement), values)
        return [TextMatch(row.id, row.snippet) for row in rows]


def full_text(dialect: str) -> FullText:
    """Returns the full-text index of an SQL dialect."""
    return SqliteFullText() if dialect == "sqlite" else PostgresFullText()


def _parameters(query: TextQuery) -> dict[str, Any]:
    return {
        "index_id": query.index_id,
        "tenant": query.scope.tenant,
        "collection": query.scope.collection,
        "section": query.section,
        "limit": query.limit,
        **parameters(query.only),
    }
