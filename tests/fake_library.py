"""A `VersionedLibrary` in memory."""

from __future__ import annotations

from fnmatch import fnmatchcase

from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.documents import (
    Document,
    DocumentDraft,
    DocumentVersion,
    Ingested,
    Retrieval,
    SearchQuery,
    TextHit,
    revision,
)
from deployments.core.errors import NotFound, UnprocessableDocument, UnsupportedMediaType
from deployments.core.ids import DocId, Scope, doc_id_pattern
from deployments.core.ports import Retriever

UNTOLD = "application/octet-stream"


def matches(only: DocumentFilter, document: Document) -> bool:
    """Whether a document is one of those that a filter allows."""
    return (not only.doc_ids or document.doc_id in only.doc_ids) and all(
        document.metadata.get(key) in allowed for key, allowed in only.metadata
    )


class FakeLibrary:
    """Keeps texts. Raises `fault` while that is set.

    `drafts` lists the stored drafts, `revisions` the `invalidate` of each revision. Every document has
    two segments, both cached. `retriever` answers searches by meaning.
    """

    def __init__(self, retriever: Retriever | None = None) -> None:
        self._retriever = retriever
        self.documents: dict[tuple[Scope, DocId], Document] = {}
        self.past: dict[tuple[Scope, DocId], list[DocumentVersion]] = {}
        self.drafts: list[DocumentDraft] = []
        self.revisions: list[bool] = []
        self.fault: Exception | None = None

    async def put(self, scope: Scope, draft: DocumentDraft, skip_equal: bool = False) -> Ingested:
        if self.fault is not None:
            raise self.fault
        if draft.media_type.partition(";")[0] not in {"text/markdown", "application/pdf", UNTOLD}:
            raise UnsupportedMediaType(f"{draft.media_type or 'no media type'} can't be read")
        if not draft.raw.strip():
            raise UnprocessableDocument(f"document {draft.doc_id}: it holds no text")
        self.drafts.append(draft)
        name = (scope, draft.doc_id)
        version = self.documents[name].version + 1 if name in self.documents else 1
        text = draft.raw.decode(errors="replace")
        self.documents[name] = Document(
            scope,
            draft.doc_id,
            draft.title,
            draft.section,
            text,
            version,
            chunks=2,
            created_at_s=1.0,
            updated_at_s=2.0,
            asked_as=draft.asked_as,
            url=draft.url,
            metadata=draft.metadata,
        )
        stored = DocumentVersion(version, draft.title, draft.section, text, 2.0, draft.url, draft.metadata)
        self.past.setdefault(name, []).append(stored)
        return Ingested(
            draft.doc_id, version, chunks=2, kept=1, invalidated=1, generation=5, tokens_written=9
        )

    async def search(self, query: SearchQuery) -> Retrieval:
        assert self._retriever is not None
        return await self._retriever.search(query)

    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        if (scope, doc_id) not in self.documents:
            raise NotFound(f"there is no document {doc_id}", "doc_id")
        return self.documents[scope, doc_id]

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        found = await self.get(scope, doc_id)
        del self.documents[scope, doc_id], self.past[scope, doc_id]
        return Ingested(doc_id, found.version, chunks=0, kept=0, invalidated=2, generation=6)

    async def list(
        self, scope: Scope, limit: int, after: DocId | None, only: DocumentFilter = EVERY_DOCUMENT
    ) -> tuple[Document, ...]:
        found = [d for (where, _), d in self.documents.items() if where == scope and matches(only, d)]
        later = [d for d in found if d.doc_id > (after or "")]
        return tuple(sorted(later, key=lambda d: d.doc_id)[:limit])

    async def revise(self, scope: Scope, doc_id: DocId, content: str, invalidate: bool) -> Ingested:
        present = await self.get(scope, doc_id)
        self.revisions.append(invalidate)
        return await self.put(scope, revision(present, content))

    async def version(self, scope: Scope, doc_id: DocId, version: int) -> DocumentVersion:
        present = await self.get(scope, doc_id)
        if version > present.version:
            raise NotFound(f"there is no version {version}", "version")
        return self.past[scope, doc_id][version - 1]

    async def versions(
        self, scope: Scope, doc_id: DocId, limit: int, before: int | None
    ) -> tuple[DocumentVersion, ...]:
        await self.get(scope, doc_id)
        older = [v for v in self.past[scope, doc_id][::-1] if before is None or v.version < before]
        return tuple(older[:limit])

    async def search_text(
        self, scope: Scope, question: str, limit: int, only: DocumentFilter = EVERY_DOCUMENT
    ) -> tuple[TextHit, ...]:
        if self.fault is not None:
            raise self.fault
        found = [d for d in await self.list(scope, 1000, None, only) if question.lower() in d.content.lower()]
        hits = [
            TextHit(d.doc_id, d.title, "", d.section, d.version, 1 / (rank + 1), d.content[:20])
            for rank, d in enumerate(found)
        ]
        return tuple(hits[:limit])

    async def discard_segments(self, scope: Scope, pattern: str) -> int:
        if self.fault is not None:
            raise self.fault
        wanted = doc_id_pattern(pattern)
        return 2 * sum(where == scope and fnmatchcase(doc, wanted) for where, doc in self.documents)
