"""The states of collections: what a search reads first, and what leases are about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import CollectionName, Scope, TenantId

_WANTED = {
    "sqlite": "SELECT json_extract(value, '$[0]') AS tenant, json_extract(value, '$[1]') AS name "
    "FROM json_each(:scopes)",
    "postgresql": "SELECT value ->> 0 AS tenant, value ->> 1 AS name "
    "FROM json_array_elements(CAST(:scopes AS json)) AS every (value)",
}
_STATES = {
    dialect: text(
        "SELECT i.id, i.embedding_fingerprint, i.word_key, found.* FROM indexes i LEFT JOIN ("  # noqa: S608 -- constants only
        f"SELECT c.tenant, c.name, c.generation, c.stamp FROM ({wanted}) w "
        "JOIN collections c ON c.tenant = w.tenant AND c.name = w.name) found ON 1 = 1 "
        "WHERE i.status = 'active'"
    )
    for dialect, wanted in _WANTED.items()
}
"""By dialect. The scopes are one parameter: thousands of parameters would take longer than the database."""


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
    """Reads the states of collections by one statement."""
    if not scopes:
        return {}
    names = json.dumps([(scope.tenant, scope.collection) for scope in scopes])
    rows = (await connection.execute(_STATES[connection.dialect.name], {"scopes": names})).all()
    index_id, embedding, word_key, *_ = rows[0]  # without any collection, the join still has the index
    key = bytes(word_key)
    states = dict.fromkeys(scopes, CollectionState(index_id, embedding, 0, "", key))
    for _, _, _, tenant, name, generation, stamp in rows:
        if tenant is not None:
            scope = Scope(TenantId(tenant), CollectionName(name))
            states[scope] = CollectionState(index_id, embedding, generation, stamp, key)
    return states
