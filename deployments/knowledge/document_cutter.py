"""Reads documents and cuts them into chunks, in whichever process calls it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from deployments.core.documents import DocumentDraft
from deployments.core.errors import UnprocessableDocument
from deployments.core.ids import DocId, TenantId
from deployments.knowledge.cutting.chunking import Chunk, Chunker
from deployments.knowledge.document_limits import DocumentLimits, exceeds
from deployments.knowledge.readers.loaders import LoadedDocument, load


@dataclass(frozen=True, slots=True)
class CutDocument:
    """A document as it will be stored."""

    loaded: LoadedDocument
    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class DocumentCutter:
    """Reads and cuts, and limits what comes out. A pickle of it goes to each document process."""

    chunker: Chunker
    limits: DocumentLimits = field(default_factory=DocumentLimits)

    def read(self, draft: DocumentDraft) -> CutDocument:
        """Reads a draft and cuts it.

        Raises UnsupportedMediaType, UnprocessableDocument, InvalidRequest.
        """
        loaded = load(draft, self.limits.chars)
        return CutDocument(loaded, self.cut(draft.doc_id, loaded.title, loaded.text))

    def cut(self, doc_id: DocId, title: str, text: str) -> list[Chunk]:
        """Cuts a stored text. Raises UnprocessableDocument if there are too many chunks."""
        chunks = self.chunker.chunks(title, text)
        if len(chunks) > self.limits.chunks:
            reason = exceeds(f"makes more than {self.limits.chunks:,} chunks")
            raise UnprocessableDocument(f"document {doc_id}: {reason}")
        return chunks


class DocumentReader(Protocol):
    """Does what a DocumentCutter does, without making other tenants wait."""

    @property
    def chunk_tokens(self) -> int:
        """Most tokens of a chunk's segment."""
        ...

    async def read(self, tenant: TenantId, draft: DocumentDraft) -> CutDocument:
        """Reads and cuts a draft. Raises UnsupportedMediaType, UnprocessableDocument, InvalidRequest."""
        ...

    async def cut(self, tenant: TenantId, doc_id: DocId, title: str, text: str) -> list[Chunk]:
        """Cuts a stored text. Raises UnprocessableDocument."""
        ...

    async def close(self) -> None:
        """Ends all work."""
        ...
