"""A DocumentReader without processes, whose start would take longer than most tests."""

from __future__ import annotations

from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId, TenantId
from deployments.knowledge.cutting.chunking import Chunk, Chunker, TokenCounter
from deployments.knowledge.document_cutter import CutDocument, DocumentCutter


def count_words(text: str) -> int:
    """Counts words: the tests' tokenizer."""
    return len(text.split())


class InProcessDocuments:
    """Reads and cuts in the calling process."""

    def __init__(self, chunk_tokens: int, count_tokens: TokenCounter = count_words) -> None:
        self._cutter = DocumentCutter(Chunker(count_tokens, chunk_tokens))
        self.chunk_tokens = chunk_tokens

    async def read(self, tenant: TenantId, draft: DocumentDraft) -> CutDocument:
        return self._cutter.read(draft)

    async def cut(self, tenant: TenantId, doc_id: DocId, title: str, text: str) -> list[Chunk]:
        return self._cutter.cut(doc_id, title, text)

    async def close(self) -> None:
        """Has nothing to end."""
