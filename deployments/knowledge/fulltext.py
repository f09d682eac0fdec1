"""The full-text index in the database: which chunks have a word. FTS5 in SQLite, GIN in PostgreSQL.

The database compares no words. It stores a hash of each word with its place (title, heading, anywhere) and
the index, tenant and collection of its chunk. So both databases find the same chunks, a search reads
entries of its own collection only, and nothing that it returns depends on others' texts, nor does the time
it takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.ids import Scope
from deployments.knowledge.index_words import index_words
from deployments.knowledge.labels import CONDITION, parameters, with_filter

ChunkIds = npt.NDArray[np.int64]


class Place(StrEnum):
    """Where a word stands in a chunk."""

    TITLE = "title"
    HEADING = "heading"
    ANYWHERE = "anywhere"
    """In title, heading or body."""


@dataclass(frozen=True, slots=True)
class TextScope:
    """The chunks among which a search looks: those of a collection in an index.

    Only the hashes keep collections apart. They are keyed, since otherwise somebody could compute a word
    whose hash in the own collection is that of a word in another one.
    """

    index_id: int
    word_key: bytes
    """The index's secret key."""
    scope: Scope

    def keys(self, place: Place, words: Iterable[str]) -> list[int]:
        """Returns the hashes of words, integers of 48 bits, in the order of `words`."""
        prefix = blake2b(f"{self.scope}/{place}/".encode(), digest_size=6, key=self.word_key)
        return [_hashed(prefix.copy(), word) for word in words]


def _hashed(prefix: blake2b, word: str) -> int:
    prefix.update(word.encode())
    return int.from_bytes(prefix.digest())


@dataclass(frozen=True, slots=True)
class ChunkWords:
    """The words under which a chunk is found, by place. Finding them takes about a millisecond."""

    title: frozenset[str]
    heading: frozenset[str]
    anywhere: frozenset[str]

    @classmethod
    def of(cls, title: str, heading: str, body: str) -> ChunkWords:
        """The words of a chunk with these texts."""
        in_title, in_heading, in_body = (frozenset(index_words(part)) for part in (title, heading, body))
        return cls(in_title, in_heading, in_title | in_heading | in_body)

    def keys(self, scope: TextScope) -> list[int]:
        """Returns the hashes under which the chunk is stored."""
        return [
            *scope.keys(Place.TITLE, self.title),
            *scope.keys(Place.HEADING, self.heading),
            *scope.keys(Place.ANYWHERE, self.anywhere),
        ]


@dataclass(frozen=True, slots=True)
class WordQuery:
    """Asks which chunks have words."""

    within: TextScope
    section: str | None
    """Only chunks of documents in this section; None asks for all sections."""
    words: Sequence[str]
    places: Sequence[Place]
    """Where the words may stand; the answer tells these places apart."""
    limit: int
    """Most chunks to return for each word and place: those with the lowest ids."""
    only: DocumentFilter = EVERY_DOCUMENT
    """Only chunks of these documents."""


Found = Mapping[tuple[str, Place], ChunkIds]
"""Ids of chunks, ascending, by word and place. Words that no chunk has are missing."""


class FullText(Protocol):
    """The full-text index of chunks. A trigger or foreign key deletes its rows with their chunks."""

    async def add(
        self, connection: AsyncConnection, within: TextScope, words: Mapping[int, ChunkWords]
    ) -> None:
        """Adds chunks to the index, by row id."""

    async def find(self, connection: AsyncConnection, query: WordQuery) -> Found:
        """Returns the chunks that have the words."""


def _is_wanted(chunk_id: str) -> str:
    """The condition on a chunk by its document's section and labels; `:all` is 1 if a query has neither."""
    return f"""
    (CAST(:all AS INTEGER) = 1 OR EXISTS (
        SELECT 1 FROM chunks c JOIN documents d ON d.id = c.document_id
        WHERE c.id = {chunk_id} AND (CAST(:section AS TEXT) IS NULL OR d.section = :section)
        AND {CONDITION}))
    """  # noqa: S608 -- constants only


@dataclass(frozen=True, slots=True)
class SqlFullText:
    """Implements `FullText` by statements of one SQL dialect."""

    insert: str
    """Adds the row of chunk `:id` with `:keys`."""
    select: TextClause
    """Returns for each of `:keys`, by its number from 0, the ids of at most `:limit` chunks, with commas."""
    listed: Callable[[Iterable[int]], str]
    """Writes keys as both statements read them."""

    async def add(
        self, connection: AsyncConnection, within: TextScope, words: Mapping[int, ChunkWords]
    ) -> None:
        """Adds chunks to the index, by row id. Hashes in a thread, since there may be many."""

        def hashed() -> list[dict[str, object]]:
            return [{"id": id_, "keys": self.listed(own.keys(within))} for id_, own in words.items()]

        if rows := await asyncio.to_thread(hashed):
            await connection.execute(text(self.insert), rows)

    async def find(self, connection: AsyncConnection, query: WordQuery) -> Found:
        """Returns the chunks that have the words, by one statement."""
        asked = [(word, place) for place in query.places for word in query.words]
        keys = [key for place in query.places for key in query.within.keys(place, query.words)]
        values = {
            "keys": self.listed(keys),
            "limit": query.limit,
            "all": int(query.section is None and not query.only),
            "section": query.section,
            **parameters(query.within.scope, query.only),
        }
        rows = await connection.execute(self.select, values)
        return {asked[row.number]: np.fromstring(row.ids, np.int64, sep=",") for row in rows if row.ids}


_SQLITE = SqlFullText(
    "INSERT INTO chunk_search (rowid, keys) VALUES (:id, :keys)",
    with_filter(f"""
    SELECT k.key AS number, (
        SELECT group_concat(id) FROM (
            SELECT rowid AS id FROM chunk_search
            WHERE chunk_search MATCH k.value AND {_is_wanted("chunk_search.rowid")}
            ORDER BY rowid LIMIT :limit)
        ) AS ids
    FROM json_each('["' || replace(:keys, ' ', '","') || '"]') k
    """),  # noqa: S608 -- constants only
    lambda keys: " ".join(f"{key:012x}" for key in keys),
)
# OFFSET 0 and the order outside of it keep the planner from walking through other chunks until it has found
# as many as the limit.
_POSTGRESQL = SqlFullText(
    "INSERT INTO chunk_search (chunk_id, keys) VALUES (:id, CAST(:keys AS bigint[]))",
    with_filter(f"""
    SELECT k.number - 1 AS number, (
        SELECT string_agg(CAST(chunk_id AS text), ',') FROM (
            SELECT chunk_id FROM (
                SELECT s.chunk_id FROM chunk_search s WHERE s.keys @> ARRAY[k.key] OFFSET 0) AS having_key
            WHERE {_is_wanted("having_key.chunk_id")}
            ORDER BY chunk_id LIMIT :limit) AS first_ones
        ) AS ids
    FROM unnest(CAST(:keys AS bigint[])) WITH ORDINALITY AS k (key, number)
    """),  # noqa: S608 -- constants only
    lambda keys: "{" + ",".join(map(str, keys)) + "}",
)


def full_text(dialect: str) -> FullText:
    """Returns the full-text index of an SQL dialect."""
    return _SQLITE if dialect == "sqlite" else _POSTGRESQL
