"""The states of collections: what a search reads first, and what leases are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.batches import batches
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.knowledge.tables import collections, indexes

_AT_ONCE = 500
"""Collections of one statement."""


@dataclass(frozen=True, slots=True)
class CollectionState:
    """The active index and a collection, as one transaction sees them."""

    index_id: int
    embedding: str
    """Fingerprint of the index's embedding model."""
    generation: int
    """0 if the collection does not exist."""
    stamp: str
    """Empty if the collection does not exist."""
    word_key: bytes = b""
    """The index's secret key of the hashes of words."""


async def read_state(connection: AsyncConnection, scope: Scope) -> CollectionState:
    """Reads the state of one collection."""
    return (await read_states(connection, [scope]))[scope]


async def read_states(connection: AsyncConnection, scopes: Sequence[Scope]) -> dict[Scope, CollectionState]:
    """Reads the states of collections, `_AT_ONCE` in a statement."""
    states: dict[Scope, CollectionState] = {}
    for some in batches(scopes, _AT_ONCE):
        names = tuple_(collections.c.tenant, collections.c.name).in_([(s.tenant, s.collection) for s in some])
        found = indexes.outerjoin(collections, names)
        query = select(
            indexes.c.id, indexes.c.embedding_fingerprint, indexes.c.word_key, collections
        ).select_from(found)
        rows = (await connection.execute(query.where(indexes.c.status == "active"))).all()
        index = rows[0]  # without any collection, the join still has the index
        absent = CollectionState(index.id, index.embedding_fingerprint, 0, "", bytes(index.word_key))
        states |= dict.fromkeys(some, absent)
        for row in rows:
            if row.tenant is not None:
                scope = Scope(TenantId(row.tenant), CollectionName(row.name))
                states[scope] = replace(absent, generation=row.generation, stamp=row.stamp)
    return states
