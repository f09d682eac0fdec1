"""Wordings under which people ask for a document: used by search, never part of a prompt.

An article says "sign-in lock" where its readers say "it won't let me in". A small embedding model hardly
connects the two, but it recognises a question that resembles another question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.database.vectors import Vector, to_blob
from deployments.knowledge.placed_vectors import Cosines, Ids, PlacedVectors
from deployments.knowledge.tables import wordings

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

    rows: Ids
    """Their positions among the collection's chunks, or documents; ascending."""
    owners: Ids
    """For each entry of `rows`, the number of its document in `CollectionWordings.starts`."""

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

    vectors: PlacedVectors
    """Grouped by document."""
    of_documents: Ids
    """The row id of each one's document, ascending."""
    starts: Ids
    """The first vector of each document: document n has those from starts[n] to starts[n + 1]."""
    chunks: Worded
    documents: Worded

    @classmethod
    def of(cls, vectors: PlacedVectors, of_documents: Ids, documents: Ids, owners: Ids) -> CollectionWordings:
        """The wordings of a collection with these `documents`, and chunks of these owners among them."""
        known, starts = np.unique(of_documents, return_index=True)
        # Documents without chunks have no number.
        numbers = np.searchsorted(known, documents)
        worded = np.isin(documents, known)
        chunks, whole = np.flatnonzero(worded[owners]), np.flatnonzero(worded)
        return cls(
            vectors,
            of_documents,
            starts,
            Worded(chunks, numbers[owners[chunks]]),
            Worded(whole, numbers[whole]),
        )

    def closest(self, question: Vector) -> Cosines:
        """Returns the similarity of each document's closest wording with the question."""
        if not len(self.starts):
            return np.empty(0, np.float32)
        return np.asarray(np.maximum.reduceat(self.vectors.cosines(question), self.starts), np.float32)
