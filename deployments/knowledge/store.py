"""Documents in the database. Each change is one transaction: document, chunks, full text, generation.

Transactions lock the indexes first and the collection second, so that they can't deadlock.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.document_labels import DocumentFilter
from deployments.core.documents import Document, Ingested
from deployments.core.ids import DocId, Fingerprint, Scope
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.knowledge.document_quota import LimitsOf, check_quotas, default_limits
from deployments.knowledge.document_rows import (
    FIRST_PLACE,
    PreparedDocument,
    find_document,
    is_equal,
    labels,
    note_digest,
    present_or_raise,
    read_matching_segments,
    read_segments,
    select_documents,
    to_document,
    unused_segments,
    write_document,
)
from deployments.knowledge.document_versions import keep_version
from deployments.knowledge.fulltext import TextScope, full_text
from deployments.knowledge.generations import increment_generation, lock_collection, read_generation
from deployments.knowledge.indexes import IndexRow, PendingDocument, read_indexes
from deployments.knowledge.labels import matches, write_labels
from deployments.knowledge.stored_chunks import (
    ChunkChange,
    ChunkDraft,
    ChunkWriter,
    DocumentVectors,
    plan_change,
    read_chunks,
)
from deployments.knowledge.tables import documents
from deployments.knowledge.wordings import read_wordings, write_wordings

_BATCH = 500
"""Chunks whose texts are read at a time."""


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What a change did, and the segments that the token cache has to add or drop."""

    ingested: Ingested
    written: Sequence[str]
    """Texts of the document's new segments."""
    obsolete: Sequence[str]
    """Texts of its former segments that no document of the collection has any more."""


class VectorsMissing(Exception):
    """Nothing was stored, because these chunks and wordings need vectors."""

    def __init__(self, drafts: Sequence[ChunkDraft], wordings: Sequence[str]) -> None:
        super().__init__(drafts, wordings)
        self.drafts = drafts
        self.wordings = wordings


class LabelsChanged(Exception):
    """Nothing was stored: a label changed after the revision had read it."""


class DocumentStore:
    """Reads and writes documents. `embedding` is the fingerprint of the model that makes the vectors."""

    def __init__(
        self, database: Database, embedding: Fingerprint, limits_of: LimitsOf = default_limits
    ) -> None:
        self._database = database
        self._limits_of = limits_of
        self._embedding = embedding
        self._writer = ChunkWriter(full_text(database.dialect))

    async def put(
        self, document: PreparedDocument, vectors: DocumentVectors, read: Document | None = None
    ) -> StoreResult:
        """Stores a document, or a new version of it if it differs from the stored one.

        `read` is the stored document from which a revision took its labels; None for other puts. Raises
        VectorsMissing (embed those and call again), Conflict (a quota is used up), KnowledgeUnavailable; for
        a revision also NotFound and LabelsChanged.
        """
        async with self._database.transaction() as connection:
            all_indexes = await read_indexes(connection)
            active = next(index for index in all_indexes if index.active)
            generation = await lock_collection(connection, document.scope)
            found = await find_document(connection, document.scope, document.doc_id)
            _check_labels(found, read)
            if found is not None and is_equal(found, document):
                await note_digest(connection, found.id, document.digest)
                size = len(await read_chunks(connection, active.id, found.id))
                return _unchanged(found, size, generation)
            before = await read_segments(connection, active.id, found) if found is not None else {}
            changes = await self._plan_changes(connection, all_indexes, found, document, vectors)
            if found is not None:
                await keep_version(connection, found)
            row_id, version = await write_document(connection, found, document)
            if found is None or found.metadata != dict(document.loaded.metadata):
                await write_labels(connection, document.scope, row_id, document.loaded.metadata)
            size = len(document.loaded.text.encode())
            await check_quotas(connection, document.scope.tenant, self._limits_of, found, size)
            for index, change in changes:
                ours = self._uses_our_model(index)
                within = TextScope(index.id, index.word_key, document.scope)
                await self._writer.apply(connection, within, row_id, change, vectors, with_vectors=ours)
                await self._write_wordings(connection, index, row_id, document.loaded.asked_as, vectors)
            obsolete = await unused_segments(connection, document.scope, active.id, before)
            ingested = Ingested(
                document.doc_id,
                version,
                len(document.chunks),
                next(change.kept for index, change in changes if index.active),
                len(obsolete),
                await increment_generation(connection, document.scope, [row_id]),
            )
        written = [d.segment for d in document.chunks if d.segment_hash not in before]
        return StoreResult(ingested, written, obsolete)

    async def find_equal(self, scope: Scope, doc_id: DocId, digest: str) -> StoreResult | None:
        """Returns what `put` would for an upload with this digest, if it was stored before; or else None.

        Raises KnowledgeUnavailable.
        """
        query = select_documents(scope, with_texts=False)
        equal = query.where(documents.c.doc_id == doc_id, documents.c.digest == digest)
        async with self._database.snapshot() as connection:
            found = (await connection.execute(equal)).one_or_none()
            if found is None:
                return None
            return _unchanged(found, found.chunk_count, await read_generation(connection, scope))

    async def put_into(
        self,
        index: IndexRow,
        pending: PendingDocument,
        drafts: Sequence[ChunkDraft],
        vectors: DocumentVectors,
    ) -> None:
        """Adds a pending document's chunks to an index.

        Does nothing if the document has changed or the index was dropped meanwhile. Raises
        KnowledgeUnavailable.
        """
        async with self._database.transaction() as connection:
            present = await read_indexes(connection)
            await lock_collection(connection, pending.scope)
            version = select(documents.c.version).where(documents.c.id == pending.id)
            unchanged = await connection.scalar(version) == pending.version
            target = next((row for row in present if row.id == index.id), None)
            if target is None or not unchanged:
                return
            rows = await read_chunks(connection, index.id, pending.id)
            change = plan_change(rows, drafts, with_vectors=True)
            within = TextScope(index.id, index.word_key, pending.scope)
            await self._writer.apply(connection, within, pending.id, change, vectors, with_vectors=True)
            await write_wordings(connection, index.id, pending.id, pending.asked_as, vectors.wordings)
            if target.active:
                await increment_generation(connection, pending.scope, [pending.id])

    async def delete(self, scope: Scope, doc_id: DocId) -> StoreResult:
        """Deletes a document and its versions. Raises NotFound, KnowledgeUnavailable."""
        async with self._database.transaction() as connection:
            active = next(index for index in await read_indexes(connection) if index.active)
            await lock_collection(connection, scope)
            found = present_or_raise(await find_document(connection, scope, doc_id), scope, doc_id)
            before = await read_segments(connection, active.id, found)
            await connection.execute(delete(documents).where(documents.c.id == found.id))
            obsolete = await unused_segments(connection, scope, active.id, before)
            generation = await increment_generation(connection, scope, [found.id])
        ingested = Ingested(doc_id, found.version, 0, 0, len(obsolete), generation)
        return StoreResult(ingested, (), obsolete)

    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        """Returns a document. Raises NotFound, KnowledgeUnavailable."""
        async with self._database.snapshot() as connection:
            query = select_documents(scope, with_texts=True).where(documents.c.doc_id == doc_id)
            row = (await connection.execute(query)).one_or_none()
        return to_document(present_or_raise(row, scope, doc_id))

    async def list(
        self, scope: Scope, limit: int, after: DocId | None, only: DocumentFilter
    ) -> tuple[Document, ...]:
        """Returns at most `limit` documents of `only` by id, after `after`, without content and wordings.

        Raises KnowledgeUnavailable.
        """
        query = select_documents(scope, with_texts=False).order_by(documents.c.doc_id).limit(limit)
        if after is not None:
            query = query.where(documents.c.doc_id > after)
        if only:
            query = query.where(matches(scope, only))
        async with self._database.snapshot() as connection:
            return tuple(to_document(row) for row in await connection.execute(query))

    async def segments(self, scope: Scope, pattern: str) -> AsyncGenerator[Sequence[str], None]:
        """Yields the segment texts of all documents whose ids match a glob pattern (`*`, `?`, `[abc]`).

        They come in batches, so that texts of a large collection are never in memory together. A text
        can be in several batches. Raises KnowledgeUnavailable.
        """
        after: tuple[DocId, int] | None = FIRST_PLACE
        while after is not None:
            async with self._database.snapshot() as connection:
                texts, after = await read_matching_segments(connection, scope, pattern, after, _BATCH)
            yield texts

    def _uses_our_model(self, index: IndexRow) -> bool:
        return index.key.embedding == self._embedding

    async def _write_wordings(
        self,
        connection: AsyncConnection,
        index: IndexRow,
        row_id: int,
        wanted: Sequence[str],
        vectors: DocumentVectors,
    ) -> None:
        """Stores a document's wordings in an index.

        If the index is of another model and lacks a vector of a wording, all its wordings of the
        document are deleted, so that the document becomes pending there.
        """
        present = await read_wordings(connection, index.id, row_id)
        if not self._uses_our_model(index) and not present.issuperset(wanted):
            wanted = ()
        await write_wordings(connection, index.id, row_id, wanted, vectors.wordings)

    async def _plan_changes(
        self,
        connection: AsyncConnection,
        all_indexes: Sequence[IndexRow],
        found: AnyRow | None,
        document: PreparedDocument,
        vectors: DocumentVectors,
    ) -> Sequence[tuple[IndexRow, ChunkChange]]:
        """Plans the change of each index. Raises VectorsMissing unless all needed vectors are given.

        An active index of another model gets the new text without vectors, and a building index of
        another model loses the old text. In both, the document becomes pending.
        """
        changes: list[tuple[IndexRow, ChunkChange]] = []
        missing: dict[str, ChunkDraft] = {}
        wordings: set[str] = set()
        for index in all_indexes:
            present = await read_chunks(connection, index.id, found.id) if found is not None else []
            wanted = document.chunks if self._uses_our_model(index) or index.active else ()
            change = plan_change(present, wanted, with_vectors=self._uses_our_model(index))
            changes.append((index, change))
            if self._uses_our_model(index):
                missing |= {d.segment_hash: d for d in change.added if d.segment_hash not in vectors.chunks}
                known = await read_wordings(connection, index.id, found.id) if found is not None else ()
                wordings |= {*document.loaded.asked_as}.difference(known, vectors.wordings)
        if missing or wordings:
            raise VectorsMissing(tuple(missing.values()), sorted(wordings))
        return changes


def _unchanged(found: AnyRow, size: int, generation: int) -> StoreResult:
    same = Ingested(found.doc_id, found.version, size, size, 0, generation, changed=False)
    return StoreResult(same, (), ())


def _check_labels(found: AnyRow | None, read: Document | None) -> None:
    """Checks that no other process changed or deleted a document after a revision had read it."""
    if read is None:
        return
    present = present_or_raise(found, read.scope, read.doc_id)
    if labels(present) != (read.title, read.section, read.asked_as, read.url, read.metadata):
        raise LabelsChanged
