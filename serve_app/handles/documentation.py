"""A client of what the documentation agent does besides answering."""

from __future__ import annotations

from typing import Any

from deployments.core.documents import Ingested, TextHit
from deployments.core.ids import DocId, TenantId
from deployments.core.writing import WritingOrder, WrittenDocument
from serve_app.handles.errors import translated

_PART = "the documentation agent"


class DocumentationHandle:
    """Implements `DocumentationDesk`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def generate_documentation(self, order: WritingOrder) -> WrittenDocument:
        """See `DocumentationDesk`."""
        with translated(_PART):
            written: WrittenDocument = await self._handle.generate_documentation.remote(order)
            return written

    async def update_documentation(
        self, tenant: TenantId, doc_id: DocId, content: str, invalidate_cache: bool
    ) -> Ingested:
        """See `DocumentationDesk`."""
        call = self._handle.update_documentation
        with translated(_PART):
            updated: Ingested = await call.remote(tenant, doc_id, content, invalidate_cache)
            return updated

    async def search_documentation(self, tenant: TenantId, query: str, limit: int) -> tuple[TextHit, ...]:
        """See `DocumentationDesk`."""
        with translated(_PART):
            hits: tuple[TextHit, ...] = await self._handle.search_documentation.remote(tenant, query, limit)
            return hits
