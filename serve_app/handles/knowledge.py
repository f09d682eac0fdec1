"""A client of the Knowledge deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.core.documents import (
    Document,
    DocumentDraft,
    DocumentVersion,
    Ingested,
    Retrieval,
    SearchQuery,
    TextHit,
)
from deployments.core.ids import DocId, Scope
from deployments.core.leases import HolderId, Lease, LeasedRetrieval
from serve_app.handles.errors import translated


class KnowledgeHandle:
    """Implements `Retriever`, `LeasingKnowledge`, `PassageReader` and `VersionedLibrary`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def search(self, query: SearchQuery) -> Retrieval:
        """See `Retriever`."""
        with translated("the knowledge base"):
            found: Retrieval = await self._handle.search.remote(query)
            return found

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """See `LeasingKnowledge`."""
        with translated("the knowledge base"):
            found: LeasedRetrieval = await self._handle.leased_search.remote(holder, query)
            return found

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        """See `LeasingKnowledge`."""
        with translated("the knowledge base"):
            leases: Mapping[Scope, Lease] = await self._handle.watch.remote(holder, dict(known))
            return leases

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """See `PassageReader`."""
        with translated("the knowledge base"):
            found: Retrieval = await self._handle.passages_of.remote(scope, list(doc_ids))
            return found

    async def put(self, scope: Scope, draft: DocumentDraft) -> Ingested:
        """See `DocumentLibrary`."""
        with translated("the knowledge base"):
            ingested: Ingested = await self._handle.put.remote(scope, draft)
            return ingested

    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        """See `DocumentLibrary`."""
        with translated("the knowledge base"):
            document: Document = await self._handle.get.remote(scope, doc_id)
            return document

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        """See `DocumentLibrary`."""
        with translated("the knowledge base"):
            deleted: Ingested = await self._handle.delete.remote(scope, doc_id)
            return deleted

    async def list(self, scope: Scope, limit: int, after: DocId | None) -> tuple[Document, ...]:
        """See `DocumentLibrary`."""
        with translated("the knowledge base"):
            documents: tuple[Document, ...] = await self._handle.list.remote(scope, limit, after)
            return documents

    async def revise(self, scope: Scope, doc_id: DocId, content: str, invalidate: bool) -> Ingested:
        """See `VersionedLibrary`."""
        with translated("the knowledge base"):
            revised: Ingested = await self._handle.revise.remote(scope, doc_id, content, invalidate)
            return revised

    async def version(self, scope: Scope, doc_id: DocId, version: int) -> DocumentVersion:
        """See `VersionedLibrary`."""
        with translated("the knowledge base"):
            found: DocumentVersion = await self._handle.version.remote(scope, doc_id, version)
            return found

    async def versions(
        self, scope: Scope, doc_id: DocId, limit: int, before: int | None
    ) -> tuple[DocumentVersion, ...]:
        """See `VersionedLibrary`."""
        with translated("the knowledge base"):
            found: tuple[DocumentVersion, ...] = await self._handle.versions.remote(
                scope, doc_id, limit, before
            )
            return found

    async def search_text(self, scope: Scope, question: str, limit: int) -> tuple[TextHit, ...]:
        """See `VersionedLibrary`."""
        with translated("the knowledge base"):
            hits: tuple[TextHit, ...] = await self._handle.search_text.remote(scope, question, limit)
            return hits

    async def discard_segments(self, scope: Scope, pattern: str) -> int:
        """See `VersionedLibrary`."""
        with translated("the knowledge base"):
            return int(await self._handle.discard_segments.remote(scope, pattern))

    async def status(self) -> dict[str, str]:
        """What the knowledge base is doing; answering at all means that it is ready."""
        with translated("the knowledge base"):
            status: dict[str, str] = await self._handle.status.remote()
            return status
