"""Hybrid search: exact vectors, and full text for questions that contain identifiers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.documents import Passage, Retrieval, SearchQuery, TextHit
from deployments.core.ids import DocId, Scope
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.database.vectors import Embedder
from deployments.knowledge.fulltext import TextMatch, TextQuery, full_text
from deployments.knowledge.fusion import best_of_groups, fuse
from deployments.knowledge.search_terms import has_identifier
from deployments.knowledge.stamps import search_state
from deployments.knowledge.tables import chunks, documents
from deployments.knowledge.vectors import VectorCache

_MIN_DEPTH = 50
"""Least number of ranks read from each ranking: a passage third in both beats one first in only one."""


@dataclass(frozen=True, slots=True)
class _State:
    """The active index and the collection, as one transaction sees them."""

    index_id: int
    embedding: str
    """Fingerprint of the index's embedding model."""
    generation: int
    """0 if the collection does not exist."""
    stamp: str
    """Empty if the collection does not exist."""


class HybridSearch:
    """Searches one database.

    Vectors alone rank a question in everyday words. Full text, even with a small weight, promotes
    passages that share words with the question by chance: of 86 questions worded unlike the articles,
    vectors alone put the right article first for 46, fusion with a tenth of the vectors' weight for 41,
    with equal weights for 33. A question with an identifier, which an embedding hardly knows, is ranked
    by both, fused.

    While the active index is of another embedding model than `embedder`, full text alone ranks, since
    vectors of two models are not comparable. `similarity` is None then, and the threshold has no effect.
    """

    def __init__(self, database: Database, embedder: Embedder, similarity_threshold: float) -> None:
        self._database = database
        self._embedder = embedder
        self._threshold = similarity_threshold
        self._full_text = full_text(database.dialect)
        self._vectors = VectorCache()

    async def search(self, query: SearchQuery) -> Retrieval:
        """Returns at most `top_k` passages, the best of each document first, and `further` ones of these.

        A long page answers in more than one passage: of 25 questions about a product's documentation, the
        passages of five documents have the whole answer for 13, with three further ones for 23.

        Raises KnowledgeUnavailable.
        """
        question = await self._embedder.embed_query(query.text)
        depth = max(_MIN_DEPTH, 4 * query.top_k)
        async with self._database.snapshot() as connection:
            state = await _read_state(connection, query.scope)
            comparable = state.embedding == self._embedder.fingerprint
            words: list[int] = []
            if not comparable or has_identifier(query.text):
                wanted = TextQuery(state.index_id, query.scope, query.section, query.text, depth)
                words = [match.chunk_id for match in await self._full_text.search(connection, wanted)]
            near: list[int] = []
            similarities: dict[int, float] = {}
            if comparable:
                vectors = await self._vectors.load(
                    connection, query.scope, state.index_id, state.generation, state.stamp
                )
                cosines = vectors.similarities(question)
                near = vectors.nearest(cosines, query.section, depth, query.top_k)
                similarities = vectors.by_chunk(cosines, [*near, *words])
            fused = [hit for hit in fuse([near, words]) if self._is_similar(similarities.get(hit[0]))]
            rows = await _read_rows(connection, query.scope, [chunk_id for chunk_id, _ in fused])
        readable = [hit for hit in fused if hit[0] in rows]
        best = best_of_groups(readable, lambda hit: rows[hit[0]].doc_id, query.top_k, query.further)
        passages = tuple(_passage(rows[id_], score, similarities.get(id_)) for id_, score in best)
        return Retrieval(passages, state.generation, self._search_state(state.stamp))

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """Returns all passages of documents, in the order of `doc_ids` and then of their text.

        Unknown ids are ignored. Scores are 0, similarities None. Raises KnowledgeUnavailable.
        """
        position = {doc_id: number for number, doc_id in enumerate(doc_ids)}
        wanted = select(chunks.c.id).join(documents)
        wanted = wanted.where(*_within(scope), documents.c.doc_id.in_(doc_ids))
        async with self._database.snapshot() as connection:
            state = await _read_state(connection, scope)
            found = await connection.scalars(wanted.where(chunks.c.index_id == state.index_id))
            rows = (await _read_rows(connection, scope, found.all())).values()
        ordered = sorted(rows, key=lambda row: (position[row.doc_id], row.ordinal))
        passages = tuple(_passage(row, 0.0, None) for row in ordered)
        return Retrieval(passages, state.generation, self._search_state(state.stamp))

    async def states(self, scopes: Iterable[Scope]) -> dict[Scope, tuple[int, str]]:
        """Returns the current generation and `Lease.state` of each. Raises KnowledgeUnavailable."""
        async with self._database.snapshot() as connection:
            read = [(scope, await _read_state(connection, scope)) for scope in scopes]
        return {scope: (state.generation, self._search_state(state.stamp)) for scope, state in read}

    async def search_text(self, scope: Scope, question: str, limit: int) -> tuple[TextHit, ...]:
        """Searches full text; returns at most `limit` documents, ranked by their best chunk.

        Raises KnowledgeUnavailable.
        """
        depth = max(_MIN_DEPTH, 4 * limit)
        async with self._database.snapshot() as connection:
            state = await _read_state(connection, scope)
            wanted = TextQuery(state.index_id, scope, None, question, depth, snippets=True)
            matches = await self._full_text.search(connection, wanted)
            rows = await _read_rows(connection, scope, [match.chunk_id for match in matches])
        best: dict[str, TextMatch] = {}
        for match in matches:
            best.setdefault(rows[match.chunk_id].doc_id, match)
        ranked = fuse([list(best.values())[:limit]])
        return tuple(_hit(rows[match.chunk_id], score, match.snippet) for match, score in ranked)

    def _search_state(self, stamp: str) -> str:
        return search_state(stamp, self._embedder.fingerprint, self._threshold)

    def _is_similar(self, similarity: float | None) -> bool:
        return similarity is None or similarity >= self._threshold


async def _read_state(connection: AsyncConnection, scope: Scope) -> _State:
    statement = text(
        "SELECT id, embedding_fingerprint, COALESCE(generation, 0) AS generation, "
        "COALESCE(stamp, '') AS stamp FROM indexes "
        "LEFT JOIN collections ON tenant = :tenant AND name = :name WHERE status = 'active'"
    )
    values = {"tenant": scope.tenant, "name": scope.collection}
    row = (await connection.execute(statement, values)).one()
    return _State(row.id, row.embedding_fingerprint, row.generation, row.stamp)


async def _read_rows(
    connection: AsyncConnection, scope: Scope, chunk_ids: Sequence[int]
) -> dict[int, AnyRow]:
    """Reads chunks with their documents, by chunk id. Chunks outside the scope are left out."""
    columns = (
        chunks.c.id,
        chunks.c.ordinal,
        chunks.c.heading,
        chunks.c.body,
        documents.c.doc_id,
        documents.c.title,
        documents.c.section,
        documents.c.version,
    )
    query = select(*columns).join(documents).where(*_within(scope), chunks.c.id.in_(chunk_ids))
    return {row.id: row for row in await connection.execute(query)}


def _within(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return documents.c.tenant == scope.tenant, documents.c.collection == scope.collection


def _passage(row: AnyRow, score: float, similarity: float | None) -> Passage:
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
    )


def _hit(row: AnyRow, score: float, snippet: str) -> TextHit:
    return TextHit(
        DocId(row.doc_id),
        row.title,
        row.heading,
        row.section,
        row.version,
        score,
        snippet,
    )
