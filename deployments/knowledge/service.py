"""The knowledge base: stores, versions, searches and deletes documents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

from deployments.core.detached_task import detached_task
from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.documents import (
    Document,
    DocumentDraft,
    DocumentVersion,
    Ingested,
    Retrieval,
    SearchQuery,
    TextHit,
    normalised,
    revision,
)
from deployments.core.ids import (
    DEFAULT_TENANT,
    CollectionName,
    DocId,
    Fingerprint,
    Scope,
    doc_id_pattern,
)
from deployments.core.leases import HolderId, Lease, LeasedRetrieval
from deployments.core.ports import SegmentWriter
from deployments.database.connection import Database
from deployments.database.milestones import Milestones
from deployments.database.vectors import Embedder
from deployments.knowledge.digests import digest
from deployments.knowledge.document_cutter import DocumentReader
from deployments.knowledge.document_quota import LimitsOf, default_limits
from deployments.knowledge.document_rows import PreparedDocument
from deployments.knowledge.document_versions import DocumentHistory
from deployments.knowledge.indexes import count_pending, ensure_index
from deployments.knowledge.indexing import Indexer
from deployments.knowledge.rebuild import Rebuild
from deployments.knowledge.samples import read_samples
from deployments.knowledge.search import HybridSearch
from deployments.knowledge.segment_updates import SegmentUpdates
from deployments.knowledge.store import DocumentStore, LabelsChanged, StoreResult, VectorsMissing
from deployments.knowledge.stored_chunks import DocumentVectors
from deployments.knowledge.text_reindexing import reindex_texts
from deployments.knowledge.vector_cache import DEFAULT_CACHE_BYTES
from deployments.retrieval.lease_granting import LeasedSearch, Leases

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnowledgeParts:
    """What a knowledge base consists of."""

    database: Database
    """Its owner closes it."""
    embedder: Embedder
    documents: DocumentReader
    """The service closes it."""
    tokenizer: Fingerprint
    """Of the tokenizer that measures chunks."""
    similarity_threshold: float = 0.25
    """Searches drop passages whose similarity with the question is lower, unless they spell it."""
    writer: SegmentWriter | None = None
    """The token cache, which drops obsolete segments; None if there is none."""
    write_through: bool = True
    """Whether `writer` also stores new segments."""
    samples: Path | None = None
    """A folder of documents to load at the first start; None loads nothing."""
    leases: Leases | None = None
    """None only if no other process uses the database, or used it while a lease may still last."""
    limits_of: LimitsOf = default_limits
    vector_bytes: int = DEFAULT_CACHE_BYTES
    """Memory for the vectors of collections. A collection that is larger is kept alone."""


class KnowledgeService:
    """Implements `Retriever`, `LeasingKnowledge`, `PassageReader` and `VersionedLibrary`.

    Create it by `start`. All methods raise KnowledgeUnavailable when the database can't be used.
    """

    def __init__(self, parts: KnowledgeParts) -> None:
        self._database = parts.database
        self._writer = parts.writer
        self._segments = SegmentUpdates(parts.writer, parts.write_through)
        self._history = DocumentHistory(parts.database)
        self._indexer = Indexer(parts.documents, parts.tokenizer, parts.embedder)
        self._store = DocumentStore(parts.database, parts.embedder.fingerprint, parts.limits_of)
        self._search = HybridSearch(
            parts.database, parts.embedder, parts.similarity_threshold, parts.vector_bytes
        )
        self._leases = parts.leases or Leases(alone=True, predecessor=False)
        self._leased = LeasedSearch(self._search, self._leases)
        self._document_locks: WeakValueDictionary[tuple[Scope, DocId], asyncio.Lock] = WeakValueDictionary()
        self._finishing: set[asyncio.Task[Ingested]] = set()
        self._rebuild: Rebuild | None = None
        self._rebuilding: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, parts: KnowledgeParts) -> KnowledgeService:
        """Returns a service that can serve.

        Loads samples that this database has not had yet. Indexes stored texts again if an earlier version
        split words differently. Starts to re-index in the background if embedding model, tokenizer or
        chunk size differ from those of the active index. Raises KnowledgeUnavailable.
        """
        service = cls(parts)
        await reindex_texts(parts.database)
        await service._start_rebuild()
        if parts.samples is not None:
            with service.starting():
                await service._load_samples(parts.samples)
        return service

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Inside this context, changes of this process's start do not wait for leases."""
        with self._leases.starting():
            yield

    async def search(self, query: SearchQuery) -> Retrieval:
        """Returns at most `top_k` passages that are similar to the question or spell it, best first."""
        return await self._search.search(_normalised(query))

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """Searches as `search` does, and grants `holder` a lease on the query's scope."""
        return await self._leased.leased_search(holder, _normalised(query))

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        """Renews leases; answers when a leased collection changes, at the latest after `POLL_S`."""
        return await self._leased.watch(holder, known)

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """Returns all passages of documents, in the order of `doc_ids`; unknown ids are ignored."""
        return await self._search.passages_of(scope, doc_ids)

    async def search_text(
        self, scope: Scope, question: str, limit: int, only: DocumentFilter = EVERY_DOCUMENT
    ) -> tuple[TextHit, ...]:
        """Searches full text; returns at most `limit` documents of `only`, ranked by their best chunk."""
        return await self._search.search_text(scope, question, limit, only)

    async def put(self, scope: Scope, draft: DocumentDraft, skip_equal: bool = False) -> Ingested:
        """Stores a document or a new version of it. Puts of one document take effect in call order.

        With `skip_equal`, an upload that was stored before is not read again; its warnings are not repeated.
        Raises UnprocessableDocument, UnsupportedMediaType, InvalidRequest.
        """
        async with self._document_lock(scope, draft.doc_id):
            if skip_equal:
                equal = await self._store.find_equal(scope, draft.doc_id, digest(draft))
                if equal is not None:
                    return await self._finish_change(scope, equal)
            return await self._put(scope, draft, invalidate=True)

    async def revise(self, scope: Scope, doc_id: DocId, content: str, invalidate: bool) -> Ingested:
        """Stores a new Markdown text of a document; its labels stay.

        Without `invalidate`, obsolete segments stay in the token cache until they expire. Raises
        NotFound, UnprocessableDocument.
        """
        async with self._document_lock(scope, doc_id):
            while True:
                present = await self._store.get(scope, doc_id)
                try:
                    return await self._put(scope, revision(present, content), invalidate, present)
                except LabelsChanged:
                    log.info("%s: another process changed its labels meanwhile; retrying", doc_id)

    async def version(self, scope: Scope, doc_id: DocId, version: int) -> DocumentVersion:
        """Returns one version of a document. Raises NotFound."""
        return await self._history.version(scope, doc_id, version)

    async def versions(
        self, scope: Scope, doc_id: DocId, limit: int, before: int | None
    ) -> tuple[DocumentVersion, ...]:
        """Returns at most `limit` versions without contents, newest first. Raises NotFound."""
        return await self._history.versions(scope, doc_id, limit, before)

    async def discard_segments(self, scope: Scope, pattern: str) -> int:
        """Deletes cached segments of the documents whose ids match a glob pattern; the documents stay.

        Returns how many segments the shared cache had. Raises InvalidRequest, CacheUnavailable.
        """
        if self._writer is None:
            return 0
        discarded = 0
        async with aclosing(self._store.segments(scope, doc_id_pattern(pattern))) as batches:
            async for segments in batches:
                discarded += await self._writer.discard(scope, segments)
        return discarded

    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        """Returns a document. Raises NotFound."""
        return await self._store.get(scope, doc_id)

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        """Deletes a document and its versions. Raises NotFound."""
        async with self._document_lock(scope, doc_id):
            return await self._finish_change(scope, await self._store.delete(scope, doc_id))

    async def list(
        self, scope: Scope, limit: int, after: DocId | None, only: DocumentFilter = EVERY_DOCUMENT
    ) -> tuple[Document, ...]:
        """Returns at most `limit` documents of `only` by id, after `after`, without content and wordings."""
        return await self._store.list(scope, limit, after, only)

    async def status(self) -> dict[str, str]:
        """Checks that the database answers; returns the state of the index."""
        await self._database.ping()
        return {"index": self._rebuild.describe() if self._rebuild is not None else "ready"}

    async def check_health(self) -> None:
        """Raises KnowledgeUnavailable if the database does not answer."""
        await self._database.ping()

    async def close(self) -> None:
        """Stops a rebuild, which the next start continues, and the reading of documents. Does not close
        the database.
        """
        if self._rebuilding is not None:
            self._rebuilding.cancel()
            await asyncio.gather(self._rebuilding, return_exceptions=True)
        await self._indexer.close()

    def _document_lock(self, scope: Scope, doc_id: DocId) -> asyncio.Lock:
        return self._document_locks.setdefault((scope, doc_id), asyncio.Lock())

    async def _put(
        self, scope: Scope, draft: DocumentDraft, invalidate: bool, read: Document | None = None
    ) -> Ingested:
        loaded, drafts = await self._indexer.read(scope.tenant, draft)
        document = PreparedDocument(scope, draft.doc_id, loaded, drafts, digest(draft))
        stored = await self._put_with_vectors(document, read)
        stored = replace(stored, ingested=replace(stored.ingested, warnings=loaded.warnings))
        if not invalidate:
            stored = replace(stored, obsolete=(), ingested=replace(stored.ingested, invalidated=0))
        return await self._finish_change(scope, stored)

    async def _put_with_vectors(self, document: PreparedDocument, read: Document | None) -> StoreResult:
        """Stores a document and embeds what is new, which only the store's transaction can tell."""
        vectors = DocumentVectors()
        while True:
            try:
                return await self._store.put(document, vectors, read)
            except VectorsMissing as missing:
                tenant = document.scope.tenant
                vectors |= await self._indexer.vectors(tenant, missing.drafts, missing.wordings)

    async def _finish_change(self, scope: Scope, stored: StoreResult) -> Ingested:
        """Updates the token cache, and waits until no lease holder uses the former contents."""

        async def finish() -> Ingested:
            async with self._leases.settling(scope, stored.ingested.generation):
                ingested = await self._segments.write(scope, stored)
            await self._segments.drop(scope, stored)
            return ingested

        # It goes on if its caller leaves: deleted texts must not stay in caches.
        task = detached_task(finish())
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return await asyncio.shield(task)

    async def _start_rebuild(self) -> None:
        async with self._database.transaction() as connection:
            index = await ensure_index(connection, self._indexer.key)
            pending = await count_pending(connection, index.id)
        if not index.active or pending:
            self._rebuild = Rebuild(self._database, self._store, self._indexer, index, pending)
            self._rebuilding = asyncio.create_task(self._rebuild.run())

    async def _load_samples(self, folder: Path) -> None:
        """Loads each collection's samples once in the life of a database: deleted ones stay deleted."""
        milestones = Milestones(self._database)
        for collection, drafts in (await read_samples(folder)).items():
            milestone = f"samples:{collection}"
            if await milestones.reached(milestone):
                continue
            log.info("loading %d sample documents into %s", len(drafts), collection)
            for draft in drafts:
                await self.put(Scope(DEFAULT_TENANT, CollectionName(collection)), draft)
            await milestones.reach(milestone)


def _normalised(query: SearchQuery) -> SearchQuery:
    return replace(query, text=normalised(query.text))
