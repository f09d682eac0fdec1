"""Hybrid search: exact vectors, and full text for what a question spells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.documents import Retrieval, SearchQuery, TextHit
from deployments.core.ids import DocId, Scope
from deployments.core.salt import SALT_COLLECTION
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.database.vectors import Embedder, Vector
from deployments.knowledge.chunk_rows import hit_of, passage_of, read_rows
from deployments.knowledge.collection_states import CollectionState, read_state, read_states
from deployments.knowledge.follow_up import WeighedQuestion, searched_texts, weigh
from deployments.knowledge.fulltext import Place, TextScope, WordQuery, full_text
from deployments.knowledge.fusion import best_of_groups, fuse
from deployments.knowledge.labels import matching_documents
from deployments.knowledge.search_terms import Term, search_terms
from deployments.knowledge.snippets import snippet
from deployments.knowledge.stamps import search_state
from deployments.knowledge.tables import chunks, documents
from deployments.knowledge.text_ranking import TextRanking, exact_limit, rank
from deployments.knowledge.vector_cache import DEFAULT_CACHE_BYTES, VectorCache

_MIN_DEPTH = 50
"""Least number of ranks read from each ranking: a passage third in both beats one first in only one."""
_MAX_HITS = 10_000
"""Most chunks read for one word. A word that more chunks have says little."""


@dataclass(frozen=True, slots=True)
class _TextQuestion:
    """Where a search looks for words."""

    within: TextScope
    section: str | None = None
    only: DocumentFilter = EVERY_DOCUMENT


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Chunks that were found for a question."""

    near: Sequence[int]
    """The most similar ones, best first; none where only full text ranks."""
    words: Sequence[int]
    """Those that full text found, best first."""
    exact_matches: Mapping[int, int]
    """As in `TextRanking`."""
    similarities: Mapping[int, float]
    """Cosines of both with the question, as far as they have vectors."""
    searched_as: str
    """The text that was searched for."""


class HybridSearch:
    """Searches one database.

    Vectors alone rank a question in everyday words: a passage counts by its own vector and, less, by that
    of its whole document. Full text, even with a small weight, promotes passages that share words with the
    question by chance: of 86 questions worded unlike the articles, vectors alone put the right article
    first for 46, fusion with a tenth of the vectors' weight for 41, with equal weights for 33. So full text
    adds only passages that spell what the question asks for: an identifier, which an embedding hardly
    knows, or all rare words of a question without one. They come first, ranked by both, and the similarity
    threshold does not drop them. `follow_up` says how a question in a talk is searched for.

    While the active index is of another embedding model than `embedder`, full text alone ranks, since
    vectors of two models are not comparable. `similarity` is None then, and the threshold has no effect.
    """

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        similarity_threshold: float,
        vector_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        """`vector_bytes` is the memory for vectors of collections."""
        self._database = database
        self._embedder = embedder
        self._threshold = similarity_threshold
        self._full_text = full_text(database.dialect)
        self._vectors = VectorCache(vector_bytes)

    async def search(self, query: SearchQuery) -> Retrieval:
        """Returns at most `top_k` passages, the best of each document first, and `further` ones of these.

        A long page answers in more than one passage: of 25 questions about a product's documentation, the
        passages of five documents have the whole answer for 13, with three further ones for 23.

        Raises KnowledgeUnavailable.
        """
        texts = searched_texts(query)
        questions = await self._embedded(query, texts)
        async with self._database.snapshot() as connection:
            state = await read_state(connection, query.scope)
            if state.embedding == self._embedder.fingerprint:
                found = await self._by_both(connection, query, state, texts, questions)
            else:
                found = await self._by_text(connection, query, state, texts[-1])
            hits = self._selected(found)
            rows = await read_rows(connection, query.scope, [chunk_id for chunk_id, _ in hits])
        readable = [hit for hit in hits if hit[0] in rows]
        best = best_of_groups(readable, lambda hit: rows[hit[0]].doc_id, query.top_k, query.further)
        passages = tuple(passage_of(rows[id_], score, found.similarities.get(id_)) for id_, score in best)
        return Retrieval(passages, state.generation, self._search_state(state.stamp), found.searched_as)

    async def _embedded(self, query: SearchQuery, texts: Sequence[str]) -> Sequence[Vector]:
        if query.talk:
            return list(await self._embedder.embed_queries(texts))
        return [await self._embedder.embed_query(query.text)]

    async def _by_text(
        self, connection: AsyncConnection, query: SearchQuery, state: CollectionState, text: str
    ) -> _Candidates:
        """Finds chunks by full text alone."""
        asked = _TextQuestion(_text_scope(query.scope, state), query.section, query.only)
        ranking = await self._rank_text(connection, asked, search_terms(text))
        return _Candidates((), ranking.chunk_ids[: _depth(query)], ranking.exact_matches, {}, text)

    async def _by_both(
        self,
        connection: AsyncConnection,
        query: SearchQuery,
        state: CollectionState,
        texts: Sequence[str],
        questions: Sequence[Vector],
    ) -> _Candidates:
        """Finds chunks by vectors, and those that have what the question spells."""
        vectors = await self._vectors.load(connection, query.scope, state)
        only = await matching_documents(connection, query.scope, query.only) if query.only else None

        def ranked() -> tuple[WeighedQuestion, list[int]]:
            weighed = weigh(texts, [vectors.similarities(question) for question in questions])
            near = vectors.nearest(weighed.similarities, query.section, _depth(query), query.top_k, only)
            return weighed, near

        weighed, near = await vectors.computed(ranked)
        # All chunks of the collection decide how rare a word is, whatever limits the question has.
        asked = _TextQuestion(_text_scope(query.scope, state))
        ranking = await self._rank_text(connection, asked, search_terms(weighed.text), len(vectors.chunk_ids))
        exact = [chunk_id for chunk_id in ranking.chunk_ids if chunk_id in ranking.exact_matches]
        allowed = vectors.allowed(np.array(exact, np.int64), query.section, only)
        words = allowed[: _depth(query)].tolist()
        similarities = vectors.by_chunk(weighed.similarities, [*near, *words])
        return _Candidates(near, words, ranking.exact_matches, similarities, weighed.text)

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """Returns all passages of documents, in the order of `doc_ids` and then of their text.

        Unknown ids are ignored. Scores are 0, similarities None. Raises KnowledgeUnavailable.
        """
        position = {doc_id: number for number, doc_id in enumerate(doc_ids)}
        wanted = select(chunks.c.id).join(documents)
        wanted = wanted.where(*_within(scope), documents.c.doc_id.in_(doc_ids))
        async with self._database.snapshot() as connection:
            state = await read_state(connection, scope)
            found = await connection.scalars(wanted.where(chunks.c.index_id == state.index_id))
            rows = (await read_rows(connection, scope, found.all())).values()
        ordered = sorted(rows, key=lambda row: (position[row.doc_id], row.ordinal))
        passages = tuple(passage_of(row, 0.0, None) for row in ordered)
        return Retrieval(passages, state.generation, self._search_state(state.stamp))

    async def states(self, scopes: Iterable[Scope]) -> dict[Scope, tuple[int, str]]:
        """Returns the current generation and `Lease.state` of each. Raises KnowledgeUnavailable."""
        async with self._database.snapshot() as connection:
            read = await read_states(connection, list(scopes))
        return {
            scope: (state.generation, self._state_of(scope, state.stamp)) for scope, state in read.items()
        }

    async def search_text(
        self, scope: Scope, question: str, limit: int, only: DocumentFilter
    ) -> tuple[TextHit, ...]:
        """Searches full text; returns at most `limit` documents of `only`, ranked by their best chunk.

        Raises KnowledgeUnavailable.
        """
        terms = search_terms(question)
        async with self._database.snapshot() as connection:
            state = await read_state(connection, scope)
            asked = _TextQuestion(_text_scope(scope, state), None, only)
            ranking = await self._rank_text(connection, asked, terms)
            ids = ranking.chunk_ids[: max(_MIN_DEPTH, 4 * limit)]
            rows = await read_rows(connection, scope, ids)
        best: dict[str, AnyRow] = {}
        for chunk_id in ids:
            if chunk_id in rows:
                best.setdefault(rows[chunk_id].doc_id, rows[chunk_id])
        ranked = fuse([list(best)[:limit]])
        words = {term.word for term in terms}
        return tuple(
            hit_of(best[doc_id], score, snippet(best[doc_id].body, words)) for doc_id, score in ranked
        )

    async def _rank_text(
        self,
        connection: AsyncConnection,
        asked: _TextQuestion,
        terms: Sequence[Term],
        chunk_count: int | None = None,
    ) -> TextRanking:
        """Ranks chunks by full text.

        With `chunk_count`, the number of chunks that vectors rank, reads of each word only as many chunks as
        tell whether the word is rare.
        """
        if not terms:
            return TextRanking([], {})
        places, limit = tuple(Place), _MAX_HITS
        if chunk_count is not None:
            places, limit = (Place.ANYWHERE,), exact_limit(chunk_count) + 1
        words = [term.word for term in terms]
        wanted = WordQuery(asked.within, asked.section, words, places, limit, asked.only)
        return rank(terms, await self._full_text.find(connection, wanted), chunk_count)

    def _selected(self, found: _Candidates) -> list[tuple[int, float]]:
        """Fuses both rankings. Drops chunks that neither match exactly nor are similar.

        Adds to the score of an exact match its number in `exact_matches`, so that those come first.
        """
        kept = [
            (chunk_id, score + found.exact_matches.get(chunk_id, 0))
            for chunk_id, score in fuse([found.near, found.words])
            if chunk_id in found.exact_matches or found.similarities.get(chunk_id, 1.0) >= self._threshold
        ]
        return sorted(kept, key=lambda hit: -hit[1])

    def _state_of(self, scope: Scope, stamp: str) -> str:
        # A tenant's epoch ends with an erasure only, not when another model embeds its texts.
        return stamp if scope.collection == SALT_COLLECTION else self._search_state(stamp)

    def _search_state(self, stamp: str) -> str:
        return search_state(stamp, self._embedder.fingerprint, self._threshold)


def _depth(query: SearchQuery) -> int:
    """How many ranks to read from each ranking."""
    return max(_MIN_DEPTH, 4 * query.top_k)


def _text_scope(scope: Scope, state: CollectionState) -> TextScope:
    return TextScope(state.index_id, state.word_key, scope)


def _within(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return documents.c.tenant == scope.tenant, documents.c.collection == scope.collection
