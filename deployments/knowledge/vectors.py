"""Exact vector search in memory: one matrix per collection, discarded when the collection changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import Scope
from deployments.database.vectors import Matrix, Vector, to_matrix
from deployments.knowledge.tables import chunks, documents
from deployments.knowledge.wordings import CollectionWordings, read_collection_wordings

DEFAULT_CACHE_BYTES = 512 * 2**20
_ENTRY_BYTES = 4096
"""Rough size of an entry without its vectors. It makes entries of empty collections count, too."""


@dataclass(frozen=True, slots=True)
class CollectionVectors:
    """Vectors of a collection's chunks in an index; one entry for each chunk with a vector."""

    chunk_ids: npt.NDArray[np.int64]
    """Row ids of the chunks, ascending."""
    documents: npt.NDArray[np.int64]
    """Row ids of the documents, which `owners` numbers from 0; ascending."""
    owners: npt.NDArray[np.int64]
    """The number of each chunk's document."""
    sections: npt.NDArray[np.object_]
    """The section of each chunk's document, or None."""
    matrix: Matrix
    """The vector of each chunk."""
    wordings: CollectionWordings

    @property
    def nbytes(self) -> int:
        """Bytes that the vectors of chunks and wordings take."""
        return self.matrix.nbytes + self.wordings.matrix.nbytes

    def similarities(self, question: Vector) -> npt.NDArray[np.float32]:
        """Returns each chunk's cosine with the question, raised by a closer wording of its document."""
        if not len(self.chunk_ids):
            return np.empty(0, np.float32)
        # vecdot runs in this thread. A matrix product would start BLAS threads; on cores that the engine
        # keeps busy, these wait for each other for 30 times as long as the product takes.
        cosines = np.asarray(np.vecdot(self.matrix, question), dtype=np.float32)
        return self.wordings.raised(cosines, question)

    def nearest(
        self,
        similarities: npt.NDArray[np.float32],
        section: str | None,
        limit: int,
        documents: int,
        only: npt.NDArray[np.int64] | None = None,
    ) -> list[int]:
        """Returns ids of the most similar chunks, best first; equal similarities are ordered by id.

        They are the `limit` nearest chunks, and also the best chunk of each of the `documents` nearest
        documents: a long document with many near chunks, for example one with a wording close to the
        question, must not hide others. With a `section`, other sections are ignored; with `only`, row ids
        of documents, all other documents are.
        """
        rows = np.arange(len(self.chunk_ids))
        if only is not None:
            rows = rows[np.isin(self.documents, only)[self.owners]]
        if section is not None:
            rows = rows[self.sections[rows] == section]
        distances = -similarities[rows]
        document_bests = _smallest_of_owners(self.owners[rows], distances, documents)
        wanted = np.union1d(_smallest(distances, limit), document_bests)
        order = wanted[np.argsort(distances[wanted], kind="stable")]
        return [int(chunk_id) for chunk_id in self.chunk_ids[rows[order]]]

    def by_chunk(self, similarities: npt.NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        """Returns similarities by chunk id, without chunks that have no vector."""
        if not len(self.chunk_ids):
            return {}
        wanted = np.asarray(chunk_ids, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.chunk_ids, wanted), len(self.chunk_ids) - 1)
        present = self.chunk_ids[at] == wanted
        return {int(wanted[i]): float(similarities[at[i]]) for i in np.flatnonzero(present)}


def _smallest(distances: npt.NDArray[np.float32], limit: int) -> npt.NDArray[np.int64]:
    """Returns positions of the `limit` smallest distances, in order; equal ones by position."""
    if limit >= len(distances):
        return np.argsort(distances, kind="stable")
    # Sort only those that are no farther than the last one wanted: sorting all would take longer.
    near = np.flatnonzero(distances <= np.partition(distances, limit - 1)[limit - 1])
    return near[np.argsort(distances[near], kind="stable")[:limit]]


def _smallest_of_owners(
    owners: npt.NDArray[np.int64], distances: npt.NDArray[np.float32], limit: int
) -> npt.NDArray[np.int64]:
    """Returns the position of the smallest distance of each of the `limit` nearest owners.

    They are in order of distance; equal ones by position.
    """
    smallest = np.full(owners.max(initial=-1) + 1, np.inf, np.float32)
    np.minimum.at(smallest, owners, distances)
    farthest = smallest[_smallest(smallest, limit)].max(initial=-np.inf)
    near = np.flatnonzero((distances == smallest[owners]) & (distances <= farthest))
    _, first = np.unique(owners[near], return_index=True)
    near = near[np.sort(first)]
    return near[_smallest(distances[near], limit)]


class VectorCache:
    """The vectors of collections: an LRU cache of at most `max_bytes` bytes, but at least one entry.

    An entry is valid for one state: index, generation and stamp of the collection. A search reads the
    state in its own transaction, so it sees other replicas' writes at once. The stamp is part of the
    state because generations and chunk ids can repeat in a database restored from a backup.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Scope, tuple[tuple[int, int, str], CollectionVectors]] = OrderedDict()

    async def load(
        self, connection: AsyncConnection, scope: Scope, index_id: int, generation: int, stamp: str
    ) -> CollectionVectors:
        """Returns a collection's vectors in the state that the connection's transaction sees.

        `index_id`, `generation` and `stamp` are that state, read in the same transaction.
        """
        state = (index_id, generation, stamp)
        entry = self._entries.get(scope)
        if entry is not None and entry[0] == state:
            self._entries.move_to_end(scope)
            return entry[1]
        vectors = await _read(connection, scope, index_id)
        self._evict(scope)
        self._entries[scope] = (state, vectors)
        self._bytes += vectors.nbytes + _ENTRY_BYTES
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            self._evict(next(iter(self._entries)))
        return vectors

    def _evict(self, scope: Scope) -> None:
        entry = self._entries.pop(scope, None)
        if entry is not None:
            self._bytes -= entry[1].nbytes + _ENTRY_BYTES


async def _read(connection: AsyncConnection, scope: Scope, index_id: int) -> CollectionVectors:
    query = (
        select(chunks.c.id, chunks.c.document_id, documents.c.section, chunks.c.embedding)
        .join(documents)
        .where(
            documents.c.tenant == scope.tenant,
            documents.c.collection == scope.collection,
            chunks.c.index_id == index_id,
            chunks.c.embedding.is_not(None),
        )
        .order_by(chunks.c.id)
    )
    rows = (await connection.execute(query)).all()
    count = len(rows)
    chunk_documents = np.fromiter((row.document_id for row in rows), np.int64, count)
    numbered, owners = np.unique(chunk_documents, return_inverse=True)
    return CollectionVectors(
        np.fromiter((row.id for row in rows), np.int64, count),
        numbered,
        owners,
        np.array([row.section for row in rows], dtype=np.object_),
        to_matrix([row.embedding for row in rows]),
        await read_collection_wordings(connection, scope, index_id, chunk_documents),
    )
