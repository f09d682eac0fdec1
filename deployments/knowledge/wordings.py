"""Wordings under which people ask for a document: used by search, never part of a prompt.

An article says "sign-in lock" where its readers say "it won't let me in". A small embedding model hardly
connects the two, but it recognises a question that resembles another question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import Scope
from deployments.database.vectors import Matrix, Vector, to_blob, to_matrix
from deployments.knowledge.tables import documents, wordings

Cosines = npt.NDArray[np.float32]

_WORDING_WEIGHT = np.float32(0.75)
"""Weight of the similarity with a wording, 0 to 1; the chunk's own similarity has the rest.

For 80 questions, weights of 0.5 to 1 put the right article first 64 to 68 times, no wordings 39 times.
"""


async def read_wordings(connection: AsyncConnection, index_id: int, document_id: int) -> frozenset[str]:
    """Returns those wordings of a document that have a vector in an index."""
    query = select(wordings.c.body).where(
        wordings.c.index_id == index_id, wordings.c.document_id == document_id
    )
    return frozenset(await connection.scalars(query))


async def write_wordings(
    connection: AsyncConnection,
    index_id: int,
    document_id: int,
    wanted: Sequence[str],
    vectors: Mapping[str, Vector],
) -> None:
    """Replaces a document's wordings in an index by `wanted`; those already stored keep their rows.

    `vectors` has the vector of each new wording, by wording.
    """
    present = await read_wordings(connection, index_id, document_id)
    if obsolete := present.difference(wanted):
        await connection.execute(
            delete(wordings).where(
                wordings.c.index_id == index_id,
                wordings.c.document_id == document_id,
                wordings.c.body.in_(obsolete),
            )
        )
    rows = [
        {
            "index_id": index_id,
            "document_id": document_id,
            "body": body,
            "embedding": to_blob(vectors[body]),
        }
        for body in wanted
        if body not in present
    ]
    if rows:
        await connection.execute(insert(wordings), rows)


@dataclass(frozen=True, slots=True)
class Worded:
    """Which chunks, or which documents, of a collection have wordings."""

    rows: npt.NDArray[np.int64]
    """Their positions among the collection's chunks, or documents; ascending."""
    owners: npt.NDArray[np.int64]
    """For each entry of `rows`, the number of its document in `CollectionWordings.starts`."""

    @classmethod
    def of(cls, documents: npt.NDArray[np.int64], known: npt.NDArray[np.int64]) -> Worded:
        """Finds those whose document is one of `known`, which are ascending; `documents` has each one's."""
        rows = np.flatnonzero(np.isin(documents, known))
        return cls(rows, np.searchsorted(known, documents[rows]))

    def raised(self, cosines: Cosines, closest: Cosines) -> Cosines:
        """Returns `cosines`, raised where the closest wording is more similar; they are not modified.

        `closest` has the similarity of each document's closest wording, by its number.
        """
        if not len(self.rows):
            return cosines
        raised = cosines.copy()
        own = cosines[self.rows]
        raised[self.rows] = np.maximum(own, own + _WORDING_WEIGHT * (closest[self.owners] - own))
        return raised


@dataclass(frozen=True, slots=True)
class CollectionWordings:
    """Vectors of a collection's wordings, and what they apply to."""

    matrix: Matrix
    """One row for each wording, grouped by document."""
    starts: npt.NDArray[np.int64]
    """The first row of each document in `matrix`: document n has matrix[starts[n]:starts[n + 1]]."""
    chunks: Worded
    documents: Worded

    def closest(self, question: Vector) -> Cosines:
        """Returns the similarity of each document's closest wording with the question."""
        if not len(self.starts):
            return np.empty(0, np.float32)
        return np.asarray(np.maximum.reduceat(np.vecdot(self.matrix, question), self.starts), np.float32)


async def read_collection_wordings(
    connection: AsyncConnection,
    scope: Scope,
    index_id: int,
    documents_with_chunks: npt.NDArray[np.int64],
    owners: npt.NDArray[np.int64],
) -> CollectionWordings:
    """Reads a collection's wordings.

    `documents_with_chunks` are row ids, ascending; `owners` has the number among them of each chunk's
    document, for each chunk of the collection in order.
    """
    query = (
        select(wordings.c.document_id, wordings.c.embedding)
        .join(documents)
        .where(
            documents.c.tenant == scope.tenant,
            documents.c.collection == scope.collection,
            wordings.c.index_id == index_id,
        )
        .order_by(wordings.c.document_id, wordings.c.id)
    )
    found = (await connection.execute(query)).all()
    wording_documents = np.fromiter((row.document_id for row in found), np.int64, len(found))
    known, starts = np.unique(wording_documents, return_index=True)
    return CollectionWordings(
        to_matrix([row.embedding for row in found]),
        starts,
        Worded.of(documents_with_chunks[owners], known),
        Worded.of(documents_with_chunks, known),
    )
