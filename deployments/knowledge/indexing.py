"""Documents' texts to chunks with vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from deployments.core.ids import Fingerprint
from deployments.database.vectors import Embedder
from deployments.knowledge.chunking import Chunker
from deployments.knowledge.indexes import IndexKey
from deployments.knowledge.stored_chunks import ChunkDraft, DocumentVectors, chunk_draft


class Indexer:
    """Cuts texts in a worker thread of its own, since a tokenizer can't be shared by threads."""

    def __init__(self, chunker: Chunker, tokenizer: Fingerprint, embedder: Embedder) -> None:
        self._chunker = chunker
        self._embedder = embedder
        self._worker = ThreadPoolExecutor(1, "chunker")
        self.key = IndexKey(embedder.fingerprint, tokenizer, chunker.chunk_tokens)

    async def cut(self, title: str, content: str) -> list[ChunkDraft]:
        """The chunks of a document."""

        def work() -> list[ChunkDraft]:
            return [chunk_draft(title, chunk) for chunk in self._chunker.chunks(title, content)]

        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def vectors(self, drafts: Sequence[ChunkDraft], wordings: Sequence[str]) -> DocumentVectors:
        """Vectors of chunks and of wordings."""
        matrix = await self._embedder.embed_documents([draft.embedded_text for draft in drafts])
        asked = await self._embedder.embed_queries(wordings)
        return DocumentVectors(
            {draft.segment_hash: row for draft, row in zip(drafts, matrix, strict=True)},
            dict(zip(wordings, asked, strict=True)),
        )

    def close(self) -> None:
        """Ends the worker thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)
