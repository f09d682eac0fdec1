"""A database of version 0.6.0 gets the labels of its documents and the collections of its chunks."""

from __future__ import annotations

import json
from functools import partial

import pytest
from sqlalchemy import text

from deployments.core.document_labels import document_filter
from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId
from deployments.database.connection import Database
from deployments.database.migrations import upgrade
from deployments.knowledge.former_rows import FormerRows
from deployments.knowledge.labels import matching_documents
from deployments.knowledge.stored_chunks import scope_key
from tests.contract.knowledge.conftest import SCOPE, Knowledge

DOCUMENTS = 2_500
"""More than the migration reads at a time."""


async def test_documents_and_chunks_of_an_older_database_are_found(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("deployments.database.connection.upgrade", partial(upgrade, revision="0016"))
        older = await Database.open(database_url)
    metadata = [json.dumps({"größe": "ü", "number": str(number % 1000)}) for number in range(DOCUMENTS)]
    rows = [{"id": n + 1, "doc_id": f"d{n}", "metadata": of} for n, of in enumerate(metadata)]
    async with older.transaction() as connection:
        for statement in (
            "INSERT INTO documents (id, tenant, collection, doc_id, title, metadata, content, version, "
            "created_at_s, updated_at_s) VALUES (:id, 'acme', 'kb', :doc_id, 'T', :metadata, '', 1, 0, 0)",
            "INSERT INTO indexes (id, embedding_fingerprint, tokenizer_fingerprint, chunk_tokens, status) "
            "SELECT 1, 'e', 't', 32, 'active' WHERE :id = 1",
            "INSERT INTO chunks (index_id, document_id, ordinal, heading, body, segment_hash) "
            "VALUES (1, :id, 0, '', 'text', '')",
        ):
            some = rows[:1] if "indexes" in statement else rows
            await connection.execute(text(statement), some)
    await older.close()
    database = await Database.open(database_url)
    async with database.snapshot() as connection:
        only = document_filter({"größe": "ü", "number": ["7", "2"]}, None)
        found = await matching_documents(connection, SCOPE, only)
        keys = set(await connection.scalars(text("SELECT scope_key FROM chunks")))
    await database.close()
    assert sorted(found.tolist()) == [3, 8, 1003, 1008, 2003, 2008]
    assert keys == {scope_key(SCOPE)}


async def test_rows_that_the_former_version_writes_afterwards_are_completed(knowledge: Knowledge) -> None:
    """As it stores them: without labels, and without the key of the collection."""
    draft = DocumentDraft(DocId("d"), "T", None, "text/markdown", b"A text.", metadata={"lang": "de"})
    await knowledge.service.put(SCOPE, draft)
    async with knowledge.database.transaction() as connection:
        await connection.execute(text("DELETE FROM document_labels"))
        await connection.execute(text("UPDATE chunks SET scope_key = 0"))
    former = FormerRows(knowledge.database)
    assert [await former.complete(10), await former.complete(10)] == [1, 0]
    async with knowledge.database.snapshot() as connection:
        found = await matching_documents(connection, SCOPE, document_filter({"lang": "de"}, None))
        keys = set(await connection.scalars(text("SELECT scope_key FROM chunks")))
    assert (len(found), keys) == (1, {scope_key(SCOPE)})
