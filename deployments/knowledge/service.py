"""The knowledge base: documents in and out, and search over them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

from deployments.core.documents import (
    Document,
    DocumentDraft,
    DocumentVersion,
    Ingested,
    Retrieval,
    SearchQuery,
    TextHit,
    normalised,
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
from deployments.knowledge.chunking import Chunker
from deployments.knowledge.document_rows import PreparedDocument
from deployments.knowledge.document_versions import DocumentHistory
from deployments.knowledge.indexes import count_pending, ensure_index
from deployments.knowledge.indexing import Indexer
from deployments.knowledge.loaders import load
from deployments.knowledge.rebuild import Rebuild
from deployments.knowledge.samples import read_samples
from deployments.knowledge.search import HybridSearch
from deployments.knowledge.store import DocumentStore, Overtaken, Stored, VectorsMissing
from deployments.knowledge.stored_chunks import DocumentVectors
from deployments.retrieval.lease_granting import LeasedSearch, Leases

log = logging.getLogger(__name__)

_TOKEN_CACHE_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class KnowledgeParts:
    """What a knowledge base is made of. `tokenizer` is the fingerprint of what the chunker counts by.

    `writer` is told of obsolete segments and, with `write_through`, of new ones. `samples` is a folder to
    load at the first start. `leases` may be left out where no other process has the database, or had it
    in the last seconds.
    """

    database: Database
    embedder: Embedder
    chunker: Chunker
    tokenizer: Fingerprint
    similarity_threshold: float = 0.25
    writer: SegmentWriter | None = None
    write_through: bool = True
    samples: Path | None = None
    leases: Leases | None = None


class KnowledgeService:
    """Implements `Retriever`, `LeasingKnowledge` and `VersionedLibrary`; get one from `start`."""

    def __init__(self, parts: KnowledgeParts) -> None:
        self._database = parts.database
        self._writer = parts.writer
        self._write_through = parts.write_through
        self._history = DocumentHistory(parts.database)
        self._indexer = Indexer(parts.chunker, parts.tokenizer, parts.embedder)
        self._store = DocumentStore(parts.database, parts.embedder.fingerprint)
        self._search = HybridSearch(parts.database, parts.embedder, parts.similarity_threshold)
        self._leases = parts.leases or Leases(alone=True, predecessor=False)
        self._leased = LeasedSearch(self._search, self._leases)
        self._changing: WeakValueDictionary[tuple[Scope, DocId], asyncio.Lock] = WeakValueDictionary()
        self._rebuild: Rebuild | None = None
        self._rebuilding: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, parts: KnowledgeParts) -> KnowledgeService:
        """Ready to serve. Loads the samples into a new database, and starts to re-index an old one
        when the embedding model, the tokenizer or the chunk size are others than before.

        Raises: KnowledgeUnavailable.
        """
        service = cls(parts)
        await service._start_rebuild()
        if parts.samples is not None:
            with service.starting():
                await service._load_samples(parts.samples)
        return service

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Changes in here wait for no lease: nobody has asked for them yet."""
        with self._leases.starting():
            yield

    async def search(self, query: SearchQuery) -> Retrieval:
        """See `Retriever`."""
        return await self._search.search(_normalised(query))

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """See `LeasingKnowledge`."""
        return await self._leased.leased_search(holder, _normalised(query))

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        """See `LeasingKnowledge`."""
        return await self._leased.watch(holder, known)

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """See `PassageReader`."""
        return await self._search.passages_of(scope, doc_ids)

    async def search_text(self, scope: Scope, question: str, limit: int) -> tuple[TextHit, ...]:
        """See `VersionedLibrary`."""
        return await self._search.search_text(scope, question, limit)

    async def put(self, scope: Scope, draft: DocumentDraft) -> Ingested:
        """See `DocumentLibrary`. Puts of one document take effect in the order in which they came."""
        async with self._lock(scope, draft.doc_id):
            return await self._put(scope, draft, invalidate=True)

    async def revise(self, scope: Scope, doc_id: DocId, content: str, invalidate: bool) -> Ingested:
        """See `VersionedLibrary`."""
        async with self._lock(scope, doc_id):
            while True:
                present = await self._store.get(scope, doc_id)
                raw, labels = content.encode(), (present.title, present.section)
                draft = DocumentDraft(doc_id, *labels, "text/markdown", raw, present.asked_as)
                try:
                    return await self._put(scope, draft, invalidate, present)
                except Overtaken:
                    log.info("%s: another process has relabelled it meanwhile; once more", doc_id)

    async def version(self, scope: Scope, doc_id: DocId, version: int) -> DocumentVersion:
        """See `VersionedLibrary`."""
        return await self._history.version(scope, doc_id, version)

    async def versions(
        self, scope: Scope, doc_id: DocId, limit: int, before: int | None
    ) -> tuple[DocumentVersion, ...]:
        """See `VersionedLibrary`."""
        return await self._history.versions(scope, doc_id, limit, before)

    async def discard_segments(self, scope: Scope, pattern: str) -> int:
        """See `VersionedLibrary`."""
        segments = await self._store.segments(scope, doc_id_pattern(pattern))
        return await self._writer.discard(scope, segments) if self._writer is not None else 0

    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        """See `DocumentLibrary`."""
        return await self._store.get(scope, doc_id)

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        """See `DocumentLibrary`."""
        async with self._lock(scope, doc_id):
            return await self._published(scope, await self._store.delete(scope, doc_id))

    async def list(self, scope: Scope, limit: int, after: DocId | None) -> tuple[Document, ...]:
        """See `DocumentLibrary`."""
        return await self._store.list(scope, limit, after)

    async def status(self) -> dict[str, str]:
        """How many documents there are, and how far the index is. Raises: KnowledgeUnavailable."""
        index = self._rebuild.describe() if self._rebuild is not None else "ready"
        return {"documents": str(await self._store.count()), "index": index}

    async def check_health(self) -> None:
        """Raises: KnowledgeUnavailable."""
        await self._database.ping()

    async def close(self) -> None:
        """Stops a rebuild (the next start goes on with it). The database is closed by its owner."""
        if self._rebuilding is not None:
            self._rebuilding.cancel()
            await asyncio.gather(self._rebuilding, return_exceptions=True)
        self._indexer.close()

    def _lock(self, scope: Scope, doc_id: DocId) -> asyncio.Lock:
        return self._changing.setdefault((scope, doc_id), asyncio.Lock())

    async def _put(
        self, scope: Scope, draft: DocumentDraft, invalidate: bool, read: Document | None = None
    ) -> Ingested:
        loaded = await load(draft)
        drafts = await self._indexer.cut(loaded.title, loaded.text)
        document = PreparedDocument(
            scope, draft.doc_id, loaded.title, loaded.section, loaded.text, loaded.asked_as, drafts
        )
        stored = await self._put_with_vectors(document, read)
        if not invalidate:
            stored = replace(stored, obsolete=(), ingested=replace(stored.ingested, invalidated=0))
        return await self._published(scope, stored)

    async def _put_with_vectors(self, document: PreparedDocument, read: Document | None) -> Stored:
        """Embeds what is new and no more; what is new is known for certain in the transaction only."""
        vectors = DocumentVectors()
        while True:
            try:
                return await self._store.put(document, vectors, read)
            except VectorsMissing as missing:
                vectors |= await self._indexer.vectors(missing.drafts, missing.wordings)

    async def _published(self, scope: Scope, stored: Stored) -> Ingested:
        """The end of every change: when it returns, nobody uses what was there before."""
        async with self._leases.settling(scope, stored.ingested.generation):
            return await self._written(scope, stored)

    async def _written(self, scope: Scope, stored: Stored) -> Ingested:
        """Tells the token cache, whose failure changes nothing: it is a cache."""
        if self._writer is None:
            return stored.ingested
        try:
            async with asyncio.timeout(_TOKEN_CACHE_TIMEOUT_S):
                written = stored.written if self._write_through else ()
                tokens = await _publish(self._writer, scope, written, stored.obsolete)
        except Exception:
            log.warning("%s: the token cache was not told", stored.ingested.doc_id, exc_info=True)
            return stored.ingested
        return replace(stored.ingested, tokens_written=tokens)

    async def _start_rebuild(self) -> None:
        async with self._database.transaction() as connection:
            index = await ensure_index(connection, self._indexer.key)
            pending = await count_pending(connection, index.id)
        if not index.active or pending:
            self._rebuild = Rebuild(self._database, self._store, self._indexer, index, pending)
            self._rebuilding = asyncio.create_task(self._rebuild.run())

    async def _load_samples(self, folder: Path) -> None:
        """Once in the life of a database, so that a deleted sample stays deleted."""
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


async def _publish(
    writer: SegmentWriter, scope: Scope, written: Sequence[str], obsolete: Sequence[str]
) -> int:
    """Returns how many token ids were written."""
    if obsolete:
        await writer.invalidate(scope, obsolete)
        await writer.replace(scope, dict(zip(obsolete, written, strict=False)))
    return await writer.write_through(scope, written) if written else 0
