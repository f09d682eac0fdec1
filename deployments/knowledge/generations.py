"""A collection's generation: each change of its documents raises it, and notes which documents it changed.

A process that has a collection in memory reads only the documents that were changed since. Callers run the
statements inside their own transactions.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import Scope
from deployments.knowledge.collection_states import CollectionState
from deployments.knowledge.stamps import new_stamp
from deployments.knowledge.tables import collection_changes, collections

_KEPT_GENERATIONS = 1_000
"""Changes that are kept of a collection. A process that has missed more reads the whole collection."""


async def lock_collection(connection: AsyncConnection, scope: Scope) -> int:
    """Locks a collection until the transaction ends; returns its generation, 0 for a new one."""
    return await _write(connection, scope, "generation = collections.generation", 0, new_stamp())


async def increment_generation(
    connection: AsyncConnection, scope: Scope, changed: Collection[int] = ()
) -> int:
    """Increments a collection's generation and replaces its stamp; returns the new generation.

    `changed` are the row ids of the documents that were stored, changed or deleted.
    """
    stamp = new_stamp()
    change = "generation = collections.generation + 1, stamp = excluded.stamp"
    generation = await _write(connection, scope, change, 1, stamp)
    if changed:
        of_scope = {"tenant": scope.tenant, "collection": scope.collection, "stamp": stamp}
        rows = [{**of_scope, "generation": generation, "document_id": row_id} for row_id in changed]
        await connection.execute(insert(collection_changes), rows)
        old = collection_changes.c.generation <= generation - _KEPT_GENERATIONS
        await connection.execute(delete(collection_changes).where(*_of(scope), old))
    return generation


async def _write(connection: AsyncConnection, scope: Scope, change: str, first: int, stamp: str) -> int:
    statement = text(
        "INSERT INTO collections (tenant, name, generation, stamp) "  # noqa: S608 -- constants only
        "VALUES (:tenant, :name, :first, :stamp) "
        f"ON CONFLICT (tenant, name) DO UPDATE SET {change} RETURNING generation"
    )
    values = {"tenant": scope.tenant, "name": scope.collection, "first": first, "stamp": stamp}
    return int((await connection.execute(statement, values)).scalar_one())


async def read_generation(connection: AsyncConnection, scope: Scope) -> int:
    """Returns a collection's generation, 0 for a new one."""
    query = select(collections.c.generation).where(
        collections.c.tenant == scope.tenant, collections.c.name == scope.collection
    )
    return int(await connection.scalar(query) or 0)


async def changed_since(
    connection: AsyncConnection, scope: Scope, former: CollectionState, now: CollectionState
) -> npt.NDArray[np.int64] | None:
    """Returns the row ids of the documents that a collection's changes from `former` to `now` were about.

    None if they are not known: too many changes ago, by an index that was replaced, or because `former` is
    not a past state of this database, which may have been restored from a backup. Then the generation can
    be the same, but its stamp is not.
    """
    since = collection_changes.c.generation.between(former.generation, now.generation)
    columns = collection_changes.c
    query = select(columns.generation, columns.stamp, columns.document_id).where(*_of(scope), since)
    rows = (await connection.execute(query)).all()
    stamps = {row.generation: row.stamp for row in rows}
    wanted = range(former.generation, now.generation + 1)
    complete = former.index_id == now.index_id and all(generation in stamps for generation in wanted)
    if not complete or not wanted or (stamps[wanted[0]], stamps[wanted[-1]]) != (former.stamp, now.stamp):
        return None
    return np.unique([row.document_id for row in rows if row.generation > former.generation]).astype(np.int64)


def _of(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    return collection_changes.c.tenant == scope.tenant, collection_changes.c.collection == scope.collection
