"""Exact vector search in memory: one matrix per collection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.database.vectors import Matrix, Vector
from deployments.knowledge.wordings import CollectionWordings

_THREAD_BYTES = 16 * 2**20
"""A larger matrix is compared in a thread: NumPy lets others run meanwhile, for more than 2 ms."""


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

    async def similarities_to(self, questions: Sequence[Vector]) -> list[npt.NDArray[np.float32]]:
        """Returns the `similarities` of each question; in a thread, if that takes long."""
        if self.matrix.nbytes < _THREAD_BYTES:
            return [self.similarities(question) for question in questions]
        return await asyncio.to_thread(lambda: [self.similarities(question) for question in questions])

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
        rows = self._rows(section, only)
        distances = -similarities[rows]
        document_bests = _smallest_of_owners(self.owners[rows], distances, documents)
        wanted = np.union1d(_smallest(distances, limit), document_bests)
        order = wanted[np.argsort(distances[wanted], kind="stable")]
        return [int(chunk_id) for chunk_id in self.chunk_ids[rows[order]]]

    def chunks_of(self, section: str | None, only: npt.NDArray[np.int64] | None) -> set[int] | None:
        """Returns ids of the chunks that a question with these limits may find; None if it has none."""
        if section is None and only is None:
            return None
        return set(self.chunk_ids[self._rows(section, only)].tolist())

    def _rows(self, section: str | None, only: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
        rows = np.arange(len(self.chunk_ids))
        if only is not None:
            rows = rows[np.isin(self.documents, only)[self.owners]]
        return rows if section is None else rows[self.sections[rows] == section]

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
