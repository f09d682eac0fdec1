"""Exact vector search in memory: one matrix a collection, thrown away when the collection changes."""

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
"""What an entry takes beside its vectors, roughly: those of empty collections have to leave, too."""


@dataclass(frozen=True, slots=True)
class CollectionVectors:
    """Vectors of a collection's chunks in one index. `chunk_ids` ascend; `sections` are theirs.

    `owners` number their documents from 0.
    """

    chunk_ids: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    sections: npt.NDArray[np.object_]
    matrix: Matrix
    wordings: CollectionWordings

    @property
    def nbytes(self) -> int:
        """Bytes of all vectors."""
        return self.matrix.nbytes + self.wordings.matrix.nbytes

    def similarities(self, question: Vector) -> npt.NDArray[np.float32]:
        """Cosine of each chunk with the question, or more where a wording of its document resembles it."""
        if not len(self.chunk_ids):
            return np.empty(0, np.float32)
        # Row by row in this thread: a matrix product would start BLAS's threads, which on cores that the
        # engine keeps busy wait for each other, 30 times longer than the product takes.
        cosines = np.asarray(np.vecdot(self.matrix, question), dtype=np.float32)
        return self.wordings.raised(cosines, question)

    def nearest(
        self, similarities: npt.NDArray[np.float32], section: str | None, limit: int, documents: int
    ) -> list[int]:
        """Ids of the most similar chunks of a section (or all), best first; ties by id.

        They are `limit` chunks and the best one of each of the `documents` nearest documents: a long
        document of many near chunks, as one with a wording that resembles the question, hides no other.
        """
        rows = np.arange(len(self.chunk_ids))
        if section is not None:
            rows = rows[self.sections == section]
        distances = -similarities[rows]
        of_documents = _smallest_of_owners(self.owners[rows], distances, documents)
        wanted = np.union1d(_smallest(distances, limit), of_documents)
        order = wanted[np.argsort(distances[wanted], kind="stable")]
        return [int(chunk_id) for chunk_id in self.chunk_ids[rows[order]]]

    def by_chunk(self, similarities: npt.NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        """Similarities by chunk id; chunks without a vector are absent."""
        if not len(self.chunk_ids):
            return {}
        wanted = np.asarray(chunk_ids, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.chunk_ids, wanted), len(self.chunk_ids) - 1)
        there = self.chunk_ids[at] == wanted
        return {int(wanted[i]): float(similarities[at[i]]) for i in np.flatnonzero(there)}


def _smallest(distances: npt.NDArray[np.float32], limit: int) -> npt.NDArray[np.int64]:
    """Where the `limit` smallest are, in order; ties by place."""
    if limit >= len(distances):
        return np.argsort(distances, kind="stable")
    # All that are no farther than the last one wanted: sorting everything would take longer.
    near = np.flatnonzero(distances <= np.partition(distances, limit - 1)[limit - 1])
    return near[np.argsort(distances[near], kind="stable")[:limit]]


def _smallest_of_owners(
    owners: npt.NDArray[np.int64], distances: npt.NDArray[np.float32], limit: int
) -> npt.NDArray[np.int64]:
    """Where the smallest distances of the `limit` nearest owners are, one each, in order; ties by place."""
    smallest = np.full(owners.max(initial=-1) + 1, np.inf, np.float32)
    np.minimum.at(smallest, owners, distances)
    farthest = smallest[_smallest(smallest, limit)].max(initial=-np.inf)
    near = np.flatnonzero((distances == smallest[owners]) & (distances <= farthest))
    _, first = np.unique(owners[near], return_index=True)
    near = near[np.sort(first)]
    return near[_smallest(distances[near], limit)]


class VectorCache:
    """Matrices by collection, at most `max_bytes` of them, the least used leaving first.

    A matrix is used only in the state of index and collection it was read at. That comes from the same
    transaction as the search, so that another replica's write is seen at once. It has the collection's
    stamp, since in a database restored to an earlier day generations and ids of chunks come again.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Scope, tuple[tuple[int, int, str], CollectionVectors]] = OrderedDict()

    async def load(
        self, connection: AsyncConnection, scope: Scope, index_id: int, generation: int, stamp: str
    ) -> CollectionVectors:
        """The collection's vectors as the connection's transaction sees them."""
        state = (index_id, generation, stamp)
        entry = self._entries.get(scope)
        if entry is not None and entry[0] == state:
            self._entries.move_to_end(scope)
            return entry[1]
        vectors = await _read(connection, scope, index_id)
        self._forget(scope)
        self._entries[scope] = (state, vectors)
        self._bytes += vectors.nbytes + _ENTRY_BYTES
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            self._forget(next(iter(self._entries)))
        return vectors

    def _forget(self, scope: Scope) -> None:
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
    of_chunks = np.fromiter((row.document_id for row in rows), np.int64, count)
    return CollectionVectors(
        np.fromiter((row.id for row in rows), np.int64, count),
        np.unique(of_chunks, return_inverse=True)[1],
        np.array([row.section for row in rows], dtype=np.object_),
        to_matrix([row.embedding for row in rows]),
        await read_collection_wordings(connection, scope, index_id, of_chunks),
    )
