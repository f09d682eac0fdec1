"""Exact vector search in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from deployments.database.vectors import Matrix, Vector, normalised
from deployments.knowledge.placed_vectors import Cosines, Ids, PlacedVectors
from deployments.knowledge.wordings import CollectionWordings

T = TypeVar("T")

_DOCUMENT_WEIGHT = np.float32(0.3)
"""Weight of a document's similarity in the order of chunks; a chunk's own has 1.

A passage of a long page can resemble a question by chance, while the page is about something else. Of 196
questions in other words than the pages', this puts the right page first for 151, without it for 145.
"""
_THREAD_CHUNKS = 10_000
"""More chunks are searched in a thread: NumPy lets others run meanwhile, for more than 2 ms."""


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

    chunk_ids: Ids
    """Row ids of the chunks, ascending."""
    documents: Ids
    """Row ids of the documents, which `owners` numbers from 0; ascending."""
    owners: Ids
    """The number of each chunk's document."""
    sections: npt.NDArray[np.object_]
    """The section of each chunk's document, or None."""
    chunk_vectors: PlacedVectors
    document_vectors: PlacedVectors
    """As `mean_vectors` makes them."""
    wordings: CollectionWordings

    @property
    def nbytes(self) -> int:
        """Bytes that all this takes."""
        arrays = (self.chunk_ids, self.documents, self.owners, self.sections)
        vectors = (self.chunk_vectors, self.document_vectors, self.wordings.vectors)
        return sum(array.nbytes for array in arrays) + sum(one.nbytes for one in vectors)

    async def computed(self, work: Callable[[], T]) -> T:
        """Returns what `work` returns, which searches these vectors; in a thread, if that takes long."""
        return work() if len(self.chunk_ids) < _THREAD_CHUNKS else await asyncio.to_thread(work)

    def similarities(self, question: Vector) -> Similarities:
        """Returns how similar each chunk and each document is to the question."""
        if not len(self.chunk_ids):
            return Similarities(np.empty(0, np.float32), np.empty(0, np.float32))
        closest = self.wordings.closest(question)
        return Similarities(
            self.wordings.chunks.raised(self.chunk_vectors.cosines(question), closest),
            self.wordings.documents.raised(self.document_vectors.cosines(question), closest),
        )

    def nearest(
        self,
        similarities: Similarities,
        section: str | None,
        limit: int,
        documents: int,
        only: Ids | None = None,
    ) -> list[int]:
        """Returns ids of the most similar chunks, best first; equal ones are ordered by id.

        A chunk counts by its own similarity and, less, by that of its document. The ids are of the `limit`
        nearest chunks, and of the nearest one of each of the `documents` nearest documents: a long document
        with many near chunks, for example one with a wording close to the question, must not hide others.
        With a `section`, other sections are ignored; with `only`, row ids of documents, all other documents
        are.
        """
        rows = self._rows(section, only)
        owners = self.owners[rows]
        distances = -similarities.chunks[rows]
        distances -= _DOCUMENT_WEIGHT * similarities.documents[owners]
        wanted = np.union1d(_smallest(distances, limit), _smallest_of_owners(owners, distances, documents))
        order = wanted[np.argsort(distances[wanted], kind="stable")]
        return [int(chunk_id) for chunk_id in self.chunk_ids[rows][order]]

    def allowed(self, chunk_ids: Ids, section: str | None, only: Ids | None) -> Ids:
        """Returns those of some chunks that a question with these limits may find, in the same order.

        A chunk without a vector is within no limit.
        """
        if section is None and only is None:
            return chunk_ids
        at, present = self._positions(chunk_ids)
        at, known = at[present], chunk_ids[present]
        fits = np.full(len(at), True) if section is None else self.sections[at] == section
        return known[fits if only is None else fits & np.isin(self.documents[self.owners[at]], only)]

    def _rows(self, section: str | None, only: Ids | None) -> Ids | slice:
        if only is None:
            return slice(None) if section is None else np.flatnonzero(self.sections == section)
        rows = np.flatnonzero(np.isin(self.documents, only)[self.owners])
        return rows if section is None else rows[self.sections[rows] == section]

    def _positions(self, chunk_ids: Ids) -> tuple[Ids, npt.NDArray[np.bool_]]:
        """Where chunks are in `chunk_ids`, and whether they are there at all."""
        if not len(self.chunk_ids):
            return np.zeros(len(chunk_ids), np.int64), np.zeros(len(chunk_ids), np.bool_)
        at = np.minimum(np.searchsorted(self.chunk_ids, chunk_ids), len(self.chunk_ids) - 1)
        return at, self.chunk_ids[at] == chunk_ids

    def by_chunk(self, similarities: Similarities, chunk_ids: Sequence[int]) -> dict[int, float]:
        """Returns the chunks' own similarities by id, without chunks that have no vector."""
        wanted = np.asarray(chunk_ids, dtype=np.int64)
        at, present = self._positions(wanted)
        return {int(wanted[i]): float(similarities.chunks[at[i]]) for i in np.flatnonzero(present)}


def mean_vectors(chunks: PlacedVectors, owners: Ids, documents: int) -> Matrix:
    """Returns the vector of each of so many documents: the mean of its chunks' vectors, with length 1.

    `owners` has the number of each chunk's document; no vector of `chunks` is gone.
    """
    by_row = np.empty(len(chunks), np.int64)
    by_row[chunks.places] = owners
    # float64, so that the result does not depend on the order of the rows.
    sums = np.zeros((documents, chunks.blocks[0].shape[1] if chunks.blocks else 0))
    first = 0
    for block in chunks.blocks:
        own = by_row[first : first + len(block)]
        # Chunks of a document are mostly next to each other. Each such run is added up without copying it.
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        np.add.at(sums, own[starts], np.add.reduceat(block, starts, axis=0, dtype=np.float64))
        first += len(block)
    return normalised(sums.astype(np.float32))


def _smallest(distances: npt.NDArray[np.float32], limit: int) -> Ids:
    """Returns positions of the `limit` smallest distances, in order; equal ones by position."""
    if limit >= len(distances):
        return np.argsort(distances, kind="stable")
    # Sort only those that are no farther than the last one wanted: sorting all would take longer.
    near = np.flatnonzero(distances <= np.partition(distances, limit - 1)[limit - 1])
    return near[np.argsort(distances[near], kind="stable")[:limit]]


def _smallest_of_owners(owners: Ids, distances: npt.NDArray[np.float32], limit: int) -> Ids:
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
