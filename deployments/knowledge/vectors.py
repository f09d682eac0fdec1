"""Exact vector search in memory: one matrix per collection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.database.vectors import Matrix, Vector, normalised
from deployments.knowledge.wordings import CollectionWordings, Cosines

_DOCUMENT_WEIGHT = np.float32(0.3)
"""Weight of a document's similarity in the order of chunks; a chunk's own has 1.

A passage of a long page can resemble a question by chance, while the page is about something else. Of 196
questions in other words than the pages', this puts the right page first for 151, without it for 145.
"""
_THREAD_BYTES = 16 * 2**20
"""A larger matrix is compared in a thread: NumPy lets others run meanwhile, for more than 2 ms."""


@dataclass(frozen=True, slots=True)
class Similarities:
    """How similar a collection is to a question: cosines, raised by closer wordings of the documents."""

    chunks: Cosines
    """Of each chunk, in the order of `CollectionVectors.chunk_ids`."""
    documents: Cosines
    """Of each document as a whole, in the order of `CollectionVectors.documents`."""

    def mixed(self, share: float, other: Similarities) -> Similarities:
        """Returns the weighted mean: these count for `share`, 0 to 1, and `other` for the rest."""

        def mean(own: Cosines, others: Cosines) -> Cosines:
            return np.asarray(share * own + (1 - share) * others, np.float32)

        return Similarities(mean(self.chunks, other.chunks), mean(self.documents, other.documents))


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
    document_matrix: Matrix
    """The vector of each document (`document_vectors`)."""
    wordings: CollectionWordings

    @property
    def nbytes(self) -> int:
        """Bytes that the vectors of chunks, documents and wordings take."""
        return self.matrix.nbytes + self.document_matrix.nbytes + self.wordings.matrix.nbytes

    async def similarities_to(self, questions: Sequence[Vector]) -> list[Similarities]:
        """Returns the `similarities` of each question; in a thread, if that takes long."""
        if self.matrix.nbytes < _THREAD_BYTES:
            return [self.similarities(question) for question in questions]
        return await asyncio.to_thread(lambda: [self.similarities(question) for question in questions])

    def similarities(self, question: Vector) -> Similarities:
        """Returns how similar each chunk and each document is to the question."""
        if not len(self.chunk_ids):
            return Similarities(np.empty(0, np.float32), np.empty(0, np.float32))
        closest = self.wordings.closest(question)
        # vecdot runs in this thread. A matrix product would start BLAS threads; on cores that the engine
        # keeps busy, these wait for each other for 30 times as long as the product takes.
        chunks, documents = (
            np.asarray(np.vecdot(matrix, question), np.float32)
            for matrix in (self.matrix, self.document_matrix)
        )
        return Similarities(
            self.wordings.chunks.raised(chunks, closest), self.wordings.documents.raised(documents, closest)
        )

    def nearest(
        self,
        similarities: Similarities,
        section: str | None,
        limit: int,
        documents: int,
        only: npt.NDArray[np.int64] | None = None,
    ) -> list[int]:
        """Returns ids of the most similar chunks, best first; equal ones are ordered by id.

        A chunk counts by its own similarity and, less, by that of its document. The ids are of the `limit`
        nearest chunks, and of the nearest one of each of the `documents` nearest documents: a long document
        with many near chunks, for example one with a wording close to the question, must not hide others.
        With a `section`, other sections are ignored; with `only`, row ids of documents, all other documents
        are.
        """
        rows = self._rows(section, only)
        distances = -similarities.chunks[rows]
        distances -= _DOCUMENT_WEIGHT * similarities.documents[self.owners[rows]]
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

    def by_chunk(self, similarities: Similarities, chunk_ids: Sequence[int]) -> dict[int, float]:
        """Returns the chunks' own similarities by id, without chunks that have no vector."""
        if not len(self.chunk_ids):
            return {}
        wanted = np.asarray(chunk_ids, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.chunk_ids, wanted), len(self.chunk_ids) - 1)
        present = self.chunk_ids[at] == wanted
        return {int(wanted[i]): float(similarities.chunks[at[i]]) for i in np.flatnonzero(present)}


def document_vectors(matrix: Matrix, owners: npt.NDArray[np.int64], documents: int) -> Matrix:
    """Returns the vector of each of so many documents: the mean of its chunks' vectors, with length 1.

    `owners` has the number of each chunk's document.
    """
    sums = np.zeros((documents, matrix.shape[1]), np.float32)
    # Chunks of a document are mostly next to each other. Each such run is added up without copying it.
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    if len(starts):
        np.add.at(sums, owners[starts], np.add.reduceat(matrix, starts, axis=0))
    return normalised(sums)


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
