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
# have any characters.
_SQLITE = """
    (:only_metadata IS NULL OR NOT EXISTS (
        SELECT 1 FROM json_each(:only_metadata) AS wanted WHERE NOT EXISTS (
            SELECT 1 FROM json_each({documents}.metadata) AS own, json_each(wanted.value) AS allowed
            WHERE own.key = wanted.key AND own.value = allowed.value)))
    AND (:only_ids IS NULL OR {documents}.doc_id IN (SELECT value FROM json_each(:only_ids)))
    """
_POSTGRESQL = """
    (CAST(:only_metadata AS json) IS NULL OR NOT EXISTS (
        SELECT 1 FROM json_each(CAST(:only_metadata AS json)) AS wanted WHERE NOT EXISTS (
            SELECT 1 FROM json_array_elements_text(wanted.value) AS allowed (value)
            WHERE allowed.value = {documents}.metadata ->> wanted.key)))
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


def parameters(only: DocumentFilter) -> Mapping[str, str | None]:
    """The values of the parameters of `condition`."""
    return {
        "only_metadata": json.dumps(dict(only.metadata)) if only.metadata else None,
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
