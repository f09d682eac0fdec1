"""The metadata of documents as labels in a table, so that a filter reads only what matches it.

A label is a hash of a collection, a key and a value. So any characters are allowed, a filter reads labels of
its own collection only, and the table has no texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    String,
    TextClause,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.document_labels import DocumentFilter
from deployments.core.ids import Scope
from deployments.knowledge.tables import document_labels, documents


def label_of(scope: Scope, key: str, value: str) -> bytes:
    """The label of documents of a collection whose metadata has this value for this key."""
    parts = scope.tenant, scope.collection, key, value
    return blake2b(json.dumps(parts).encode(), digest_size=16).digest()


async def write_labels(
    connection: AsyncConnection, scope: Scope, row_id: int, metadata: Mapping[str, str]
) -> None:
    """Replaces the labels of a document by those of its metadata."""
    of_document = document_labels.c.document_id == row_id
    await connection.execute(delete(document_labels).where(of_document))
    rows = [{"label": label_of(scope, *item), "document_id": row_id} for item in metadata.items()]
    if rows:
        await connection.execute(insert(document_labels), rows)


def matches(scope: Scope, only: DocumentFilter) -> ColumnElement[bool]:
    """The condition for a query on `documents` of this collection."""
    conditions = list[ColumnElement[bool]]()
    if only.metadata:
        conditions.append(documents.c.id.in_(_labelled(scope, only)))
    if only.doc_ids:
        conditions.append(documents.c.doc_id.in_(only.doc_ids))
    return and_(True, *conditions)


async def matching_documents(
    connection: AsyncConnection, scope: Scope, only: DocumentFilter
) -> npt.NDArray[np.int64]:
    """Returns the row ids of a collection's documents that match a filter, which is not empty."""
    query = _labelled(scope, only)
    if only.doc_ids:
        of_scope = documents.c.tenant == scope.tenant, documents.c.collection == scope.collection
        query = select(documents.c.id).where(*of_scope, matches(scope, only))
    return np.fromiter(await connection.scalars(query), np.int64)


def _labelled(scope: Scope, only: DocumentFilter) -> Select[Any]:
    """Selects the documents that have one of the values for each key.

    A document has each key once, so it matches if it has as many of the labels as there are keys.
    """
    query = select(document_labels.c.document_id).where(document_labels.c.label.in_(_labels(scope, only)))
    return query.group_by(document_labels.c.document_id).having(func.count() == len(only.metadata))


def _labels(scope: Scope, only: DocumentFilter) -> list[bytes]:
    return [label_of(scope, key, value) for key, values in only.metadata for value in values]


CONDITION = """
    (CAST(:only_keys AS INTEGER) = 0 OR d.id IN (
        SELECT document_id FROM document_labels WHERE label IN :only_labels
        GROUP BY document_id HAVING count(*) = :only_keys))
    AND (CAST(:any_id AS INTEGER) = 1 OR d.doc_id IN :only_ids)
    """
"""`matches` in SQL, for a statement `with_filter` that has the documents under the name `d`."""


def with_filter(statement: str) -> TextClause:
    """A statement with `CONDITION`, to whose parameters `parameters` gives values."""
    return text(statement).bindparams(
        bindparam("only_labels", type_=LargeBinary, expanding=True),
        bindparam("only_ids", type_=String, expanding=True),
    )


def parameters(scope: Scope, only: DocumentFilter) -> Mapping[str, Any]:
    """The values of the parameters of `CONDITION`."""
    return {
        "only_keys": len(only.metadata),
        "only_labels": _labels(scope, only),
        "any_id": int(not only.doc_ids),
        "only_ids": only.doc_ids,
    }
