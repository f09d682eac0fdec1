"""Keeps collections' vectors in memory, and reads only what has changed of a collection that it had."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import Scope
from deployments.knowledge.collection_reading import read_changes, read_collection
from deployments.knowledge.collection_states import CollectionState
from deployments.knowledge.generations import changed_since
from deployments.knowledge.vectors import CollectionVectors

DEFAULT_CACHE_BYTES = 512 * 2**20
_ENTRY_BYTES = 4096
"""Rough size of an entry without its vectors. It makes entries of empty collections count, too."""


@dataclass(frozen=True, slots=True)
class _Entry:
    state: CollectionState
    vectors: CollectionVectors

    @property
    def nbytes(self) -> int:
        return self.vectors.nbytes + _ENTRY_BYTES


class VectorCache:
    """An LRU cache of at most `max_bytes` bytes, but at least one entry.

    An entry is valid for one state of its collection. A search reads the state in its own transaction, so
    it sees other replicas' writes at once. The stamp is part of the state because generations and chunk
    ids can repeat in a database restored from a backup.
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
    if former is not None:
        changed = await changed_since(connection, scope, former.state, state)
        if changed is not None:
            vectors = await read_changes(connection, former.vectors, state.index_id, changed)
            return _Entry(state, vectors)
    return _Entry(state, await read_collection(connection, scope, state.index_id))
