"""The SQL condition of a `DocumentFilter`, for SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sqlalchemy import TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.document_labels import DocumentFilter
from deployments.core.ids import Scope
from deployments.knowledge.tables import documents

# Keys and values are compared as rows of the JSON functions, never spliced into a JSON path, so they may
# have any characters. The wanted pairs are the same for all documents, so a database looks them up in a table
# that it makes once: a document costs its own metadata, however many values are wanted. A document has each
# key once, so it matches if it has as many of the pairs as there are keys.
_SQLITE = """
    (:only_metadata IS NULL OR :only_keys = (
        SELECT count(*) FROM json_each({documents}.metadata) AS own WHERE (own.key, own.value) IN (
            SELECT wanted.key, allowed.value
            FROM json_each(:only_metadata) AS wanted, json_each(wanted.value) AS allowed)))
    AND (:only_ids IS NULL OR {documents}.doc_id IN (SELECT value FROM json_each(:only_ids)))
    """
_POSTGRESQL = """
    (CAST(:only_metadata AS json) IS NULL OR CAST(:only_keys AS bigint) = (
        SELECT count(*) FROM json_each_text(CAST({documents}.metadata AS json)) AS own
        WHERE (own.key, own.value) IN (
            SELECT wanted.key, allowed.value
            FROM json_each(CAST(:only_metadata AS json)) AS wanted,
                 json_array_elements_text(wanted.value) AS allowed (value))))
    AND (CAST(:only_ids AS json) IS NULL OR {documents}.doc_id IN (
        SELECT json_array_elements_text(CAST(:only_ids AS json))))
    """


def condition(dialect: str, table: str) -> str:
    """The condition on documents, for a WHERE clause that has their table under the name `table`.

    It holds for a document that `parameters` allow, and needs no index: it is evaluated for the documents
    of one collection.
    """
    statement = _SQLITE if dialect == "sqlite" else _POSTGRESQL
    return statement.format(documents=table)


def parameters(only: DocumentFilter) -> Mapping[str, str | int | None]:
    """The values of the parameters of `condition`."""
    return {
        "only_metadata": json.dumps(dict(only.metadata)) if only.metadata else None,
        "only_keys": len(only.metadata),
        "only_ids": json.dumps(only.doc_ids) if only.doc_ids else None,
    }


def matches(only: DocumentFilter, dialect: str) -> TextClause:
    """The condition for a query on the table `documents`, with its parameters bound."""
    return text(condition(dialect, documents.name)).bindparams(**parameters(only))


async def matching_documents(
    connection: AsyncConnection, scope: Scope, only: DocumentFilter
) -> npt.NDArray[np.int64]:
    """Returns the row ids of a collection's documents that match."""
    query = select(documents.c.id).where(
        documents.c.tenant == scope.tenant,
        documents.c.collection == scope.collection,
        matches(only, connection.dialect.name),
    )
    return np.fromiter(await connection.scalars(query), np.int64)
