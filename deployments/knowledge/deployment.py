"""The Knowledge deployment: a thin shell over `KnowledgeService`. The wiring decorates it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

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
from deployments.knowledge.service import KnowledgeService


class Knowledge:
    """`build` makes the service inside the replica: loop, connection and model belong to it."""

    async def __init__(  # type: ignore[misc]  # Serve awaits constructors
        self, build: Callable[[], Awaitable[KnowledgeService]]
    ) -> None:
        self._service = await build()

    async def search(self, query: SearchQuery) -> Retrieval:
        """See `core.ports.Retriever`."""
        return await self._service.search(query)

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """See `core.leases.LeasingKnowledge`."""
        return await self._service.leased_search(holder, query)

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        """See `core.leases.LeasingKnowledge`."""
        return await self._service.watch(holder, known)

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """See `core.business_ports.PassageReader`."""
        return await self._service.passages_of(scope, doc_ids)

    async def search_text(self, scope: Scope, question: str, limit: int) -> tuple[TextHit, ...]:
        """See `core.library_ports.VersionedLibrary`."""
        return await self._service.search_text(scope, question, limit)

    async def put(self, scope: Scope, draft: DocumentDraft) -> Ingested:
        """See `core.ports.DocumentLibrary`."""
        return await self._service.put(scope, draft)

    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        """See `core.ports.DocumentLibrary`."""
        return await self._service.get(scope, doc_id)

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        """See `core.ports.DocumentLibrary`."""
        return await self._service.delete(scope, doc_id)

    async def list(self, scope: Scope, limit: int, after: DocId | None) -> tuple[Document, ...]:
        """See `core.ports.DocumentLibrary`."""
        return await self._service.list(scope, limit, after)

    async def revise(self, scope: Scope, doc_id: DocId, content: str, invalidate: bool) -> Ingested:
        """See `core.library_ports.VersionedLibrary`."""
        return await self._service.revise(scope, doc_id, content, invalidate)

    async def version(self, scope: Scope, doc_id: DocId, version: int) -> DocumentVersion:
        """See `core.library_ports.VersionedLibrary`."""
        return await self._service.version(scope, doc_id, version)

    async def versions(
        self, scope: Scope, doc_id: DocId, limit: int, before: int | None
    ) -> tuple[DocumentVersion, ...]:
        """See `core.library_ports.VersionedLibrary`."""
        return await self._service.versions(scope, doc_id, limit, before)

    async def discard_segments(self, scope: Scope, pattern: str) -> int:
        """See `core.library_ports.VersionedLibrary`."""
        return await self._service.discard_segments(scope, pattern)

    async def status(self) -> dict[str, str]:
        """See `KnowledgeService.status`."""
        return await self._service.status()

    async def check_health(self) -> None:
        """Serve replaces the replica when this raises."""
        await self._service.check_health()
