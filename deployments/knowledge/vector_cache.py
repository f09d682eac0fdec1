"""Keeps collections' vectors in memory, and reads only what has changed of a collection that it had."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.batches import batches
from deployments.core.ids import Scope
from deployments.database.metadata import AnyRow
from deployments.database.vectors import Matrix, to_matrix
from deployments.knowledge.collection_states import CollectionState
from deployments.knowledge.tables import chunks, documents
from deployments.knowledge.vectors import CollectionVectors, document_vectors
from deployments.knowledge.wordings import read_collection_wordings

DEFAULT_CACHE_BYTES = 512 * 2**20
_ENTRY_BYTES = 4096
"""Rough size of an entry without its vectors. It makes entries of empty collections count, too."""
_IDS_AT_ONCE = 500
"""Vectors read by one statement. If most are missing, one statement reads all."""
_HASH_DIGITS = 15
"""Hex digits of a segment's hash that are compared: 60 bits, which fit into a signed integer."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Entry:
    state: CollectionState
    vectors: CollectionVectors
    hashes: Ids
    """The beginning of the hash of each chunk's segment, from whose text its vector was made."""

    @property
    def nbytes(self) -> int:
        return self.vectors.nbytes + self.hashes.nbytes + _ENTRY_BYTES


class VectorCache:
    """An LRU cache of at most `max_bytes` bytes, but at least one entry.

    An entry is valid for one state of its collection. A search reads the state in its own transaction, so
    it sees other replicas' writes at once. The stamp is part of the state because generations and chunk
    ids can repeat in a database restored from a backup. For the same reason a former vector is used again
    only for a chunk with the same id and text.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Scope, _Entry] = OrderedDict()
        self._reading: dict[tuple[Scope, CollectionState], asyncio.Future[None]] = {}

    async def load(
        self, connection: AsyncConnection, scope: Scope, state: CollectionState
    ) -> CollectionVectors:
        """Returns a collection's vectors in `state`, which was read in the connection's transaction.

        However many searches wait for the same state, one of them reads.
        """
        key = (scope, state)
        while True:
            entry = self._entries.get(scope)
            if entry is not None and entry.state == state:
                self._entries.move_to_end(scope)
                return entry.vectors
            if key not in self._reading:
                break
            await asyncio.wait([self._reading[key]])  # and look again: the reader may have failed
        done = self._reading[key] = asyncio.get_running_loop().create_future()
        try:
            read = await _read(connection, scope, state, entry)
        finally:
            del self._reading[key]
            done.set_result(None)
        self._keep(scope, read)
        return read.vectors

    def _keep(self, scope: Scope, entry: _Entry) -> None:
        self._evict(scope)
        self._entries[scope] = entry
        self._bytes += entry.nbytes
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            self._evict(next(iter(self._entries)))

    def _evict(self, scope: Scope) -> None:
        entry = self._entries.pop(scope, None)
        if entry is not None:
            self._bytes -= entry.nbytes


async def _read(
    connection: AsyncConnection, scope: Scope, state: CollectionState, former: _Entry | None
) -> _Entry:
    of_collection = (
        documents.c.tenant == scope.tenant,
        documents.c.collection == scope.collection,
        chunks.c.index_id == state.index_id,
        chunks.c.embedding.is_not(None),
    )
    digits = func.substr(chunks.c.segment_hash, 1, _HASH_DIGITS).label("hash")
    query = select(chunks.c.id, chunks.c.document_id, documents.c.section, digits).join(documents)
    rows = (await connection.execute(query.where(*of_collection).order_by(chunks.c.id))).all()
    if former is not None and former.state.index_id != state.index_id:
        former = None  # its vectors are of another model
    places = await asyncio.to_thread(_Places.of, rows, former)
    embeddings = await _embeddings(connection, of_collection, places)
    matrix = await asyncio.to_thread(places.matrix, former, embeddings)
    numbered, owners = np.unique(places.documents, return_inverse=True)
    wordings = await read_collection_wordings(connection, scope, state.index_id, numbered, owners)
    document_matrix = await asyncio.to_thread(document_vectors, matrix, owners, len(numbered))
    vectors = CollectionVectors(
        places.ids, numbered, owners, places.sections, matrix, document_matrix, wordings
    )
    return _Entry(state, vectors, places.hashes)


@dataclass(frozen=True, slots=True)
class _Places:
    """A collection's chunks, in the order of their ids, and where their former vectors are."""

    ids: Ids
    documents: Ids
    sections: npt.NDArray[np.object_]
    hashes: Ids
    former: Ids
    """For each chunk, the row of its vector in the former matrix, or -1."""

    @classmethod
    def of(cls, rows: Sequence[AnyRow], former: _Entry | None) -> _Places:
        """Finds which chunks have a vector in the former entry."""
        count = len(rows)
        ids = np.fromiter((row.id for row in rows), np.int64, count)
        hashes = np.fromiter((int(row.hash, 16) for row in rows), np.int64, count)
        found = np.full(count, -1, np.int64)
        if former is not None and len(former.hashes) and count:
            at = np.minimum(np.searchsorted(former.vectors.chunk_ids, ids), len(former.hashes) - 1)
            same = (former.vectors.chunk_ids[at] == ids) & (former.hashes[at] == hashes)
            found[same] = at[same]
        return cls(
            ids,
            np.fromiter((row.document_id for row in rows), np.int64, count),
            np.array([row.section for row in rows], dtype=np.object_),
            hashes,
            found,
        )

    @property
    def missing(self) -> Ids:
        """Ids of the chunks whose vectors have to be read."""
        return self.ids[self.former < 0]

    def matrix(self, former: _Entry | None, embeddings: Sequence[bytes]) -> Matrix:
        """Joins former vectors and `embeddings`, which are those of `missing`, in order."""
        read = to_matrix(embeddings)
        if former is None or len(read) == len(self.ids):
            return read
        matrix = np.empty((len(self.ids), former.vectors.matrix.shape[1]), np.float32)
        known = self.former >= 0
        matrix[known] = former.vectors.matrix[self.former[known]]
        if len(read):
            matrix[~known] = read
        return matrix


async def _embeddings(
    connection: AsyncConnection, of_collection: Sequence[ColumnElement[bool]], places: _Places
) -> list[bytes]:
    """Reads the vectors of the missing chunks, in the order of their ids."""
    missing = places.missing
    query = select(chunks.c.embedding).order_by(chunks.c.id)
    if len(missing) == len(places.ids):
        every = await connection.scalars(query.join(documents).where(*of_collection))
        return list(every)
    some = batches(missing.tolist(), _IDS_AT_ONCE)
    found = [(await connection.scalars(query.where(chunks.c.id.in_(ids)))).all() for ids in some]
    return [embedding for batch in found for embedding in batch]
