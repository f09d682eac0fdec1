"""Reads the vectors of a collection: all of them, or only those of documents that have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.batches import batches
from deployments.core.ids import Scope
from deployments.database.metadata import AnyRow
from deployments.database.vectors import Matrix, to_matrix
from deployments.knowledge.placed_vectors import Ids, PlacedVectors
from deployments.knowledge.tables import chunks, documents, wordings
from deployments.knowledge.vectors import CollectionVectors, mean_vectors
from deployments.knowledge.wordings import CollectionWordings

_ROWS_AT_ONCE = 4096
_DOCUMENTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of chunks or wordings, in any order."""

    ids: Ids
    documents: Ids
    """The row id of each one's document."""
    sections: npt.NDArray[np.object_]
    matrices: Sequence[Matrix]
    """Their vectors."""


async def read_collection(connection: AsyncConnection, scope: Scope, index_id: int) -> CollectionVectors:
    """Reads all vectors of a collection in an index."""
    in_scope = documents.c.tenant == scope.tenant, documents.c.collection == scope.collection
    of_collection = select(documents.c.id).where(*in_scope)
    found = await _read(connection, [_vectors(chunks, index_id, of_collection)])
    worded = await _read(connection, [_vectors(wordings, index_id, of_collection)])
    return await asyncio.to_thread(_collection, found, worded)


async def read_changes(
    connection: AsyncConnection, former: CollectionVectors, index_id: int, changed: Ids
) -> CollectionVectors:
    """Reads the vectors of documents that have `changed`, and takes all others from `former`.

    `changed` are row ids; some may be of documents that were deleted.
    """
    some = list(batches(changed.tolist(), _DOCUMENTS_AT_ONCE))
    found = await _read(connection, [_vectors(chunks, index_id, ids) for ids in some])
    worded = await _read(connection, [_vectors(wordings, index_id, ids) for ids in some])
    return await asyncio.to_thread(_changed, former, changed, found, worded)


def _vectors(table: Table, index_id: int, of_documents: Select[Any] | Sequence[int]) -> Select[Any]:
    # The documents are a subquery, since SQLite would read all chunks of the index and join them with a
    # condition on their documents. They are not ordered, since it would sort the vectors, too.
    query = select(table.c.id, table.c.document_id, documents.c.section, table.c.embedding).join(documents)
    of_index = table.c.index_id == index_id, table.c.embedding.is_not(None)
    return query.where(*of_index, table.c.document_id.in_(of_documents))


async def _read(connection: AsyncConnection, queries: Iterable[Select[Any]]) -> _Rows:
    ids, owners, sections, matrices = list[int](), list[int](), list[str | None](), list[Matrix]()
    for query in queries:
        async with connection.stream(query) as rows:
            async for batch in rows.partitions(_ROWS_AT_ONCE):
                _add(batch, ids, owners, sections, matrices)
    return _Rows(
        np.array(ids, np.int64), np.array(owners, np.int64), np.array(sections, np.object_), matrices
    )


def _add(
    batch: Sequence[AnyRow],
    ids: list[int],
    owners: list[int],
    sections: list[str | None],
    matrices: list[Matrix],
) -> None:
    ids.extend(row.id for row in batch)
    owners.extend(row.document_id for row in batch)
    sections.extend(row.section for row in batch)
    matrices.append(to_matrix([row.embedding for row in batch]))


def _collection(found: _Rows, worded: _Rows) -> CollectionVectors:
    order, asked = np.argsort(found.ids), np.lexsort((worded.ids, worded.documents))
    numbered, owners = np.unique(found.documents[order], return_inverse=True)
    vectors = PlacedVectors.of(found.matrices).ordered(order)
    return CollectionVectors(
        found.ids[order],
        numbered,
        owners,
        found.sections[order],
        vectors,
        PlacedVectors.of([mean_vectors(vectors, owners, len(numbered))]),
        CollectionWordings.of(
            PlacedVectors.of(worded.matrices).ordered(asked), worded.documents[asked], numbered, owners
        ),
    )


def _changed(former: CollectionVectors, changed: Ids, found: _Rows, worded: _Rows) -> CollectionVectors:
    new = _collection(found, worded)
    of_documents = _Merge(~np.isin(former.documents, changed), former.documents, new.documents)
    of_chunks = _Merge(of_documents.kept[former.owners], former.chunk_ids, new.chunk_ids)
    asked, added = former.wordings, new.wordings
    of_wordings = _Merge(~np.isin(asked.of_documents, changed), asked.of_documents, added.of_documents)
    numbered = of_documents.merged(former.documents, new.documents)
    owned = of_chunks.merged(former.documents[former.owners], new.documents[new.owners])
    owners = np.searchsorted(numbered, owned)
    return CollectionVectors(
        of_chunks.merged(former.chunk_ids, new.chunk_ids),
        numbered,
        owners,
        of_chunks.merged(former.sections, new.sections),
        of_chunks.placed(former.chunk_vectors, new.chunk_vectors),
        of_documents.placed(former.document_vectors, new.document_vectors),
        CollectionWordings.of(
            of_wordings.placed(asked.vectors, added.vectors),
            of_wordings.merged(asked.of_documents, added.of_documents),
            numbered,
            owners,
        ),
    )


class _Merge:
    """How the former entries that stay and the new ones are merged: in the order of their keys."""

    def __init__(self, kept: npt.NDArray[np.bool_], former: Ids, new: Ids) -> None:
        """`kept` tells which of the `former` keys stay."""
        self.kept = kept
        self._order = np.argsort(np.concatenate([former[kept], new]), kind="stable")

    def merged(self, former: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Merges what belongs to the keys."""
        merged: npt.NDArray[Any] = np.concatenate([former[self.kept], new])[self._order]
        return merged

    def placed(self, former: PlacedVectors, new: PlacedVectors) -> PlacedVectors:
        """Merges vectors of the keys."""
        return former.merged(self.kept, new.matrix(), self._order)
