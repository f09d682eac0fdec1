"""Wordings under which people ask for a document: vectors beside those of its chunks, never in a prompt.

An article speaks of a "sign-in lock", its readers of "it won't let me in": a small embedding model hardly
joins the two, but knows a question that resembles another one.
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

_LIKE_A_WORDING = np.float32(0.75)
"""What resembling a wording weighs, the text weighing the rest. Of 80 questions, 0.5 to 1 put the right
article first for 64 to 68, and no wordings for 39."""


async def read_wordings(connection: AsyncConnection, index_id: int, document_id: int) -> frozenset[str]:
    """A document's wordings that have a vector in an index."""
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
    """Leaves just the wanted ones. `vectors` are by wording, for all that are new."""
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
class CollectionWordings:
    """Vectors of a collection's wordings, document by document.

    Document n's are matrix[starts[n]:starts[n + 1]]. The chunks at `rows` have some: those of document
    `owners[i]` belong to the chunk at `rows[i]`.
    """

    matrix: Matrix
    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]

    def raised(self, cosines: npt.NDArray[np.float32], question: Vector) -> npt.NDArray[np.float32]:
        """Cosines of chunks with a question, raised where a wording of their document resembles it more."""
        if not len(self.rows):
            return cosines
        alike = np.vecdot(self.matrix, question)
        best = np.maximum.reduceat(alike, self.starts)[self.owners]
        raised = cosines.copy()
        own = cosines[self.rows]
        raised[self.rows] = np.maximum(own, own + _LIKE_A_WORDING * (best - own))
        return raised


async def read_collection_wordings(
    connection: AsyncConnection, scope: Scope, index_id: int, chunk_documents: npt.NDArray[np.int64]
) -> CollectionWordings:
    """The wordings of a collection, for chunks of these documents (row ids)."""
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
    of_wordings = np.fromiter((row.document_id for row in found), np.int64, len(found))
    known, starts = np.unique(of_wordings, return_index=True)
    rows = np.flatnonzero(np.isin(chunk_documents, known))
    owners = np.searchsorted(known, chunk_documents[rows])
    return CollectionWordings(to_matrix([row.embedding for row in found]), starts, rows, owners)
