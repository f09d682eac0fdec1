"""Interfaces to documents with their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.documents import DocumentVersion, Ingested, Retrieval, TextHit
from deployments.core.ids import DocId, Scope
from deployments.core.ports import DocumentLibrary
from deployments.core.replica import repeatable


class PassageReader(Protocol):
    """Passages of known documents, without a search. Raises KnowledgeUnavailable."""

    @repeatable
    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        """All passages of documents, in the order of `doc_ids` and of their text; unknown ids are
        absent.
        """


class VersionedLibrary(DocumentLibrary, Protocol):
    """The documents of the knowledge base with their versions.

    All methods raise KnowledgeUnavailable.
    """

    async def revise(self, scope: Scope, doc_id: DocId, content: str, invalidate: bool) -> Ingested:
        """Stores a new version of a document's text (Markdown) under its present labels (title, section,
        wordings, url, metadata).

        Without `invalidate`, segments that no document has any more stay in the token cache until they
        expire; no answer uses them in either case. Raises NotFound, UnprocessableDocument.
        """

    @repeatable
    async def version(self, scope: Scope, doc_id: DocId, version: int) -> DocumentVersion:
        """One version of a document. Raises NotFound."""

    @repeatable
    async def versions(
        self, scope: Scope, doc_id: DocId, limit: int, before: int | None
    ) -> tuple[DocumentVersion, ...]:
        """At most `limit` versions without their contents, newest first, the present one included.
        `before` is a version: only older ones are listed. Raises NotFound.
        """

    @repeatable
    async def search_text(
        self, scope: Scope, question: str, limit: int, only: DocumentFilter = EVERY_DOCUMENT
    ) -> tuple[TextHit, ...]:
        """Full text search: at most `limit` documents of `only`, ranked by their best passage."""

    async def discard_segments(self, scope: Scope, pattern: str) -> int:
        """Deletes the cached segments of those documents whose ids match a glob pattern.

        The documents stay. Returns how many segments the shared cache held. Raises CacheUnavailable,
        InvalidRequest.
        """
